//! ng's `codec`, as far as it needs no conversion: what is offered on, and in which order.

use control_proto::{Request, flag};

use crate::bodies::{OTHER_PHONE, PHONE, chromium};
use crate::world::*;

fn words(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The formats of the m-line that comes out.
fn offered(body: &str, change: impl FnOnce(&mut Request)) -> String {
    let mut offer = plain_offer("c", "a", body);
    change(&mut offer);
    let out = World::new().sdp(&offer);
    let line = lines(&out, "m=")[0];
    let formats = line.splitn(4, ' ').nth(3).unwrap().to_owned();
    let described = lines(&out, "a=rtpmap").len();
    if line.split(' ').nth(1) != Some("0") {
        assert_eq!(described, formats.split(' ').count(), "{out}");
    }
    formats
}

#[test]
fn without_words_the_list_is_passed_on_as_it_came() {
    assert_eq!(offered(PHONE, |_| {}), "0 8 101");
    assert_eq!(offered(&chromium(), |_| {}), "111 0 8 110");
}

#[test]
fn stripped_and_hidden_codecs_are_not_offered_on() {
    for name in ["PCMU", "pcmu/8000", "PCMU/8000/1"] {
        assert_eq!(
            offered(PHONE, |offer| offer.codec.strip = words(&[name])),
            "8 101"
        );
    }
    assert_eq!(
        offered(PHONE, |offer| offer.codec.strip = words(&["PCMU/16000"])),
        "0 8 101"
    );
    assert_eq!(
        offered(PHONE, |offer| offer.codec.mask = words(&["PCMA"])),
        "0 101"
    );
    assert_eq!(
        offered(PHONE, |offer| offer.codec.consume = words(&["PCMA"])),
        "0 101"
    );
    assert_eq!(
        offered(PHONE, |offer| offer.codec.accept = words(&["PCMA"])),
        "0 8 101"
    );
    assert_eq!(
        offered(&chromium(), |offer| offer.codec.strip =
            words(&["opus/48000/2"])),
        "0 8 110"
    );
}

#[test]
fn except_stays_in_its_place_and_offer_comes_in_its_own_order() {
    let body = chromium();
    let all = |offer: &mut Request| offer.codec.strip = words(&["all"]);
    let except = offered(&body, |offer| {
        all(offer);
        offer.codec.except = words(&["PCMA", "opus", "G722"]);
    });
    assert_eq!(except, "111 8");
    let in_order = offered(&body, |offer| {
        all(offer);
        offer.codec.offer = words(&["PCMA", "telephone-event", "opus"]);
    });
    assert_eq!(in_order, "8 110 111");
    assert_eq!(
        offered(&body, |offer| offer.codec.offer = words(&["PCMA"])),
        "111 0 8 110"
    );
}

#[test]
fn a_medium_whose_codecs_are_all_stripped_is_rejected() {
    let mut world = World::new();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.codec.strip = words(&["all"]);
    let out = world.sdp(&offer);
    assert!(
        lines(&out, "m=")[0].starts_with("m=audio 0 RTP/AVP"),
        "{out}"
    );
    assert!(world.sockets.open.is_empty(), "no ports for nothing");
}

#[test]
fn what_repairs_a_stripped_codec_goes_with_it() {
    let body = PHONE.replace("0 8 101", "0 96 97 98")
        + "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=0\r\n";
    assert_eq!(
        offered(&body, |offer| offer.codec.strip = words(&["VP8"])),
        "0 98"
    );
}

#[test]
fn an_answer_can_be_cut_to_one_codec() {
    let mut world = World::new();
    world.sdp(&plain_offer("c", "a", PHONE));
    let mut reply = answer("c", "a", "b", OTHER_PHONE);
    reply.flags.set(flag::SINGLE_CODEC);
    let back = world.sdp(&reply);
    assert!(lines(&back, "m=")[0].ends_with(" RTP/AVP 0 101"), "{back}");
}
