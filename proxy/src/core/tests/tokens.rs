//! Which bearer tokens let a browser in, and for how long.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::super::*;
use super::bench::*;
use super::issuer::*;

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
        bench.bears(flow, register("alice", 1), &token);
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
        bench.bears(flow, register("alice", 2), &good);
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
        bench.bears(flow, register("alice", 1), &bad);
        answers.push(bench.browser_gets(flow).status());
    }
    assert_eq!(answers[14], Some(401));
    assert_eq!(answers[15..], [Some(503); 5]);
    assert_eq!(bench.dropped(Drop::Guessing), 5);
}

#[test]
fn a_registration_lasts_no_longer_than_its_token() {
    let (signer, mut bench, flow) = scene();
    bench.bears(flow, register("alice", 1), &signer.good("u-alice", 300));
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
    bench.bears(flow, register("alice", 1), &signer.good("u-alice", 900));
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
fn a_key_that_nobody_knows_is_asked_for_and_taken_when_it_comes() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let mut bench = edge(&old, |_| {});
    let flow = bench.open(1);
    let token = new.good("u-alice", 600);
    bench.bears(flow, register("alice", 1), &token);
    assert_eq!(bench.browser_gets(flow).status(), Some(401));
    assert_eq!(bench.fetches, 1);
    let news = IssuerNews {
        keys: Some(keys(&[&old, &new])),
        time: TIME + 2,
    };
    bench.input(Input::Issuer(news));
    bench.bears(flow, register("alice", 2), &token);
    assert!(bench.upstream_gets().is(&sip::Method::Register));
    // An old one takes nothing away from who has signed in.
    let old = new.token(&claims("u-alice", 1));
    bench.bears(flow, register("alice", 5), &old);
    assert_eq!(bench.browser_gets(flow).status(), Some(401));
    bench.browser_sends(flow, register("alice", 6));
    assert!(bench.upstream_gets().is(&sip::Method::Register));
    // The clock alone takes no key away.
    bench.input(Input::Issuer(IssuerNews {
        keys: None,
        time: TIME + 700,
    }));
    bench.bears(flow, register("alice", 3), &token);
    assert_eq!(
        bench.browser_gets(flow).status(),
        Some(401),
        "it has expired"
    );
    bench.bears(flow, register("alice", 4), &new.good("u-alice", 1400));
    assert!(bench.upstream_gets().is(&sip::Method::Register));
}

#[test]
fn before_there_are_keys_everybody_is_asked_to_come_again() {
    let signer = Signer::new("one");
    let mut bench = Bench::guarded(|config| config.sign_in = Some(sign_in(None)));
    let flow = bench.open(1);
    bench.bears(flow, register("alice", 1), &signer.good("alice", 600));
    let refused = bench.browser_gets(flow);
    assert_eq!(refused.status(), Some(503));
    assert!(refused.has("Retry-After"));
}
