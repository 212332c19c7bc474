//! Two web phones call each other: real sockets, ICE, DTLS and SRTP between them, sound judged at both ends.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first thing that is not as it should be"
)]

mod switch;

use std::sync::Arc;
use std::time::Duration;

use causeway_demo::phone::Voice;
use causeway_demo::webphone::{Call, Config, End, Error, State, Webphone};
use switch::{Habits, PASSWORD, Switch};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn config(switch: &Switch, user: &str) -> Config {
    Config::new(
        &format!("ws://{}/", switch.address),
        user,
        PASSWORD,
        "example.com",
    )
}

async fn phone(switch: &Switch, user: &str) -> Webphone {
    let phone = Webphone::connect(config(switch, user)).await.unwrap();
    phone.register().await.unwrap();
    phone
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it does not come")
}

/// A call that is up, as both see it: the caller sends 440 Hz, the callee 1000 Hz.
async fn call(caller: &Webphone, callee: &Webphone, user: &str) -> (Call, Call) {
    let out = caller
        .call(&format!("sip:{user}@example.com"), Voice::Tone(440.0))
        .await
        .unwrap();
    let ring = soon(callee.incoming()).await.unwrap();
    assert_eq!(
        soon(out.until(|state| *state == State::Ringing)).await,
        State::Ringing
    );
    ring.answer(Voice::Tone(1000.0)).unwrap();
    soon(out.answered()).await.unwrap();
    (out, ring)
}

async fn assert_sound(out: &Call, ring: &Call) {
    soon(out.until_heard(60)).await;
    soon(ring.until_heard(60)).await;
    assert_eq!(out.heard().frequency, Some(1000.0));
    assert_eq!(ring.heard().frequency, Some(440.0));
}

async fn assert_call_works(habits: Habits, hiding: bool) {
    let switch = Switch::start(habits).await;
    let bob = phone(&switch, "bob").await;
    let alice = Webphone::connect(Config {
        is_hiding: hiding,
        ..config(&switch, "alice")
    })
    .await
    .unwrap();
    let (out, ring) = call(&alice, &bob, "bob").await;
    assert_sound(&out, &ring).await;
    let timeline = out.timeline();
    assert!(timeline.ice.unwrap() < Duration::from_secs(2), "{timeline}");
    assert!(
        timeline.keys.is_some() && timeline.audio.is_some() && out.suite() == ring.suite(),
        "{timeline}"
    );
    out.hang_up().unwrap();
    assert_eq!(soon(ring.ended()).await, End::There);
    assert_eq!(soon(out.ended()).await, End::Here);
    assert_eq!((alice.oddities(), bob.oddities()), (0, 0));
}

#[tokio::test]
async fn two_web_phones_hear_each_other() {
    assert_call_works(Habits::default(), false).await;
}

#[tokio::test]
async fn a_challenged_invite_is_proved_and_works() {
    assert_call_works(
        Habits {
            challenges_invites: true,
            ..Habits::default()
        },
        false,
    )
    .await;
}

#[tokio::test]
async fn a_call_without_offer_is_offered_by_the_callee() {
    let switch = Switch::start(Habits::default()).await;
    let bob = phone(&switch, "bob").await;
    let late = Config {
        late_offer: true,
        ..config(&switch, "alice")
    };
    let alice = Webphone::connect(late).await.unwrap();
    let (out, ring) = call(&alice, &bob, "bob").await;
    assert_sound(&out, &ring).await;
}

#[tokio::test]
async fn an_offer_where_an_answer_is_due_is_not_acceptable() {
    let habits = Habits {
        takes_offers_out: true,
        ..Habits::default()
    };
    let switch = Switch::start(habits).await;
    let bob = phone(&switch, "bob").await;
    let alice = Webphone::connect(config(&switch, "alice")).await.unwrap();
    let out = alice
        .call("sip:bob@example.com", Voice::Silent)
        .await
        .unwrap();
    let ring = soon(bob.incoming()).await.unwrap();
    ring.answer(Voice::Silent).unwrap();
    // Two offers meet: what comes is no answer, and a browser says so.
    let refused = soon(out.answered()).await;
    assert!(
        matches!(refused, Err(Error::Unacceptable(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_phone_that_hides_its_addresses_is_heard_all_the_same() {
    assert_call_works(Habits::default(), true).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let switch = Switch::start(Habits::default()).await;
    let config = Config {
        password: "wrong".into(),
        ..config(&switch, "alice")
    };
    let alice = Webphone::connect(config).await.unwrap();
    assert_eq!(soon(alice.register()).await, Err(Error::Refused(401)));
}

#[tokio::test]
async fn hold_stops_the_sound_and_resume_brings_it_back() {
    let switch = Switch::start(Habits::default()).await;
    let (alice, bob) = (phone(&switch, "alice").await, phone(&switch, "bob").await);
    let (out, ring) = call(&alice, &bob, "bob").await;
    assert_sound(&out, &ring).await;
    soon(out.hold(true)).await.unwrap();
    let held = (out.heard().packets, ring.heard().packets);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let quiet = (out.heard().packets - held.0, ring.heard().packets - held.1);
    assert!(quiet.0 <= 3 && quiet.1 <= 3, "{quiet:?}");
    soon(ring.hold(true)).await.unwrap();
    soon(ring.hold(false)).await.unwrap();
    soon(out.hold(false)).await.unwrap();
    let before = (out.heard().packets, ring.heard().packets);
    soon(out.until_heard(before.0 + 60)).await;
    soon(ring.until_heard(before.1 + 60)).await;
    ring.hang_up().unwrap();
    assert_eq!(soon(out.ended()).await, End::There);
}

#[tokio::test]
async fn digits_go_as_events_and_as_info() {
    let switch = Switch::start(Habits::default()).await;
    let (alice, bob) = (phone(&switch, "alice").await, phone(&switch, "bob").await);
    let (out, ring) = call(&alice, &bob, "bob").await;
    assert_sound(&out, &ring).await;
    out.digits("159#").unwrap();
    ring.info('7').unwrap();
    let heard = ring.heard().packets;
    soon(ring.until_heard(heard + 60)).await;
    assert_eq!(ring.heard().digits, "159#");
    assert_eq!(out.infos(), "7");
}

#[tokio::test]
async fn a_call_is_cancelled_refused_or_missed() {
    let switch = Switch::start(Habits::default()).await;
    let (alice, bob) = (phone(&switch, "alice").await, phone(&switch, "bob").await);
    let out = alice
        .call("sip:bob@example.com", Voice::Silent)
        .await
        .unwrap();
    let ring = soon(bob.incoming()).await.unwrap();
    soon(out.until(|state| *state == State::Ringing)).await;
    out.hang_up().unwrap();
    assert_eq!(soon(out.ended()).await, End::Here);
    assert_eq!(soon(ring.ended()).await, End::There);

    let out = alice
        .call("sip:bob@example.com", Voice::Silent)
        .await
        .unwrap();
    let ring = soon(bob.incoming()).await.unwrap();
    ring.refuse(486).unwrap();
    assert_eq!(soon(out.ended()).await, End::Refused(486));

    let out = alice
        .call("sip:nobody@example.com", Voice::Silent)
        .await
        .unwrap();
    assert_eq!(soon(out.answered()).await, Err(Error::Refused(404)));
}

#[tokio::test]
async fn a_phone_that_reconnects_keeps_its_call_and_its_contact() {
    let switch = Switch::start(Habits::default()).await;
    let (alice, bob) = (phone(&switch, "alice").await, phone(&switch, "bob").await);
    let (out, ring) = call(&alice, &bob, "bob").await;
    assert_sound(&out, &ring).await;
    soon(alice.reconnect()).await.unwrap();
    soon(alice.register()).await.unwrap();
    ring.hang_up().unwrap();
    assert_eq!(soon(out.ended()).await, End::There);
}

#[tokio::test]
async fn a_call_works_over_tls_with_a_certificate_made_on_the_spot() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![made.cert.der().clone()], key)
    .unwrap();
    let options = net::ws::Options {
        tls: Some(Arc::new(tls)),
        ..Default::default()
    };
    let switch = Switch::listen(Habits::default(), options).await;
    let url = format!("wss://{}/", switch.address);
    let config = |user: &str| Config {
        url: url.clone(),
        ..config(&switch, user)
    };
    let (alice, bob) = (
        Webphone::connect(config("alice")).await.unwrap(),
        Webphone::connect(config("bob")).await.unwrap(),
    );
    soon(bob.register()).await.unwrap();
    let (out, ring) = call(&alice, &bob, "bob").await;
    assert_sound(&out, &ring).await;
    assert!(switch.methods().contains(&"ACK".to_owned()));
}

#[tokio::test]
async fn what_is_no_websocket_is_an_error_that_names_it() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("ws://{free}/");
    let refused = Webphone::connect(Config::new(&url, "a", "b", "c")).await;
    assert!(matches!(refused, Err(Error::Unreachable(named, _)) if named == url));
    let bad = Webphone::connect(Config::new("http://x/", "a", "b", "c")).await;
    assert!(matches!(bad, Err(Error::BadUrl(_))));
}
