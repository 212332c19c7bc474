//! `play DTMF`: what the other party receives.

use std::net::SocketAddr;
use std::time::Duration;

use control_proto::{Command, Request};
use rtp::rtcp::{ReportBlock, Writer};

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::media::{browser_calls, phone};
use crate::orders::{EVENT, Phones};
use crate::world::*;

const TICK: Duration = Duration::from_millis(20);

fn play(code: &str) -> Request {
    let mut play = request(Command::PlayDtmf, "c");
    play.from_tag = Some("a".into());
    play.other.push("code", code);
    play
}

fn sequence(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[2], packet[3]])
}

#[test]
fn an_event_stands_in_the_stream_of_its_party_without_a_gap() {
    let mut call = Phones::call();
    let mut heard = Vec::new();
    for number in 0..100_u16 {
        call.world.send(
            phone(),
            call.a.1,
            &rtp(65_500_u16.wrapping_add(number), 7, &[0; 160]),
        );
        if number == 20 {
            let mut play = play("5");
            play.other.push("duration", "200");
            play.other.push("volume", "-10");
            call.does(&play);
        }
        call.world.advance(TICK);
        heard.extend(call.world.sent.drain(..).map(|sent| {
            assert_eq!((sent.from, sent.to), (call.b.1, call.b.0));
            sent.bytes
        }));
    }
    for (at, packet) in heard.iter().enumerate() {
        assert_eq!(
            sequence(packet),
            65_500_u16.wrapping_add(at as u16),
            "at {at}"
        );
        assert_eq!(packet[8..12], 7_u32.to_be_bytes());
    }
    let events: Vec<&Vec<u8>> = heard
        .iter()
        .filter(|packet| packet[1] & 0x7f == EVENT)
        .collect();
    // Ten of 20 ms, the last of them three times.
    assert_eq!(events.len(), 12);
    assert_eq!(events[0][1], EVENT | 0x80, "the marker begins it");
    assert!(events[1..].iter().all(|packet| packet[1] == EVENT));
    assert!(
        events.iter().all(|packet| packet[4..8] == events[0][4..8]),
        "one timestamp"
    );
    let bodies: Vec<(u8, u8, u16)> = events
        .iter()
        .map(|packet| {
            (
                packet[12],
                packet[13],
                u16::from_be_bytes([packet[14], packet[15]]),
            )
        })
        .collect();
    assert_eq!(bodies[0], (5, 10, 160));
    assert_eq!(bodies[8], (5, 10, 1440));
    assert_eq!(bodies[9..], [(5, 0x8a, 1600); 3]);
    let spoken = heard.len() - events.len();
    assert_eq!(spoken, 90, "speech makes room");
}

#[test]
fn several_keys_are_played_one_after_the_other() {
    let mut call = Phones::call();
    call.does(&play("1#"));
    call.world.advance(Duration::from_secs(2));
    let events: Vec<u8> = call.world.sent.iter().map(|sent| sent.bytes[12]).collect();
    assert_eq!(events, [[1; 15], [11; 15]].concat());
    let numbers: Vec<u16> = call
        .world
        .sent
        .iter()
        .map(|sent| sequence(&sent.bytes))
        .collect();
    assert!(
        numbers
            .windows(2)
            .all(|pair| pair[1] == pair[0].wrapping_add(1))
    );
}

#[test]
fn a_browser_hears_the_event_in_srtp() {
    let mut call = browser_calls();
    call.talk(1);
    let mut play = play("9");
    play.from_tag = Some("b".into());
    assert!(call.world.command(&play).is_ok());
    call.world.advance(Duration::from_millis(500));
    call.browser.step(&mut call.world);
    assert_eq!(call.browser.heard.len(), 15);
    assert!(call.browser.heard.iter().all(|packet| packet[12] == 9));
    assert_eq!(sequence(&call.browser.heard[0]), 2);
    call.browser.heard.clear();
    call.world
        .send(phone(), call.rtp, &rtp(2, 0xf0e, b"speech"));
    call.browser.step(&mut call.world);
    assert_eq!(sequence(&call.browser.heard[0]), 17);
}

#[test]
fn nothing_is_played_to_a_side_that_takes_no_events() {
    let mut world = World::new();
    world.sdp(&plain_offer("c", "a", PHONE));
    let plain = OTHER_PHONE.replace(" 101\r\n", "\r\n").replace(
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n",
        "",
    );
    world.sdp(&answer("c", "a", "b", &plain));
    let reason = |world: &mut World, play: &Request| {
        let response = world.command(play);
        response.error_reason().map(str::to_owned)
    };
    let none = "No telephone-event payload type negotiated";
    assert_eq!(reason(&mut world, &play("1")).as_deref(), Some(none));
    let unknown = "DTMF code missing or unknown";
    assert_eq!(reason(&mut world, &play("x")).as_deref(), Some(unknown));
    let mut nobody = play("1");
    nobody.from_tag = None;
    let reason = reason(&mut world, &nobody);
    assert_eq!(reason.as_deref(), Some("No participant party specified"));
}

#[test]
fn commands_without_end_queue_a_bounded_number_of_events() {
    let mut call = Phones::call();
    for _ in 0..1000 {
        call.does(&play("0123456789"));
    }
    call.world.advance(Duration::from_secs(300));
    assert!(
        call.world.sent.len() <= 65 * 15,
        "{}",
        call.world.sent.len()
    );
}

#[test]
fn reports_about_a_stream_with_events_in_it_tell_its_sender_of_the_numbers_it_knows() {
    let mut call = Phones::call();
    let before = rtp(100, 7, b"speech");
    call.world.send(phone(), call.a.1, &before);
    call.does(&play("5"));
    call.world.advance(Duration::from_secs(1));
    call.world.sent.clear();
    call.world.send(phone(), call.a.1, &rtp(101, 7, b"speech"));
    let highest = sequence(&call.world.sent.pop_front().unwrap().bytes);
    assert_eq!(highest, 101 + 15);
    let report = |highest: u16| {
        let block = ReportBlock {
            ssrc: 7,
            extended_highest: highest.into(),
            ..ReportBlock::default()
        };
        let mut buffer = [0; 32];
        Writer::new(&mut buffer)
            .receiver_report(8, &[block])
            .unwrap();
        buffer.to_vec()
    };
    let port = SocketAddr::new(call.b.1.ip(), call.b.1.port() + 1);
    let other = "10.0.0.30:5001".parse().unwrap();
    let passed = call.world.pass(other, port, &report(highest)).unwrap();
    assert_eq!(passed.bytes, report(101));
}
