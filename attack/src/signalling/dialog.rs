//! A call of a user to the phone, as his library would make it: with no media, but all of its SIP.

use super::socket::{Socket, credentials, request, status};
use crate::programs::DOMAIN;
use crate::whole::{LINE, PASSWORD};

/// What stands before a body that is SDP.
pub(super) const SDP: &str = "Content-Type: application/sdp\r\n";

/// What a browser would offer.
pub(super) fn offer() -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n\
         c=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef012345\r\n\
         a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=rtpmap:0 PCMU/8000\r\n"
    )
}

/// Whom everybody may call.
pub(super) fn line() -> String {
    format!("sip:{LINE}@{DOMAIN}")
}

/// A call that stands.
pub(super) struct Dialog {
    user: String,
    call: String,
    /// Of the INVITE that was answered.
    pub(super) number: u32,
    route: String,
    to: String,
    target: String,
}

impl Dialog {
    /// INVITE, with credentials when they are asked for, and ACK.
    pub(super) fn begin(caller: &mut Socket, user: &str, call: &str) -> Result<Self, String> {
        let uri = line();
        let mut number = 1;
        let mut answer = invite(caller, user, call, number, "")?;
        if status(&answer) == Some(407) {
            let ack = request("ACK", &uri, user, call, number, "", "");
            let branch = format!("ACK{call}");
            _ = caller.send(&ack.replace(&branch, &format!("INVITE{call}")));
            let given =
                credentials(&answer, "INVITE", &uri, user, PASSWORD).ok_or("no challenge")?;
            number = 2;
            let more = format!("Proxy-Authorization: {given}\r\n");
            answer = invite(caller, user, call, number, &more)?;
        }
        if status(&answer) != Some(200) {
            let first = answer.lines().next().unwrap_or_default();
            return Err(format!("the call does not stand: {first}"));
        }
        let dialog = Self::of(&answer, user, call, number);
        caller
            .send(&dialog.within("ACK", number))
            .map_err(|error| error.to_string())?;
        Ok(dialog)
    }

    fn of(answer: &str, user: &str, call: &str, number: u32) -> Self {
        let of = |name: &str| {
            let values = answer
                .lines()
                .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            values.map(str::to_owned).collect::<Vec<_>>()
        };
        let recorded = of("Record-Route").join(", ");
        let mut routes: Vec<_> = recorded.split(", ").collect();
        routes.reverse();
        let contact = of("Contact").pop().unwrap_or_default();
        Self {
            user: user.to_owned(),
            call: call.to_owned(),
            number,
            route: format!("Route: {}\r\n", routes.join(", ")),
            to: of("To").pop().unwrap_or_default(),
            target: contact
                .split(['<', '>'])
                .nth(1)
                .unwrap_or(&line())
                .to_owned(),
        }
    }

    /// A request in it.
    pub(super) fn within(&self, method: &str, number: u32) -> String {
        let text = request(
            method,
            &self.target,
            &self.user,
            &self.call,
            number,
            &self.route,
            "",
        );
        text.replace(
            &format!("To: <{}>", self.target),
            &format!("To: {}", self.to),
        )
    }

    /// BYE; what it is answered with.
    pub(super) fn end(&self, caller: &mut Socket) -> Result<Option<u16>, String> {
        caller
            .send(&self.within("BYE", self.number + 1))
            .map_err(|error| error.to_string())?;
        Ok(caller.final_response().as_deref().and_then(status))
    }
}

fn invite(
    caller: &mut Socket,
    user: &str,
    call: &str,
    number: u32,
    more: &str,
) -> Result<String, String> {
    let more = format!("{SDP}{more}");
    let text = request("INVITE", &line(), user, call, number, &more, &offer());
    caller.send(&text).map_err(|error| error.to_string())?;
    caller
        .final_response()
        .ok_or_else(|| "the INVITE has no answer".to_owned())
}
