//! What is said of DTLS in SDP: fingerprints, associations and their names.

use control_proto::{Request, TransportProtocol};

use crate::bodies::PHONE;
use crate::world::*;

/// A phone with DTLS and no ICE.
fn secure(hash: &str, bytes: usize, tls_id: &str) -> String {
    let digest = vec!["AB"; bytes].join(":");
    PHONE.replace("RTP/AVP", "UDP/TLS/RTP/SAVP")
        + &format!("a=setup:actpass\r\na=fingerprint:{hash} {digest}\r\na=tls-id:{tls_id}\r\n")
}

/// What a phone that offers DTLS is answered.
fn answered(world: &mut World, body: &str) -> String {
    world.sdp(&offer_to_phone("c", "a", None, body));
    world.sdp(&answer("c", "a", "b", PHONE))
}

const ID: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn our_fingerprint_is_hashed_as_the_peers_is_and_stays_so() {
    for (hash, bytes) in [("sha-256", 32), ("sha-384", 48), ("SHA-512", 64)] {
        let mut world = World::new();
        let back = answered(&mut world, &secure(hash, bytes, ID));
        let fingerprint = lines(&back, "a=fingerprint:")[0].to_owned();
        let (name, digest) = fingerprint["a=fingerprint:".len()..]
            .split_once(' ')
            .unwrap();
        assert_eq!(
            (name, digest.len()),
            (hash.to_ascii_lowercase().as_str(), 3 * bytes - 1)
        );
        let mut offer: Request = plain_offer("c", "b", PHONE);
        offer.to_tag = Some("a".into());
        assert_eq!(lines(&world.sdp(&offer), "a=fingerprint:"), [fingerprint]);
    }
}

#[test]
fn the_hash_can_be_asked_for() {
    let mut offer = plain_offer("c", "a", PHONE);
    offer.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavp);
    offer.other.push("dtls-fingerprint", "SHA-384");
    assert!(
        lines(&World::new().sdp(&offer), "a=fingerprint:")[0].starts_with("a=fingerprint:sha-384 ")
    );
}

#[test]
fn dtls_reverse_chooses_our_role_towards_an_offerer_once() {
    let mut world = World::new();
    let mut role = |reverse: &str, setup: &str, fingerprint: &str| {
        let body = secure("sha-256", 32, ID)
            .replace("actpass", setup)
            .replace("AB", fingerprint);
        let mut offer = offer_to_phone("c", "a", None, &body);
        offer.other.push("dtls-reverse", reverse);
        world.sdp(&offer);
        let mut answered = answer("c", "a", "b", PHONE);
        answered.dtls = None;
        lines(&world.sdp(&answered), "a=setup:")[0].to_owned()
    };
    assert_eq!(role("active", "actpass", "AB"), "a=setup:active");
    for fingerprint in ["AB", "CD"] {
        let stays = role("passive", "actpass", fingerprint);
        assert_eq!(stays, "a=setup:active", "{fingerprint}");
    }
    assert_eq!(
        role("active", "active", "EF"),
        "a=setup:passive",
        "no choice"
    );
}

#[test]
fn an_old_hash_proves_nothing() {
    let back = answered(&mut World::new(), &secure("sha-1", 20, ID));
    assert!(lines(&back, "m=")[0].starts_with("m=audio 0 "), "{back}");
}

#[test]
fn another_tls_id_begins_another_association_and_gets_another_of_ours() {
    let mut world = World::new();
    let first = answered(&mut world, &secure("sha-256", 32, ID));
    let again = answered(&mut world, &secure("sha-256", 32, ID));
    assert_eq!(first, again);
    let other = answered(
        &mut world,
        &secure("sha-256", 32, "fedcba9876543210fedcba9876543210"),
    );
    assert_ne!(lines(&first, "a=tls-id"), lines(&other, "a=tls-id"));
    for same in ["a=fingerprint", "a=setup", "m="] {
        assert_eq!(lines(&first, same), lines(&other, same));
    }
}
