//! Sign-in by bearer token: an issuer with two keys, browsers with his tokens, and a SIP server that wants digest.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sip::Message;
use sip::digest::{Algorithm as Hash, Challenge, Credentials, Qop, Request, ha1};

use super::super::*;
use super::bench::*;
use super::household::renumbered;

/// What the calendar says when a bench begins.
const TIME: u64 = 1_800_000_000;
const ISSUER: &str = "https://login.example.com/";

/// Who signs: his key by its name.
struct Signer {
    key: rcgen::KeyPair,
    name: &'static str,
}

impl Signer {
    fn new(name: &'static str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        Self { key, name }
    }

    fn jwk(&self) -> Value {
        let point = self.key.public_key_raw();
        let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.name, "x": part(1), "y": part(33)})
    }

    fn token(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.name.to_owned());
        let key = EncodingKey::from_ec_der(&self.key.serialize_der());
        encode(&header, claims, &key).unwrap()
    }

    /// A good token for so many seconds.
    fn good(&self, user: &str, seconds: u64) -> String {
        self.token(&claims(user, seconds))
    }
}

fn claims(user: &str, seconds: u64) -> Value {
    json!({"iss": ISSUER, "aud": ["sip", "web"], "sub": user, "exp": TIME + seconds})
}

fn keys(signers: &[&Signer]) -> Keys {
    let set = json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()});
    Keys::parse(set.to_string().as_bytes()).unwrap()
}

fn sign_in(accounts: Option<&str>) -> Arc<SignIn> {
    Arc::new(SignIn {
        issuer: Issuer {
            issuer: ISSUER.to_owned(),
            audience: "sip".to_owned(),
            claim: "sub".to_owned(),
        },
        known: accounts.map(|text| Arc::new(KnownUsers::parse(text).unwrap())),
        realm: "example.com".to_owned(),
    })
}

/// An edge as an operator has it, with accounts for `u-alice` and `u-bob`.
fn edge(signer: &Signer, change: impl FnOnce(&mut Config)) -> Bench {
    let mut bench = Bench::guarded(|config| {
        config.sign_in = Some(sign_in(Some(
            "u-alice alice secret\nu-bob bob secret-bob\n",
        )));
        change(config);
    });
    let news = IssuerNews {
        keys: Some(keys(&[signer])),
        time: TIME,
    };
    bench.input(Input::Issuer(news));
    bench
}

fn with(request: Vec<u8>, header: &'static str, token: &str) -> Vec<u8> {
    let mut request = Message::parse(request).unwrap();
    request.append(header, format!("Bearer {token}")).unwrap();
    request.into_bytes()
}

fn bearing(request: Vec<u8>, token: &str) -> Vec<u8> {
    with(request, "Authorization", token)
}

fn asked(nonce: &str, hash: Hash, stale: bool) -> String {
    let challenge = Challenge {
        algorithm: hash,
        stale,
        ..Challenge::new("example.com", nonce)
    };
    challenge.to_string()
}

/// What a request proves, and that it is this user's.
fn proof(request: &Message, header: &str, user: &str, password: &str) -> Credentials {
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

fn granted(request: &Message) -> Vec<u8> {
    let contact = request.header("Contact").unwrap().into_owned();
    reply(request, 200, &[("Contact", &contact)], "")
}

/// Registers alice without a challenge.
fn registered(bench: &mut Bench, flow: FlowId, token: &str) {
    bench.browser_sends(flow, bearing(register("alice", 1), token));
    let up = bench.upstream_gets();
    bench.upstream_sends(granted(&up));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
}

#[test]
fn who_has_no_token_is_told_where_to_get_one_and_nothing_goes_up() {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |_| {});
    let flow = bench.open(1);
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
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |_| {});
    let flow = bench.open(1);
    let token = signer.good("u-alice", 3600);
    bench.browser_sends(flow, bearing(register("alice", 1), &token));
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
    bench.browser_sends(flow, bearing(register("alice", 2), &token));
    let third = bench.upstream_gets();
    assert_eq!(
        proof(&third, "Authorization", "alice", "secret").count(),
        Some(2)
    );
    let stale = asked("n2", Hash::Sha256, true);
    bench.upstream_sends(reply(&third, 401, &[("WWW-Authenticate", &stale)], ""));
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
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |_| {});
    let flow = bench.open(1);
    let token = signer.good("u-alice", 3600);
    registered(&mut bench, flow, &token);
    let call = invite("c", "alice", "1", "", BROWSER_SDP);
    bench.browser_sends(flow, bearing(call, &token));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let first = bench.upstream_gets();
    let challenge = asked("p1", Hash::Md5, false);
    bench.upstream_sends(reply(
        &first,
        407,
        &[("Proxy-Authenticate", &challenge)],
        "",
    ));
    assert!(bench.upstream_gets().is(&sip::Method::Ack));
    let second = bench.upstream_gets();
    proof(&second, "Proxy-Authorization", "alice", "secret");
    assert!(!second.has("Authorization"));
    assert_eq!(body(&first), body(&second), "the same media");
    // The 401 again, its ACK being lost.
    bench.upstream_sends(reply(
        &first,
        407,
        &[("Proxy-Authenticate", &challenge)],
        "",
    ));
    assert!(bench.upstream_gets().is(&sip::Method::Ack));
    let answer = [("Contact", "<sip:bob@10.0.0.9>")];
    bench.upstream_sends(reply(&second, 200, &answer, PHONE_SDP));
    let accepted = bench.browser_gets(flow);
    assert_eq!(accepted.status(), Some(200));
    bench.browser_sends(
        flow,
        bearing(in_dialog("ACK", &accepted, 1, "", "ack"), &token),
    );
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
    bench.browser_sends(
        flow,
        bearing(in_dialog("BYE", &accepted, 2, "", "bye"), &token),
    );
    let bye = bench.upstream_gets();
    assert!(bye.is(&sip::Method::Bye) && !bye.has("Authorization"));
}

#[test]
fn a_wrong_password_is_the_operators_business_and_no_challenge_reaches_a_page() {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |_| {});
    let flow = bench.open(1);
    let token = signer.good("u-alice", 3600);
    bench.browser_sends(flow, bearing(register("alice", 1), &token));
    for nonce in ["n1", "n2"] {
        let up = bench.upstream_gets();
        let challenge = asked(nonce, Hash::Md5, false);
        bench.upstream_sends(reply(&up, 401, &[("WWW-Authenticate", &challenge)], ""));
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
    bench.browser_sends(flow, bearing(register("alice", 2), &token));
    let up = bench.upstream_gets();
    let foreign = Challenge::new("evil.example", "n").to_string();
    bench.upstream_sends(reply(&up, 401, &[("WWW-Authenticate", &foreign)], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(403));
    bench.silence();
    bench.assert_drained();
}

#[test]
fn a_server_that_finds_every_nonce_stale_is_not_asked_for_ever() {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |_| {});
    let flow = bench.open(1);
    bench.browser_sends(
        flow,
        bearing(register("alice", 1), &signer.good("u-alice", 900)),
    );
    let mut tries = 0;
    while let Some(up) = bench.upstream_has().pop() {
        tries += 1;
        let challenge = asked(&format!("n{tries}"), Hash::Md5, true);
        bench.upstream_sends(reply(&up, 401, &[("WWW-Authenticate", &challenge)], ""));
        assert!(tries < 10);
    }
    assert_eq!(tries, 3);
    assert_eq!(bench.browser_gets(flow).status(), Some(403));
}

#[test]
fn tokens_that_prove_nothing_let_nobody_in_and_are_counted() {
    let (signer, other) = (Signer::new("one"), Signer::new("one"));
    let stranger = Signer::new("stranger");
    let change = |name: &str, value: Value| {
        let mut claims = claims("u-alice", 600);
        claims[name] = value;
        signer.token(&claims)
    };
    let crafted = |header: Value, signature: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!(
            "{}.{}.{signature}",
            part(&header),
            part(&claims("u-alice", 600))
        )
    };
    // The public key, which everybody knows, as if it were a secret.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("one".to_owned());
    let public = EncodingKey::from_secret(signer.key.public_key_raw());
    let by_public_key = encode(&header, &claims("u-alice", 600), &public).unwrap();
    let good = signer.good("u-alice", 600);
    let (unsigned, signature) = good.rsplit_once('.').unwrap();
    let flipped = {
        let changed = if signature.starts_with('A') { "B" } else { "A" };
        format!("{unsigned}.{changed}{}", &signature[1..])
    };
    let unknown_words = crafted(
        json!({"alg": "ES256", "kid": "one", "crit": ["x"], "x": 1}),
        signature,
    );
    for (token, why) in [
        (change("exp", json!(TIME - 1)), BadToken::Expired),
        (change("exp", json!(TIME)), BadToken::Expired),
        (change("exp", Value::Null), BadToken::Expired),
        (change("exp", json!("1e99")), BadToken::Expired),
        (change("exp", json!(1e99)), BadToken::Expired),
        (change("nbf", json!(TIME + 120)), BadToken::Early),
        (change("aud", json!("web")), BadToken::Audience),
        (change("aud", json!(["sips"])), BadToken::Audience),
        (change("aud", Value::Null), BadToken::Audience),
        (
            change("iss", json!("https://evil.example/")),
            BadToken::Issuer,
        ),
        (change("sub", json!(7)), BadToken::NoUser),
        (change("sub", json!("")), BadToken::NoUser),
        (other.good("u-alice", 600), BadToken::Signature),
        (flipped, BadToken::Signature),
        (stranger.good("u-alice", 600), BadToken::UnknownKey),
        (by_public_key, BadToken::Algorithm),
        (
            crafted(json!({"alg": "none", "kid": "one"}), ""),
            BadToken::Malformed,
        ),
        (
            crafted(json!({"alg": "ES384", "kid": "one"}), signature),
            BadToken::Algorithm,
        ),
        (unknown_words, BadToken::Malformed),
        ("a.b.c".to_owned(), BadToken::Malformed),
        (
            format!("{}.{}.c", "a".repeat(4000), "b"),
            BadToken::Malformed,
        ),
    ] {
        let mut bench = edge(&signer, |_| {});
        let flow = bench.open(1);
        bench.browser_sends(flow, bearing(register("alice", 1), &token));
        let refused = bench.browser_gets(flow);
        assert_eq!(refused.status(), Some(401), "{why}");
        let challenge = refused.header("WWW-Authenticate").unwrap();
        assert!(
            challenge.ends_with("error=\"invalid_token\""),
            "{challenge}"
        );
        assert!(
            bench.events.contains(&Event::TokenRefused { flow, why }),
            "{why}: {:?}",
            bench.events
        );
        bench.silence();
        bench.browser_sends(flow, bearing(register("alice", 2), &good));
        assert!(bench.upstream_gets().is(&sip::Method::Register));
    }
}

#[test]
fn strangers_who_try_tokens_are_not_listened_to_for_long() {
    let (signer, other) = (Signer::new("one"), Signer::new("one"));
    let mut bench = edge(&signer, |config| config.limits.guesses_per_address = 5);
    let bad = other.good("u-alice", 600);
    let mut answers = Vec::new();
    for number in 1..=20 {
        let flow = bench.open(number);
        bench.browser_sends(flow, bearing(register("alice", 1), &bad));
        answers.push(bench.browser_gets(flow).status());
    }
    assert_eq!(answers[14], Some(401));
    assert_eq!(answers[15..], [Some(503); 5]);
    assert_eq!(bench.dropped(Drop::Guessing), 5);
}

#[test]
fn a_registration_lasts_no_longer_than_its_token() {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |_| {});
    let flow = bench.open(1);
    bench.browser_sends(
        flow,
        bearing(register("alice", 1), &signer.good("u-alice", 300)),
    );
    let up = bench.upstream_gets();
    assert!(up.header("Contact").unwrap().ends_with(";expires=300"));
    assert_eq!(up.expires(), Some(300));
    bench.upstream_sends(granted(&up));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));

    // For the last minute no registrar would take it.
    bench.wait(Duration::from_secs(241));
    bench.browser_sends(flow, register("alice", 2));
    assert_eq!(bench.browser_gets(flow).status(), Some(401));
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    assert_eq!(
        bench.browser_gets(flow).status(),
        Some(100),
        "it is good yet"
    );
    bench.ignore_output();
    bench.wait(Duration::from_secs(60));
    bench.ignore_output();
    bench.browser_sends(flow, invite("d", "alice", "22", "", BROWSER_SDP));
    let refused = bench.browser_gets(flow);
    assert_eq!(refused.status(), Some(407));
    assert!(
        refused
            .header("Proxy-Authenticate")
            .unwrap()
            .contains("invalid_token")
    );
    let renewed = signer.good("u-alice", 3600);
    bench.browser_sends(
        flow,
        with(
            invite("e", "alice", "333", "", BROWSER_SDP),
            "Proxy-Authorization",
            &renewed,
        ),
    );
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
}

#[test]
fn between_the_edge_and_the_server_it_lasts_no_longer_either() {
    let signer = Signer::new("one");
    let mid = Mid::default();
    let mut bench = edge(&signer, |config| config.registering = Registering::Mid(mid));
    let flow = bench.open(1);
    bench.browser_sends(
        flow,
        bearing(register("alice", 1), &signer.good("u-alice", 900)),
    );
    let up = bench.upstream_gets();
    assert!(up.header("Contact").unwrap().ends_with(";expires=900"));
    bench.upstream_sends(granted(&up));
    let accepted = bench.browser_gets(flow);
    assert!(accepted.header("Contact").unwrap().contains(";expires=600"));
    // Answered here, and not beyond the token's end.
    bench.wait(Duration::from_secs(400));
    bench.browser_sends(flow, register("alice", 2));
    let refreshed = bench.browser_gets(flow);
    assert!(
        refreshed
            .header("Contact")
            .unwrap()
            .contains(";expires=500"),
        "{}",
        text(&refreshed)
    );
    bench.silence();
}

#[test]
fn nobody_speaks_in_another_users_name() {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |config| config.policy.callers = Callers::Anyone);
    let (alice, bob) = (signer.good("u-alice", 600), signer.good("u-bob", 600));
    let nobody = signer.good("u-carol", 600);
    let flow = bench.open(1);
    let mut ask = |request: Vec<u8>, token: &str| {
        bench.browser_sends(flow, bearing(request, token));
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
    bench.browser_sends(flow, bearing(renumbered(register("alice", 1), 9), &alice));
    assert!(bench.upstream_gets().is(&sip::Method::Register));
}

#[test]
fn a_key_that_nobody_knows_is_asked_for_and_taken_when_it_comes() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let mut bench = edge(&old, |_| {});
    let flow = bench.open(1);
    let token = new.good("u-alice", 600);
    bench.browser_sends(flow, bearing(register("alice", 1), &token));
    assert_eq!(bench.browser_gets(flow).status(), Some(401));
    assert_eq!(bench.fetches, 1);
    let news = IssuerNews {
        keys: Some(keys(&[&old, &new])),
        time: TIME + 2,
    };
    bench.input(Input::Issuer(news));
    bench.browser_sends(flow, bearing(register("alice", 2), &token));
    assert!(bench.upstream_gets().is(&sip::Method::Register));
    // An old one takes nothing away from who has signed in.
    let old = new.token(&claims("u-alice", 1));
    bench.browser_sends(flow, bearing(register("alice", 5), &old));
    assert_eq!(bench.browser_gets(flow).status(), Some(401));
    bench.browser_sends(flow, register("alice", 6));
    assert!(bench.upstream_gets().is(&sip::Method::Register));
    // The clock alone takes no key away.
    bench.input(Input::Issuer(IssuerNews {
        keys: None,
        time: TIME + 700,
    }));
    bench.browser_sends(flow, bearing(register("alice", 3), &token));
    assert_eq!(
        bench.browser_gets(flow).status(),
        Some(401),
        "it has expired"
    );
    bench.browser_sends(
        flow,
        bearing(register("alice", 4), &new.good("u-alice", 1400)),
    );
    assert!(bench.upstream_gets().is(&sip::Method::Register));
}

#[test]
fn before_there_are_keys_everybody_is_asked_to_come_again() {
    let signer = Signer::new("one");
    let mut bench = Bench::guarded(|config| config.sign_in = Some(sign_in(None)));
    let flow = bench.open(1);
    bench.browser_sends(
        flow,
        bearing(register("alice", 1), &signer.good("alice", 600)),
    );
    let refused = bench.browser_gets(flow);
    assert_eq!(refused.status(), Some(503));
    assert!(refused.has("Retry-After"));
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
