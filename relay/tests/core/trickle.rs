//! Trickle ICE: candidates in fragments of their own, before their body or after it.

use causeway_relay::core::IceRole;
use control_proto::{Request, Response, flag};

use crate::bodies::{PHONE, chromium};
use crate::world::*;

/// Where no candidate of the body says that the browser is.
const LATE: &str = "198.51.100.77:41000";

fn world() -> World {
    World::with(|config| config.ice = IceRole::Full)
}

fn fragment(from: &str, ufrag: &str) -> Request {
    let mut offer = plain_offer(
        "c",
        from,
        &format!(
            "a=ice-ufrag:{ufrag}\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
             a=candidate:9 1 udp 2122260222 198.51.100.77 41000 typ host\r\n"
        ),
    );
    offer.flags.set(flag::FRAGMENT);
    offer
}

/// Whether a check goes to the candidate that only the fragment has.
fn checks(world: &mut World) -> bool {
    world.advance(std::time::Duration::from_millis(500));
    world
        .sent
        .iter()
        .any(|sent| sent.to == LATE.parse().unwrap())
}

fn is_bare(response: &Response) -> bool {
    response.is_ok() && response.sdp.is_none()
}

#[test]
fn a_candidate_that_comes_after_its_body_is_checked() {
    let mut world = world();
    world.sdp(&offer_to_phone("c", "a", None, &chromium()));
    assert!(!checks(&mut world));
    assert!(is_bare(&world.command(&fragment("a", "BRWS"))));
    assert!(checks(&mut world));
}

#[test]
fn a_fragment_that_overtakes_its_offer_waits_for_it() {
    let mut world = world();
    assert!(is_bare(&world.command(&fragment("a", "BRWS"))));
    assert_eq!(world.shard.calls(), 0, "it makes no call");
    world.sdp(&offer_to_phone("c", "a", None, &chromium()));
    assert!(checks(&mut world));
}

#[test]
fn a_fragment_that_overtakes_its_answer_waits_for_it() {
    let mut world = world();
    world.sdp(&offer_to_browser("c", "a", None, PHONE));
    assert!(is_bare(&world.command(&fragment("b", "BRWS"))));
    assert!(!checks(&mut world));
    world.sdp(&answer(
        "c",
        "a",
        "b",
        &chromium().replace("actpass", "active"),
    ));
    assert!(checks(&mut world));
}

#[test]
fn a_fragment_of_other_credentials_or_long_ago_is_not_taken() {
    let mut world = world();
    world.command(&fragment("a", "OLD1"));
    world.command(&fragment("x", "BRWS"));
    world.sdp(&offer_to_phone("c", "a", None, &chromium()));
    assert!(!checks(&mut world));
    let mut late = self::world();
    late.command(&fragment("a", "BRWS"));
    late.advance(std::time::Duration::from_secs(31));
    late.sdp(&offer_to_phone("c", "a", None, &chromium()));
    assert!(!checks(&mut late));
}

#[test]
fn a_fragment_that_is_no_sdp_is_refused_as_one() {
    let mut bad = fragment("a", "x");
    bad.sdp = Some(b"v=".to_vec());
    assert_eq!(
        world().command(&bad).error_reason(),
        Some("Failed to parse SDP")
    );
}
