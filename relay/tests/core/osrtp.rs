//! Opportunistic SRTP: keys under the name of a plain protocol, for whoever understands them.

use control_proto::Dtls;
use srtp::{Inbound, MasterKey, Outbound, Suite};

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::world::*;

const LINE: &str = "AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";
const SUITE: Suite = Suite::AesCm128HmacSha1_80;

fn contexts(body: &str) -> (Outbound, Inbound) {
    let session = sdp::Session::parse(body.as_bytes()).unwrap();
    let lines = &session.media[0].cryptos;
    let line = lines
        .iter()
        .find(|line| line.suite.as_str() == SUITE.sdes_name())
        .expect("our suite");
    let key: Vec<u8> = (0..30).collect();
    let theirs = MasterKey::from_inline(SUITE, &line.keys[0].key_salt.0).unwrap();
    (
        Outbound::new(&MasterKey::from_inline(SUITE, &key).unwrap()),
        Inbound::new(&theirs),
    )
}

fn protect(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 20, 0);
    let len = outbound.protect(&mut buffer, packet.len()).unwrap();
    buffer.truncate(len);
    buffer
}

/// Under the tag that our own line of this suite has in an offer of ours.
fn with_key(body: &str, offer: &str) -> String {
    let line = lines(offer, "a=crypto")
        .into_iter()
        .find(|line| line.contains(SUITE.sdes_name()));
    let tag = line.expect("our suite")[9..].split(' ').next().unwrap();
    format!("{body}a=crypto:{tag} {LINE}")
}

#[test]
fn an_opportunistic_offer_is_passed_on_as_one_and_answered_when_it_is_answered() {
    let mut world = World::new();
    let mut offer = plain_offer("c", "a", &format!("{PHONE}a=crypto:1 {LINE}"));
    offer.dtls = Some(Dtls::Off);
    let to_callee = world.sdp(&offer);
    assert!(lines(&to_callee, "m=")[0].contains(" RTP/AVP "));
    let to_caller = world.sdp(&answer("c", "a", "b", &with_key(OTHER_PHONE, &to_callee)));
    assert!(lines(&to_caller, "m=")[0].contains(" RTP/AVP "));
    let ((mut a_out, mut a_in), (mut b_out, mut b_in)) =
        (contexts(&to_caller), contexts(&to_callee));
    let (a, b) = (
        "10.0.0.20:4000".parse().unwrap(),
        "10.0.0.30:5000".parse().unwrap(),
    );
    let packet = rtp(1, 1, b"speech");
    for (from, to, outbound, inbound) in [
        (a, addresses(&to_caller).0, &mut a_out, &mut b_in),
        (b, addresses(&to_callee).0, &mut b_out, &mut a_in),
    ] {
        assert!(world.pass(from, to, &packet).is_none(), "not in the clear");
        let mut sent = world
            .pass(from, to, &protect(outbound, &packet))
            .expect("heard")
            .bytes;
        let len = inbound.unprotect(&mut sent).unwrap();
        assert_eq!(sent[..len], packet);
    }
}

#[test]
fn where_one_side_does_not_understand_it_both_stay_plain() {
    let mut world = World::new();
    let to_callee = world.sdp(&plain_offer("c", "a", &format!("{PHONE}a=crypto:1 {LINE}")));
    let to_caller = world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    assert!(lines(&to_caller, "a=crypto").is_empty() && lines(&to_caller, "a=setup").is_empty());
    let packet = rtp(1, 1, b"speech");
    let sent = world.pass(
        "10.0.0.20:4000".parse().unwrap(),
        addresses(&to_caller).0,
        &packet,
    );
    assert_eq!(sent.unwrap().bytes, packet);
    let sent = world.pass(
        "10.0.0.30:5000".parse().unwrap(),
        addresses(&to_callee).0,
        &packet,
    );
    assert_eq!(sent.unwrap().bytes, packet);
}

#[test]
fn one_is_made_out_of_a_plain_offer_and_accepted_for_a_plain_callee_when_asked_for() {
    for words in ["offer", "offer-RFC"] {
        let mut world = World::new();
        let mut offer = plain_offer("c", "a", PHONE);
        offer.osrtp = vec![words.into()];
        let to_callee = world.sdp(&offer);
        assert!(lines(&to_callee, "m=")[0].contains(" RTP/AVP "));
        assert_eq!(
            (
                lines(&to_callee, "a=crypto").len(),
                lines(&to_callee, "a=fingerprint").len()
            ),
            (6, 1)
        );
        let to_caller = world.sdp(&answer("c", "a", "b", &with_key(OTHER_PHONE, &to_callee)));
        assert!(
            lines(&to_caller, "a=crypto").is_empty(),
            "the caller has said nothing of it"
        );
        let (_, mut inbound) = contexts(&to_callee);
        let packet = rtp(1, 1, b"speech");
        let sent = world.pass(
            "10.0.0.20:4000".parse().unwrap(),
            addresses(&to_caller).0,
            &packet,
        );
        let mut sent = sent.unwrap().bytes;
        let len = inbound.unprotect(&mut sent).unwrap();
        assert_eq!(sent[..len], packet);
    }
    let mut world = World::new();
    world.sdp(&offer_to_phone(
        "c",
        "a",
        None,
        &format!("{PHONE}a=crypto:1 {LINE}"),
    ));
    let mut reply = answer("c", "a", "b", OTHER_PHONE);
    reply.osrtp = vec!["accept-RFC".into()];
    let to_caller = world.sdp(&reply);
    let (mut outbound, _) = contexts(&to_caller);
    let packet = rtp(1, 1, b"speech");
    let protected = protect(&mut outbound, &packet);
    let sent = world.pass(
        "10.0.0.20:4000".parse().unwrap(),
        addresses(&to_caller).0,
        &protected,
    );
    assert_eq!(sent.unwrap().bytes, packet);
}

#[test]
fn a_side_that_offers_again_without_keys_is_plain_again() {
    let mut world = World::new();
    world.sdp(&plain_offer("c", "a", &format!("{PHONE}a=crypto:1 {LINE}")));
    let mut reply = answer("c", "a", "b", OTHER_PHONE);
    reply.osrtp = vec!["accept".into()];
    assert_eq!(lines(&world.sdp(&reply), "a=crypto").len(), 1);
    world.sdp(&plain_offer("c", "a", PHONE));
    let to_caller = world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    assert!(lines(&to_caller, "a=crypto").is_empty());
    let packet = rtp(1, 1, b"speech");
    let sent = world.pass(
        "10.0.0.20:4000".parse().unwrap(),
        addresses(&to_caller).0,
        &packet,
    );
    assert_eq!(sent.unwrap().bytes, packet);
}
