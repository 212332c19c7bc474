//! An edge that is its own registrar, with users, and what they send.

use sip::Message;
use sip::digest::{Challenge, Request, User};

use super::super::*;
use super::bench::*;

/// alice, bob and carol, each with the password `secret-NAME`.
pub(super) fn household() -> Bench {
    let mut users = Users::default();
    for name in ["alice", "bob", "carol"] {
        users
            .add(name, "example.com", &format!("secret-{name}"))
            .unwrap();
    }
    Bench::with(|config| config.registering = Registering::Local(Local::new(users)))
}

/// The REGISTER of one of a user's devices; `supported` is one more option tag.
pub(super) fn register_as(user: &str, device: &str, supported: &str, cseq: u32) -> Vec<u8> {
    let mut request = Message::parse(register(user, cseq)).unwrap();
    request.set("Call-ID", format!("reg-{device}")).unwrap();
    request
        .set("Contact", contact(device) + ";expires=600")
        .unwrap();
    if !supported.is_empty() {
        request
            .set("Supported", format!("outbound, {supported}"))
            .unwrap();
    }
    request.into_bytes()
}

/// An INVITE that the upstream, or whoever is behind it, sends to this URI.
pub(super) fn call_to(uri: &str, call: &str) -> Vec<u8> {
    let text = String::from_utf8(incoming(call, "alice", "<sip:x@y>", PHONE_SDP)).unwrap();
    text.replace("sip:alicex7@alice.invalid;transport=ws", uri)
        .replace("Route: <sip:x@y>\r\n", "")
        .into_bytes()
}

/// The request again: another branch, the next CSeq.
pub(super) fn renumbered(request: Vec<u8>, cseq: u32) -> Vec<u8> {
    let mut request = Message::parse(request).unwrap();
    let method = request.method().unwrap().as_str().to_owned();
    let via = request.header("Via").unwrap().into_owned();
    request.set("Via", format!("{via}p{cseq}")).unwrap();
    request.set("CSeq", format!("{cseq} {method}")).unwrap();
    request.into_bytes()
}

/// The request with the answer to a challenge of this algorithm.
pub(super) fn proven(
    request: Vec<u8>,
    asked: &Message,
    algorithm: &str,
    name: &str,
    password: &str,
    count: u32,
) -> Vec<u8> {
    let (from, to) = match asked.status() {
        Some(407) => ("Proxy-Authenticate", "Proxy-Authorization"),
        _ => ("WWW-Authenticate", "Authorization"),
    };
    let challenge = asked
        .headers(from)
        .find(|value| value.contains(&format!("algorithm={algorithm}")))
        .expect("a challenge");
    let challenge = Challenge::parse(&challenge).unwrap();
    let mut request = Message::parse(request).unwrap();
    let answer = challenge.answer(
        &User { name, password },
        &Request {
            method: request.method().unwrap(),
            uri: request.uri_text().unwrap(),
            body: request.body(),
        },
        "cnonce",
        count,
    );
    request.append(to, answer.to_string()).unwrap();
    request.into_bytes()
}

impl Bench {
    /// Sends a REGISTER, answers its challenge, and gives back what comes then.
    pub(super) fn sign_in(&mut self, flow: FlowId, user: &str, request: Vec<u8>) -> Message {
        self.prove(flow, user, request)
    }

    /// Sends a request, answers its challenge, and gives back what comes then, 100 aside.
    pub(super) fn prove(&mut self, flow: FlowId, user: &str, request: Vec<u8>) -> Message {
        self.place(flow, user, request);
        self.final_at(flow)
    }

    /// Sends a request and answers its challenge.
    pub(super) fn place(&mut self, flow: FlowId, user: &str, request: Vec<u8>) {
        let cseq = Message::parse(request.clone())
            .unwrap()
            .cseq()
            .unwrap()
            .number;
        self.browser_sends(flow, request.clone());
        let asked = self.final_at(flow);
        assert!(
            matches!(asked.status(), Some(401 | 407)),
            "{}",
            text(&asked)
        );
        if asked.status() == Some(407) {
            self.browser_sends(flow, ack_to(&request, &asked));
        }
        let again = renumbered(request, cseq + 1);
        let password = format!("secret-{user}");
        self.browser_sends(flow, proven(again, &asked, "MD5", user, &password, 1));
    }

    /// The next message to a browser that is not a 100.
    pub(super) fn final_at(&mut self, flow: FlowId) -> Message {
        loop {
            let message = self.browser_gets(flow);
            if message.status() != Some(100) {
                return message;
            }
        }
    }
}

fn ack_to(request: &[u8], response: &Message) -> Vec<u8> {
    let request = Message::parse(request.to_vec()).unwrap();
    Message::ack_to_failure(&request, response)
        .unwrap()
        .into_bytes()
}
