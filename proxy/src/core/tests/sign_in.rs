//! Sign-in by bearer token: browsers with an issuer's tokens, and a SIP server that wants digest.

use std::time::Duration;

use sip::Message;
use sip::digest::{Algorithm as Hash, Challenge, Credentials, Qop, Request, ha1};

use super::super::*;
use super::bench::*;
use super::household::renumbered;
use super::issuer::*;

pub(super) fn asked(nonce: &str, hash: Hash, stale: bool) -> String {
    let challenge = Challenge {
        algorithm: hash,
        stale,
        ..Challenge::new("example.com", nonce)
    };
    challenge.to_string()
}

impl Bench {
    /// The SIP server asks for a proof.
    pub(super) fn challenges(&mut self, request: &Message, status: u16, challenge: &str) {
        let header = match status {
            401 => "WWW-Authenticate",
            _ => "Proxy-Authenticate",
        };
        self.upstream_sends(reply(request, status, &[(header, challenge)], ""));
    }
}

/// What a request proves, and that it is this user's.
pub(super) fn proof(request: &Message, header: &str, user: &str, password: &str) -> Credentials {
    let given = Credentials::parse(&request.header(header).expect("credentials")).unwrap();
    let made_for = Request {
        method: request.method().unwrap(),
        uri: request.uri_text().unwrap(),
        body: request.body(),
    };
    let kept = ha1(given.algorithm, user, "example.com", password);
    assert!(given.verify_ha1("example.com", &kept, &made_for));
    assert_eq!(given.username, user);
    given
}

/// Registers alice without a challenge.
pub(super) fn registered(bench: &mut Bench, flow: FlowId, token: &str) {
    bench.bears(flow, register("alice", 1), token);
    let up = bench.upstream_gets();
    bench.upstream_sends(granted(&up));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
}

#[test]
fn who_has_no_token_is_told_where_to_get_one_and_nothing_goes_up() {
    let (_, mut bench, flow) = scene();
    bench.browser_sends(flow, register("alice", 1));
    let refused = bench.browser_gets(flow);
    assert_eq!(refused.status(), Some(401));
    assert_eq!(
        refused.header("WWW-Authenticate").unwrap(),
        format!("Bearer realm=\"example.com\", authz_server=\"{ISSUER}\"")
    );
    // Nor is a registration inside of a dialog: there is no such thing.
    let mut request = Message::parse(register("alice", 2)).unwrap();
    request.set("To", "<sip:alice@example.com>;tag=x").unwrap();
    bench.browser_sends(flow, request.into_bytes());
    assert_eq!(bench.browser_gets(flow).status(), Some(401));
    bench.silence();
    bench.assert_drained();
}

#[test]
fn a_token_registers_and_the_edge_proves_what_the_sip_server_asks() {
    let (signer, mut bench, flow) = scene();
    let token = signer.good("u-alice", 3600);
    bench.bears(flow, register("alice", 1), &token);
    let first = bench.upstream_gets();
    assert!(!first.has("Authorization"), "no token leaves the edge");
    let both = [
        ("WWW-Authenticate", asked("n1", Hash::Md5, false)),
        ("WWW-Authenticate", asked("n1", Hash::Sha256, false)),
    ];
    let both: Vec<_> = both
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    bench.upstream_sends(reply(&first, 401, &both, ""));
    let second = bench.upstream_gets();
    let given = proof(&second, "Authorization", "alice", "secret");
    assert_eq!(
        (given.nonce.as_str(), given.algorithm),
        ("n1", Hash::Sha256)
    );
    assert_eq!(
        given.qop.clone().map(|(qop, _, nc)| (qop, nc)),
        Some((Qop::Auth, "00000001".into()))
    );
    assert_eq!(second.headers("Authorization").count(), 1);
    assert_ne!(
        first.top_via().unwrap().branch(),
        second.top_via().unwrap().branch()
    );
    bench.upstream_sends(granted(&second));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.silence();

    // The nonce serves again, counted, until the server finds it too old.
    bench.bears(flow, register("alice", 2), &token);
    let third = bench.upstream_gets();
    assert_eq!(
        proof(&third, "Authorization", "alice", "secret").count(),
        Some(2)
    );
    bench.challenges(&third, 401, &asked("n2", Hash::Sha256, true));
    let fourth = bench.upstream_gets();
    let given = proof(&fourth, "Authorization", "alice", "secret");
    assert_eq!((given.nonce.as_str(), given.count()), ("n2", Some(1)));
    bench.upstream_sends(granted(&fourth));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.silence();
    bench.assert_drained();
}

#[test]
fn a_call_is_proven_too_and_its_token_stays_here() {
    let (signer, mut bench, flow) = scene();
    let token = signer.good("u-alice", 3600);
    registered(&mut bench, flow, &token);
    let call = invite("c", "alice", "1", "", BROWSER_SDP);
    bench.bears(flow, call, &token);
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let first = bench.upstream_gets();
    let challenge = asked("p1", Hash::Md5, false);
    bench.challenges(&first, 407, &challenge);
    assert!(bench.upstream_gets().is(&sip::Method::Ack));
    let second = bench.upstream_gets();
    proof(&second, "Proxy-Authorization", "alice", "secret");
    assert!(!second.has("Authorization"));
    assert_eq!(body(&first), body(&second), "the same media");
    // The 401 again, its ACK being lost.
    bench.challenges(&first, 407, &challenge);
    assert!(bench.upstream_gets().is(&sip::Method::Ack));
    let answer = [("Contact", "<sip:bob@10.0.0.9>")];
    bench.upstream_sends(reply(&second, 200, &answer, PHONE_SDP));
    let accepted = bench.browser_gets(flow);
    assert_eq!(accepted.status(), Some(200));
    bench.bears(flow, in_dialog("ACK", &accepted, 1, "", "ack"), &token);
    let ack = bench.upstream_gets();
    assert!(ack.is(&sip::Method::Ack) && !ack.has("Authorization"));

    // The next call needs no challenge, and no token of its own.
    bench.browser_sends(flow, invite("d", "alice", "2", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let next = bench.upstream_gets();
    assert_eq!(
        proof(&next, "Proxy-Authorization", "alice", "secret").count(),
        Some(2)
    );
    bench.upstream_sends(reply(&next, 486, &[], ""));
    assert!(bench.upstream_gets().is(&sip::Method::Ack));
    assert_eq!(bench.browser_gets(flow).status(), Some(486));

    // The call ends after the token has: its BYE, which bears the old one, passes.
    bench.wait(Duration::from_secs(3700));
    bench.ignore_output();
    bench.bears(flow, in_dialog("BYE", &accepted, 2, "", "bye"), &token);
    let bye = bench.upstream_gets();
    assert!(bye.is(&sip::Method::Bye) && !bye.has("Authorization"));
}

#[test]
fn a_wrong_password_is_the_operators_business_and_no_challenge_reaches_a_page() {
    let (signer, mut bench, flow) = scene();
    let token = signer.good("u-alice", 3600);
    bench.bears(flow, register("alice", 1), &token);
    for nonce in ["n1", "n2"] {
        let up = bench.upstream_gets();
        bench.challenges(&up, 401, &asked(nonce, Hash::Md5, false));
    }
    let refused = bench.browser_gets(flow);
    assert_eq!(refused.status(), Some(403));
    assert!(!refused.has("WWW-Authenticate"));
    bench.silence();
    let told = Event::AccountRefused {
        flow,
        user: "alice".into(),
    };
    assert!(bench.events.contains(&told));

    // Nor is a challenge answered that is none of the SIP server's own realm.
    bench.bears(flow, register("alice", 2), &token);
    let up = bench.upstream_gets();
    bench.challenges(&up, 401, &Challenge::new("evil.example", "n").to_string());
    assert_eq!(bench.browser_gets(flow).status(), Some(403));
    bench.silence();
    bench.assert_drained();
}

#[test]
fn a_server_that_finds_every_nonce_stale_is_not_asked_for_ever() {
    let (signer, mut bench, flow) = scene();
    bench.bears(flow, register("alice", 1), &signer.good("u-alice", 900));
    let mut tries = 0;
    while let Some(up) = bench.upstream_has().pop() {
        tries += 1;
        bench.challenges(&up, 401, &asked(&format!("n{tries}"), Hash::Md5, true));
        assert!(tries < 10);
    }
    assert_eq!(tries, 3);
    assert_eq!(bench.browser_gets(flow).status(), Some(403));
}

#[test]
fn nobody_speaks_in_another_users_name() {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |config| config.policy.callers = Callers::Anyone);
    let (alice, bob) = (signer.good("u-alice", 600), signer.good("u-bob", 600));
    let nobody = signer.good("u-carol", 600);
    let flow = bench.open(1);
    let mut ask = |request: Vec<u8>, token: &str| {
        bench.bears(flow, request, token);
        bench.browser_gets(flow).status()
    };
    assert_eq!(ask(register("bob", 1), &alice), Some(403));
    // It is alice's connection now.
    assert_eq!(ask(register("bob", 2), &bob), Some(403));
    assert_eq!(
        ask(invite("c", "bob", "1", "", BROWSER_SDP), &alice),
        Some(403)
    );
    assert_eq!(ask(register("carol", 1), &nobody), Some(403));
    bench.silence();
    let name = "u-carol".to_owned();
    assert!(bench.events.contains(&Event::NoAccount { flow, name }));
    bench.bears(flow, renumbered(register("alice", 1), 9), &alice);
    assert!(bench.upstream_gets().is(&sip::Method::Register));
}

#[test]
fn where_the_edge_is_the_registrar_the_token_alone_registers() {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |config| {
        config.registering = Registering::Local(Local::new(Users::default()));
        config.sign_in = Some(sign_in(None));
    });
    let flows = [bench.open(1), bench.open(2)];
    for (flow, user) in flows.into_iter().zip(["alice", "bob"]) {
        // As JsSIP sends it whose page has left out the scheme's name.
        let mut request = Message::parse(register(user, 1)).unwrap();
        request
            .append("Authorization", signer.good(user, 300))
            .unwrap();
        bench.browser_sends(flow, request.into_bytes());
        let accepted = bench.browser_gets(flow);
        assert_eq!(accepted.status(), Some(200));
        assert!(
            accepted
                .header("Contact")
                .unwrap()
                .ends_with(";expires=300")
        );
    }
    bench.browser_sends(flows[0], invite("c", "alice", "1", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(flows[0]).status(), Some(100));
    let ringing = bench.browser_gets(flows[1]);
    assert!(ringing.is(&sip::Method::Invite) && !ringing.has("Authorization"));
    bench.silence();
}
