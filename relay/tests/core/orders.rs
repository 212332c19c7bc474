//! `block`, `silence` and their opposites: what passes and what does not.

use std::net::SocketAddr;

use control_proto::{Command, Request, flag};

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::media::{browser_calls, phone};
use crate::world::*;

pub const EVENT: u8 = 101;

/// Two plain phones: each one's address, and the relay's port that it sends to.
pub struct Phones {
    pub world: World,
    pub a: (SocketAddr, SocketAddr),
    pub b: (SocketAddr, SocketAddr),
    sequence: u16,
}

impl Phones {
    pub fn call() -> Self {
        Self::call_in(World::new())
    }

    pub fn call_in(mut world: World) -> Self {
        let mut offer = plain_offer("c", "a", PHONE);
        offer.label = Some("caller".into());
        let to_b = addresses(&world.sdp(&offer)).0;
        let mut answer = answer("c", "a", "b", OTHER_PHONE);
        answer.label = Some("callee".into());
        let to_a = addresses(&world.sdp(&answer)).0;
        Self {
            world,
            a: (phone(), to_a),
            b: ("10.0.0.30:5000".parse().unwrap(), to_b),
            sequence: 0,
        }
    }

    /// What becomes of a packet of this payload type.
    pub fn pass(&mut self, from_a: bool, payload_type: u8) -> Option<Vec<u8>> {
        let (from, to) = if from_a { self.a } else { self.b };
        self.sequence += 1;
        let mut packet = rtp(self.sequence, 7, b"speech");
        packet[1] = payload_type;
        self.world.pass(from, to, &packet).map(|sent| sent.bytes)
    }

    /// Whether speech of A, its events, and speech of B pass.
    fn passes(&mut self) -> [bool; 3] {
        [(true, 0), (true, EVENT), (false, 0)]
            .map(|(from_a, payload_type)| self.pass(from_a, payload_type).is_some())
    }

    pub fn does(&mut self, request: &Request) {
        let response = self.world.command(request);
        assert!(response.is_ok(), "{response:?}");
    }
}

fn from_a(command: Command) -> Request {
    let mut request = request(command, "c");
    request.from_tag = Some("a".into());
    request.flags.set(flag::DIRECTIONAL);
    request
}

#[test]
fn blocked_media_of_a_call_passes_telephone_events_only() {
    let mut call = Phones::call();
    let mut block = request(Command::BlockMedia, "c");
    block.from_tag = Some("a".into());
    call.does(&block);
    assert_eq!(
        call.passes(),
        [false, true, false],
        "a tag alone is no part"
    );
    assert_eq!(call.world.dropped("c", "blocked by command"), 2);
    call.does(&request(Command::UnblockMedia, "c"));
    assert_eq!(call.passes(), [true; 3]);
}

#[test]
fn blocked_dtmf_drops_telephone_events_only() {
    let mut call = Phones::call();
    call.does(&request(Command::BlockDtmf, "c"));
    assert_eq!(call.passes(), [true, false, true]);
    assert!(call.pass(false, EVENT).is_none());
    call.does(&request(Command::UnblockDtmf, "c"));
    assert_eq!(call.passes(), [true; 3]);
}

#[test]
fn a_party_is_blocked_by_tag_label_or_address() {
    let mut by_label = request(Command::BlockMedia, "c");
    by_label.label = Some("caller".into());
    let mut by_address = request(Command::BlockMedia, "c");
    by_address.other.push("address", "10.0.0.20");
    for block in [from_a(Command::BlockMedia), by_label, by_address] {
        let mut call = Phones::call();
        call.does(&block);
        assert_eq!(call.passes(), [false, true, true], "{block:?}");
    }
}

#[test]
fn one_flow_is_blocked_by_naming_both_its_ends() {
    let mut call = Phones::call();
    let mut block = from_a(Command::BlockMedia);
    block.to_tag = Some("b".into());
    call.does(&block);
    assert_eq!(call.passes(), [false, true, true]);
    block.command = Command::UnblockMedia;
    call.does(&block);
    assert_eq!(call.passes(), [true; 3]);
}

#[test]
fn a_party_blocked_alone_stays_so_until_all_are_unblocked() {
    let mut call = Phones::call();
    call.does(&from_a(Command::BlockMedia));
    call.does(&request(Command::BlockMedia, "c"));
    let mut unblock = request(Command::UnblockMedia, "c");
    call.does(&unblock);
    assert_eq!(call.passes(), [false, true, true]);
    unblock.flags.set(flag::ALL);
    call.does(&unblock);
    assert_eq!(call.passes(), [true; 3]);
}

#[test]
fn silence_replaces_what_is_said_and_keeps_every_number() {
    for (payload_type, silence) in [(0, 0xff), (8, 0xd5)] {
        let mut call = Phones::call();
        call.does(&from_a(Command::SilenceMedia));
        let heard = call.pass(true, payload_type).unwrap();
        let mut said = rtp(1, 7, &[silence; 6]);
        said[1] = payload_type;
        assert_eq!(heard, said);
        assert_eq!(call.pass(true, EVENT).unwrap()[12..], *b"speech");
        assert_eq!(call.pass(false, payload_type).unwrap()[12..], *b"speech");
        call.does(&from_a(Command::UnsilenceMedia));
        assert_eq!(call.pass(true, payload_type).unwrap()[12..], *b"speech");
    }
}

#[test]
fn silence_lets_nothing_through_that_it_cannot_replace() {
    let mut call = Phones::call();
    call.does(&request(Command::SilenceMedia, "c"));
    assert_eq!(call.pass(true, 96), None);
    assert_eq!(call.passes(), [true; 3]);
}

#[test]
fn a_silenced_packet_keeps_its_extension_and_padding() {
    let mut call = Phones::call();
    call.does(&request(Command::SilenceMedia, "c"));
    let mut packet = rtp(1, 7, &[]);
    packet[0] |= 0x30;
    packet.extend([0xbe, 0xde, 0, 1, 0x10, 9, 0, 0]);
    packet.extend(b"speech\0\0\0\x04");
    let (from, to) = call.a;
    let heard = call.world.pass(from, to, &packet).unwrap().bytes;
    packet[20..26].fill(0xff);
    assert_eq!(heard, packet);
}

#[test]
fn opus_is_silenced_by_a_frame_of_nothing() {
    let with_opus = |body: &str| {
        body.replace("0 8 101", "111 101")
            .replace("a=ptime", "a=rtpmap:111 opus/48000/2\r\na=ptime")
    };
    let mut world = World::new();
    world.sdp(&plain_offer("c", "a", &with_opus(PHONE)));
    let to_a = addresses(&world.sdp(&answer("c", "a", "b", &with_opus(OTHER_PHONE)))).0;
    assert!(world.command(&request(Command::SilenceMedia, "c")).is_ok());
    let mut packet = rtp(1, 7, b"a frame of opus");
    packet[1] = 111;
    let heard = world.pass(phone(), to_a, &packet).unwrap().bytes;
    assert_eq!(heard[..12], packet[..12]);
    assert_eq!(heard[12..], [0xf8, 0xff, 0xfe]);
}

#[test]
fn what_is_blocked_or_silenced_on_the_way_to_a_browser_is_so_in_srtp_as_well() {
    let mut call = browser_calls();
    call.talk(1);
    assert!(
        call.world
            .command(&request(Command::SilenceMedia, "c"))
            .is_ok()
    );
    call.world
        .send(phone(), call.rtp, &rtp(2, 0xf0e, b"speech"));
    call.browser.step(&mut call.world);
    assert_eq!(call.browser.heard.pop(), Some(rtp(2, 0xf0e, &[0xff; 6])));
    assert!(
        call.world
            .command(&request(Command::BlockMedia, "c"))
            .is_ok()
    );
    call.world
        .send(phone(), call.rtp, &rtp(3, 0xf0e, b"speech"));
    call.browser.step(&mut call.world);
    assert_eq!(call.browser.heard.pop(), None);
}

#[test]
fn an_order_outlives_a_re_offer() {
    let mut call = Phones::call();
    call.does(&request(Command::BlockMedia, "c"));
    call.world.sdp(&plain_offer("c", "a", PHONE));
    call.world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    assert_eq!(call.passes(), [false, true, false]);
}

#[test]
fn an_order_that_names_nobody_is_refused_in_the_words_that_scripts_know() {
    let mut call = Phones::call();
    let mut refused = |change: &dyn Fn(&mut Request), reason: &str| {
        let mut block = request(Command::BlockMedia, "c");
        change(&mut block);
        let response = call.world.command(&block);
        assert_eq!(response.error_reason(), Some(reason));
    };
    refused(&|block| block.call_id = None, "No call-id in message");
    refused(&|block| block.call_id = Some("d".into()), "Unknown call-ID");
    let directional = |block: &mut Request| block.flags.set(flag::DIRECTIONAL);
    refused(&directional, "No participant party specified");
    refused(
        &|block| {
            directional(block);
            block.from_tag = Some("x".into());
        },
        "From-tag given, but no such tag exists",
    );
    refused(
        &|block| {
            directional(block);
            block.from_tag = Some("a".into());
            block.to_tag = Some("x".into());
        },
        "To-tag not found",
    );
    refused(
        &|block| block.label = Some("x".into()),
        "No monologue matching the given label",
    );
    refused(
        &|block| block.other.push("address", "192.0.2.1"),
        "Failed to match address to any tag",
    );
    refused(
        &|block| {
            block.command = Command::BlockDtmf;
            block.other.push("DTMF-security", "tone");
            block.other.push("dtmf-security", "tone");
        },
        "DTMF-security: only 'drop' is supported",
    );
}

#[test]
fn an_offer_or_answer_may_hold_back_what_its_sender_says() {
    for (word, expected) in [
        ("block-media", [false, true, true]),
        ("block DTMF", [true, false, true]),
    ] {
        let mut call = Phones::call();
        let mut offer = plain_offer("c", "a", PHONE);
        offer.to_tag = Some("b".into());
        offer.flags.set(word);
        call.does(&offer);
        call.does(&answer("c", "a", "b", OTHER_PHONE));
        assert_eq!(call.passes(), expected, "{word} in the offer");
    }
    let mut call = Phones::call();
    let mut silent = answer("c", "a", "b", OTHER_PHONE);
    silent.flags.set("silence media");
    call.does(&silent);
    assert_ne!(call.pass(true, 0).unwrap()[12..], [0xff; 6]);
    assert_eq!(call.pass(false, 0).unwrap()[12..], [0xff; 6]);
}
