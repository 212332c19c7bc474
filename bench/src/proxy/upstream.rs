//! What is behind the edge, alike for every edge: a SIP server that asks for digest credentials and is everybody's
//! phone, and a stand-in for a relay that answers every ng command at once with a body made beforehand.
//!
//! It answers each request by itself. What it remembers is which calls were answered and whether their ACK came: a
//! BYE without one gets 481, so that an ACK which an edge has lost is a call that has failed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use control_proto::{Command, Envelope, Response};
use peers::random;
use tokio::net::UdpSocket;

use super::bodies::{BROWSER_ANSWER, PHONE_ANSWER, PHONE_OFFER};
use super::client::DOMAIN;
use super::digest::Credentials;
use super::message::Message;

/// How long the phone rings.
const RINGING: Duration = Duration::from_millis(20);

/// Octets of a datagram.
const ROOM: usize = 65_535;

/// Octets that the kernel holds for us: a burst is not to be lost here.
const BUFFER: usize = 16 << 20;

/// The SIP server and its phone; no socket.
pub(crate) struct Upstream {
    nonce: String,
    /// By Call-ID: the CSeq of the INVITE that was answered, and whether its ACK came.
    calls: HashMap<String, (u32, bool)>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            nonce: random::token(24),
            calls: HashMap::new(),
        }
    }
}

impl Upstream {
    /// What is said to a request, and how long after it.
    pub(crate) fn receive(&mut self, text: &str) -> Vec<(Duration, String)> {
        let Some(request) = Message::read(text) else {
            return Vec::new();
        };
        let at_once = |text| vec![(Duration::ZERO, text)];
        match request.method() {
            Some("REGISTER") => at_once(self.register(&request)),
            Some("INVITE") => self.invite(&request),
            Some("ACK") => {
                self.ack(&request);
                Vec::new()
            }
            Some("BYE") => {
                let call = request
                    .value("Call-ID")
                    .and_then(|id| self.calls.remove(id));
                let status = match call {
                    Some((_, true)) => "200 OK",
                    _ => "481 No ACK has come",
                };
                at_once(response(&request, status, "", ""))
            }
            Some(_) => at_once(response(&request, "200 OK", "", "")),
            None => Vec::new(),
        }
    }

    fn register(&self, request: &Message<'_>) -> String {
        if !self.authentic(request, "Authorization") {
            let challenge = format!("WWW-Authenticate: {}\r\n", self.challenge());
            return response(request, "401 Unauthorized", &challenge, "");
        }
        let mut more = String::new();
        for contact in request.lines("Contact") {
            let expires = if contact.contains(";expires=") {
                ""
            } else {
                ";expires=600"
            };
            more += &format!("Contact: {contact}{expires}\r\n");
        }
        for path in request.lines("Path") {
            more += &format!("Path: {path}\r\n");
        }
        response(request, "200 OK", &more, "")
    }

    fn invite(&mut self, request: &Message<'_>) -> Vec<(Duration, String)> {
        if !self.authentic(request, "Proxy-Authorization") {
            let challenge = format!("Proxy-Authenticate: {}\r\n", self.challenge());
            let status = "407 Proxy Authentication Required";
            return vec![(Duration::ZERO, response(request, status, &challenge, ""))];
        }
        if let (Some(id), Some(sequence)) = (request.value("Call-ID"), sequence(request)) {
            let call = self.calls.entry(id.to_owned());
            call.or_insert((sequence, false));
        }
        let mut more = "Contact: <sip:phone@127.0.0.1:5060>\r\n".to_owned();
        for route in request.lines("Record-Route") {
            more += &format!("Record-Route: {route}\r\n");
        }
        let ringing = response(request, "180 Ringing", &more, "");
        more += "Content-Type: application/sdp\r\n";
        vec![
            (Duration::ZERO, ringing),
            (RINGING, response(request, "200 OK", &more, PHONE_ANSWER)),
        ]
    }

    fn ack(&mut self, request: &Message<'_>) {
        let call = request
            .value("Call-ID")
            .and_then(|id| self.calls.get_mut(id));
        if let (Some((answered, acked)), Some(sequence)) = (call, sequence(request)) {
            *acked |= *answered == sequence;
        }
    }

    fn challenge(&self) -> String {
        format!(
            "Digest realm=\"{DOMAIN}\", nonce=\"{}\", qop=\"auth\", algorithm=MD5",
            self.nonce
        )
    }

    fn authentic(&self, request: &Message<'_>, header: &str) -> bool {
        let Some(said) = request.value(header) else {
            return false;
        };
        let get = |name| Message::parameter(said, name).unwrap_or_default();
        let credentials = Credentials {
            user: get("username"),
            realm: DOMAIN,
            nonce: &self.nonce,
            method: request.method().unwrap_or_default(),
            uri: get("uri"),
            count: get("nc"),
            cnonce: get("cnonce"),
        };
        get("response") == credentials.response()
    }
}

fn sequence(request: &Message<'_>) -> Option<u32> {
    let (number, _) = request.value("CSeq")?.split_once(' ')?;
    number.parse().ok()
}

fn response(request: &Message<'_>, status: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for via in request.lines("Via") {
        text += &format!("Via: {via}\r\n");
    }
    for name in ["From", "Call-ID", "CSeq"] {
        text += &format!("{name}: {}\r\n", request.value(name).unwrap_or_default());
    }
    let to = request.value("To").unwrap_or_default();
    let tag = if to.contains(";tag=") { "" } else { ";tag=up" };
    text += &format!("To: {to}{tag}\r\n{more}");
    text + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The reply of a relay that has nothing to do.
fn relay(datagram: &[u8]) -> Option<Vec<u8>> {
    let envelope = Envelope::open(datagram)?;
    let reply = match envelope.request().ok()?.command {
        Command::Ping => Response::pong(),
        Command::Offer => Response::ok().with_sdp(PHONE_OFFER),
        Command::Answer => Response::ok().with_sdp(BROWSER_ANSWER),
        _ => Response::ok(),
    };
    Some(reply.encode(envelope.cookie, envelope.format))
}

/// Serves both until the process is ended.
pub(crate) async fn serve(sip: SocketAddr, ng: SocketAddr) -> Result<(), String> {
    let sip = Arc::new(bind(sip)?);
    let ng = bind(ng)?;
    println!("ready");
    let failed = |error: std::io::Error| format!("the sockets behind the edge: {error}");
    let mut upstream = Upstream::default();
    let (mut message, mut command) = (vec![0; ROOM], vec![0; ROOM]);
    loop {
        tokio::select! {
            received = sip.recv_from(&mut message) => {
                let (length, edge) = received.map_err(failed)?;
                let text = String::from_utf8_lossy(&message[..length]);
                for (after, reply) in upstream.receive(&text) {
                    let sip = Arc::clone(&sip);
                    let send = async move {
                        tokio::time::sleep(after).await;
                        // What does not arrive is missed by the client that waits for it.
                        _ = sip.send_to(reply.as_bytes(), edge).await;
                    };
                    match after.is_zero() {
                        true => send.await,
                        false => _ = tokio::spawn(send),
                    }
                }
            }
            received = ng.recv_from(&mut command) => {
                let (length, edge) = received.map_err(failed)?;
                if let Some(reply) = relay(&command[..length]) {
                    _ = ng.send_to(&reply, edge).await;
                }
            }
        }
    }
}

fn bind(address: SocketAddr) -> Result<UdpSocket, String> {
    let open = || {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER)?;
        UdpSocket::from_std(socket)
    };
    open().map_err(|error| format!("{address}: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What is said to a request of a call that was challenged before, at last.
    fn said(upstream: &mut Upstream, method: &str, sequence: u32) -> Option<u16> {
        let uri = "sip:phone@bench.example";
        let credentials = Credentials {
            user: "web1",
            realm: DOMAIN,
            nonce: &upstream.nonce,
            method,
            uri,
            count: "00000001",
            cnonce: "c",
        };
        let request = format!(
            "{method} {uri} SIP/2.0\r\nCall-ID: call\r\nCSeq: {sequence} {method}\r\nProxy-Authorization: {}\r\n\r\n",
            credentials.header()
        );
        let replies = upstream.receive(&request);
        let (_, last) = replies.last()?;
        Message::read(last).unwrap().status()
    }

    #[test]
    fn a_call_whose_ack_was_lost_cannot_end_well() {
        for (ack, ended) in [(Some(2), 200), (Some(1), 481), (None, 481)] {
            let mut upstream = Upstream::default();
            assert_eq!(said(&mut upstream, "INVITE", 2), Some(200));
            let acked = ack.and_then(|sequence| said(&mut upstream, "ACK", sequence));
            assert_eq!(acked, None);
            assert_eq!(said(&mut upstream, "BYE", 3), Some(ended), "{ack:?}");
        }
    }
}
