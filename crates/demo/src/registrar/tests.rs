//! The server without sockets: what goes in, what comes out.

use std::time::Duration;

use sip::digest::{Challenge, Request, User};
use sip::{RequestBuilder, ResponseBuilder};

use super::*;

const SERVER: &str = "192.0.2.1:5060";

/// The server with two users and a phone, and a wire to it.
struct Bench {
    registrar: Registrar,
    now: Instant,
    names: Names,
}

impl Bench {
    fn new() -> Self {
        let users = ["alice", "bob"].map(|name| (name.to_owned(), format!("{name}'s secret")));
        let phone = ("echo".to_owned(), at("192.0.2.50:5060"));
        let config = Config {
            domain: "demo.example".to_owned(),
            users: users.into(),
            phones: [phone].into(),
        };
        Self {
            registrar: Registrar::new(config, at(SERVER), [7; 16]),
            now: Instant::now(),
            names: Names::new([9; 16]),
        }
    }

    fn send(&mut self, message: &Message, from: &str) -> Vec<(Message, SocketAddr)> {
        self.registrar
            .receive(message.as_bytes(), at(from), self.now);
        self.sent()
    }

    fn sent(&mut self) -> Vec<(Message, SocketAddr)> {
        let sent = std::iter::from_fn(|| self.registrar.poll());
        sent.map(|(bytes, to)| (Message::parse(bytes.to_vec()).unwrap(), to))
            .collect()
    }

    fn request(&mut self, method: Method, uri: &str, user: &str, number: u32) -> RequestBuilder {
        let via = format!(
            "SIP/2.0/UDP client.invalid;branch={};rport",
            self.names.branch()
        );
        let to = if method == Method::Register {
            format!("<sip:{user}@demo.example>")
        } else {
            format!("<{uri}>")
        };
        RequestBuilder::new(method, uri)
            .header("Via", via)
            .header("From", format!("<sip:{user}@demo.example>;tag=1"))
            .header("To", to)
            .header("Call-ID", format!("call of {user}").replace(' ', "-"))
            .cseq(number)
    }

    /// Registers a contact behind a path; the last answer.
    fn register(&mut self, user: &str, contact: &str, path: &str) -> Message {
        let uri = "sip:demo.example";
        let challenge = self
            .request(Method::Register, uri, user, 1)
            .build()
            .unwrap();
        let challenged = self.send(&challenge, "192.0.2.9:5060");
        assert_eq!(challenged[0].0.status(), Some(401));
        let proof = proof(&challenged[0].0, &challenge, user);
        let register = self
            .request(Method::Register, uri, user, 2)
            .header("Contact", format!("<{contact}>"))
            .header("Path", path)
            .header("Supported", "path, outbound")
            .header("Authorization", proof)
            .build()
            .unwrap();
        self.send(&register, "192.0.2.9:5060").remove(0).0
    }

    /// A call by `user`, past the challenge; the requests that leave.
    fn invite(&mut self, user: &str, uri: &str) -> (Message, Vec<(Message, SocketAddr)>) {
        let contact = "<sip:caller@192.0.2.9:5060>";
        let first = self
            .request(Method::Invite, uri, user, 1)
            .header("Contact", contact);
        let first = first.build().unwrap();
        let challenged = self.send(&first, "192.0.2.9:5060");
        let challenge = challenged.last().unwrap();
        assert_eq!(challenge.0.status(), Some(407));
        let proof = proof(&challenge.0, &first, user);
        let second = self
            .request(Method::Invite, uri, user, 2)
            .header("Contact", contact)
            .header("Proxy-Authorization", proof)
            .build()
            .unwrap();
        let sent = self.send(&second, "192.0.2.9:5060");
        let requests = sent.into_iter().filter(|(it, _)| it.is_request()).collect();
        (second, requests)
    }
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn proof(challenge: &Message, request: &Message, user: &str) -> String {
    let header = ["WWW-Authenticate", "Proxy-Authenticate"]
        .into_iter()
        .find_map(|name| challenge.header(name));
    let challenge = Challenge::parse(&header.unwrap()).unwrap();
    let password = format!("{user}'s secret");
    let user = User {
        name: user,
        password: &password,
    };
    let request = Request {
        method: request.method().unwrap(),
        uri: request.uri_text().unwrap(),
        body: request.body(),
    };
    challenge.answer(&user, &request, "cnonce", 1).to_string()
}

fn answer(request: &Message, status: u16, tag: &str) -> Message {
    let contact = format!("<sip:callee@192.0.2.{tag}>");
    ResponseBuilder::new(request, status, "Answer")
        .to_tag(tag)
        .header("Contact", contact)
        .build()
        .unwrap()
}

#[test]
fn a_binding_remembers_contact_and_path_byte_for_byte_until_it_runs_out() {
    let mut bench = Bench::new();
    let contact = "sip:aB3x@df7jal23ls0d.invalid;transport=ws;ob";
    let path = "<sip:token@198.51.100.1:5080;lr>";
    let confirmed = bench.register("bob", contact, path);
    assert_eq!(confirmed.status(), Some(200));
    let bound = confirmed.header("Contact").unwrap();
    assert_eq!(bound, format!("<{contact}>;expires=600"));
    assert_eq!(confirmed.header("Path").unwrap(), path);

    let (_, requests) = bench.invite("alice", "sip:bob@demo.example");
    let (invite, to) = &requests[0];
    assert_eq!(invite.uri_text(), Some(contact));
    assert_eq!(invite.header("Route").unwrap(), path);
    assert_eq!(*to, at("198.51.100.1:5080"));
    let recorded = invite.header("Record-Route").unwrap();
    assert_eq!(recorded, format!("<sip:{SERVER};lr>"));
    assert_eq!(invite.max_forwards(), Some(69));

    bench.now += Duration::from_secs(601);
    assert_eq!(bench.registrar.bindings("bob", bench.now), 0);
}

#[test]
fn a_path_that_the_client_does_not_know_is_refused() {
    let mut bench = Bench::new();
    let first = bench.request(Method::Register, "sip:demo.example", "bob", 1);
    let first = first.build().unwrap();
    let challenged = bench.send(&first, "192.0.2.9:5060");
    let proof = proof(&challenged[0].0, &first, "bob");
    let second = bench
        .request(Method::Register, "sip:demo.example", "bob", 2)
        .header("Contact", "<sip:bob@192.0.2.9>")
        .header("Path", "<sip:edge@198.51.100.1;lr>")
        .header("Authorization", proof)
        .build()
        .unwrap();
    let refused = bench.send(&second, "192.0.2.9:5060").remove(0).0;
    assert_eq!(refused.status(), Some(420));
    assert_eq!(refused.header("Unsupported").unwrap(), "path");
}

#[test]
fn nobody_registers_or_calls_in_anothers_name() {
    let mut bench = Bench::new();
    let first = bench.request(Method::Register, "sip:demo.example", "alice", 1);
    let first = first.build().unwrap();
    let challenged = bench.send(&first, "192.0.2.9:5060");
    let bobs = proof(&challenged[0].0, &first, "bob");
    let second = bench.request(Method::Register, "sip:demo.example", "alice", 2);
    let second = second.header("Authorization", bobs).build().unwrap();
    let refused = bench.send(&second, "192.0.2.9:5060").remove(0).0;
    assert_eq!(refused.status(), Some(403));

    let first = bench.request(Method::Invite, "sip:echo@demo.example", "alice", 1);
    let first = first
        .header("Contact", "<sip:a@192.0.2.9>")
        .build()
        .unwrap();
    let challenged = bench.send(&first, "192.0.2.9:5060");
    let bobs = proof(&challenged.last().unwrap().0, &first, "bob");
    let second = bench.request(Method::Invite, "sip:echo@demo.example", "alice", 2);
    let second = second
        .header("Contact", "<sip:a@192.0.2.9>")
        .header("Proxy-Authorization", bobs)
        .build()
        .unwrap();
    let refused = bench.send(&second, "192.0.2.9:5060");
    assert_eq!(refused.last().unwrap().0.status(), Some(407));
}

#[test]
fn of_two_places_the_first_answer_wins_and_the_other_stops_ringing() {
    let mut bench = Bench::new();
    for (contact, path) in [("sip:one@x.invalid", "1"), ("sip:two@x.invalid", "2")] {
        bench.register("bob", contact, &format!("<sip:t@198.51.100.{path};lr>"));
        bench.names.name();
    }
    assert_eq!(bench.registrar.bindings("bob", bench.now), 2);
    let (invite, requests) = bench.invite("alice", "sip:bob@demo.example");
    let [one, two] = &requests[..] else {
        panic!("two branches, not {}", requests.len());
    };
    for ringing in [one, two] {
        let up = bench.send(&answer(&ringing.0, 180, "11"), "198.51.100.1:5060");
        assert_eq!(up[0].0.status(), Some(180));
        assert_eq!(
            up[0].0.top_via().unwrap().branch(),
            invite.top_via().unwrap().branch()
        );
    }
    let sent = bench.send(&answer(&one.0, 200, "12"), "198.51.100.1:5060");
    assert!(
        sent.iter()
            .any(|(it, to)| it.status() == Some(200) && *to == at("192.0.2.9:5060"))
    );
    let cancel = sent.iter().find(|(it, _)| it.is(&Method::Cancel)).unwrap();
    assert_eq!(cancel.1, two.1);
    assert_eq!(
        cancel.0.top_via().unwrap().branch(),
        two.0.top_via().unwrap().branch()
    );
    let after = bench.send(&answer(&two.0, 487, "13"), "198.51.100.2:5060");
    assert!(after.iter().all(|(it, _)| it.is(&Method::Ack)));
}

#[test]
fn a_cancelled_call_ends_with_487() {
    let mut bench = Bench::new();
    let (invite, requests) = bench.invite("alice", "sip:echo@demo.example");
    let (forwarded, to) = &requests[0];
    assert_eq!(*to, at("192.0.2.50:5060"));
    // Before the phone says anything, nothing may be cancelled.
    let cancelled = bench.send(&Message::cancel(&invite).unwrap(), "192.0.2.9:5060");
    assert_eq!(cancelled.len(), 1);
    assert_eq!(cancelled[0].0.status(), Some(200));
    let sent = bench.send(&answer(forwarded, 180, "11"), "192.0.2.50:5060");
    assert!(
        sent.iter()
            .any(|(it, to)| it.is(&Method::Cancel) && *to == at("192.0.2.50:5060"))
    );
    let sent = bench.send(&answer(forwarded, 487, "11"), "192.0.2.50:5060");
    assert!(sent.iter().any(|(it, _)| it.status() == Some(487)));
}

#[test]
fn of_two_failures_the_better_one_goes_back() {
    let mut bench = Bench::new();
    bench.register("bob", "sip:one@x.invalid", "<sip:t@198.51.100.1;lr>");
    bench.register("bob", "sip:two@x.invalid", "<sip:t@198.51.100.2;lr>");
    let (_, requests) = bench.invite("alice", "sip:bob@demo.example");
    let sent = bench.send(&answer(&requests[0].0, 503, "11"), "198.51.100.1:5060");
    assert!(sent.iter().all(|(it, _)| it.is(&Method::Ack)));
    let sent = bench.send(&answer(&requests[1].0, 486, "12"), "198.51.100.2:5060");
    assert!(sent.iter().any(|(it, _)| it.status() == Some(486)));
    assert!(bench.registrar.branches.is_empty() || !bench.registrar.forks.is_empty());
}

#[test]
fn a_phone_that_does_not_answer_is_a_timeout() {
    let mut bench = Bench::new();
    bench.invite("alice", "sip:echo@demo.example");
    let mut statuses = Vec::new();
    while let Some(due) = bench.registrar.deadline() {
        bench.now = due;
        bench.registrar.timer(due);
        statuses.extend(bench.sent().into_iter().filter_map(|(it, _)| it.status()));
    }
    assert!(statuses.contains(&408), "{statuses:?}");
}

#[test]
fn unknown_users_and_absent_users_are_told_apart() {
    let mut bench = Bench::new();
    for (called, status) in [("nobody", 404), ("bob", 480)] {
        let uri = format!("sip:{called}@demo.example");
        let contact = "<sip:a@192.0.2.50>";
        let invite = bench.request(Method::Invite, &uri, "echo", 1);
        let invite = invite.header("Contact", contact).build().unwrap();
        let sent = bench.send(&invite, "192.0.2.50:5060");
        assert_eq!(sent.last().unwrap().0.status(), Some(status));
    }
}

#[test]
fn junk_never_panics() {
    let mut bench = Bench::new();
    for len in 0..600_usize {
        let junk: Vec<u8> = (0..len).map(|n| (n * 7 + len) as u8).collect();
        bench.registrar.receive(&junk, at("192.0.2.9:1"), bench.now);
        let start = b"INVITE sip:bob@demo.example SIP/2.0\r\nVia: ";
        let junk = [&start[..], &junk].concat();
        bench.registrar.receive(&junk, at("192.0.2.9:1"), bench.now);
    }
    bench.sent();
}
