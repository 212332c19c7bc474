//! RTCP: what it tells of a call's quality, what passes, and what the relay makes itself.

use std::net::SocketAddr;
use std::time::Duration;

use control_proto::{Command, Dictionary, Value, flag};
use rtp::NtpTime;
use rtp::rtcp::{Compound, ReportBlock, SenderInfo, Writer};

use crate::bodies::{OTHER_PHONE, PHONE, PHONE_RTCP};
use crate::media::phone;
use crate::orders::Phones;
use crate::world::*;

const OTHER_RTCP: &str = "10.0.0.30:5001";
const TICK: Duration = Duration::from_millis(20);

/// The relay's RTCP ports of a call of phones: those of A's packets and of B's.
fn rtcp_ports(call: &Phones) -> (SocketAddr, SocketAddr) {
    let next = |at: SocketAddr| SocketAddr::new(at.ip(), at.port() + 1);
    (next(call.a.1), next(call.b.1))
}

fn sender_report(ssrc: u32, ntp: u64) -> Vec<u8> {
    let mut buffer = [0; 100];
    let mut writer = Writer::new(&mut buffer);
    let info = SenderInfo {
        ntp: NtpTime(ntp),
        timestamp: 1,
        packets: 2,
        octets: 3,
    };
    writer.sender_report(ssrc, &info, &[]).unwrap();
    let len = writer.len();
    buffer[..len].to_vec()
}

fn receiver_report(sender: u32, block: ReportBlock) -> Vec<u8> {
    let mut buffer = [0; 100];
    let mut writer = Writer::new(&mut buffer);
    writer.receiver_report(sender, &[block]).unwrap();
    let len = writer.len();
    buffer[..len].to_vec()
}

fn integer(dictionary: &Dictionary, path: &[&str]) -> i64 {
    let (last, path) = path.split_last().unwrap();
    let mut at = dictionary;
    for key in path {
        at = at
            .get(key)
            .and_then(Value::as_dictionary)
            .unwrap_or_else(|| panic!("no {key} in {at:?}"));
    }
    at.get(last)
        .and_then(Value::as_integer)
        .unwrap_or_else(|| panic!("no {last} in {at:?}"))
}

/// A second of speech of A, of which every `lost`th packet never came.
fn speak(call: &mut Phones, lost: usize) {
    for sequence in 0..50 {
        if lost == 0 || usize::from(sequence) % lost != 1 {
            call.world
                .send(phone(), call.a.1, &rtp(sequence, 7, &[0; 160]));
        }
        call.world.advance(TICK);
    }
    call.world.sent.clear();
}

#[test]
fn query_and_delete_tell_how_each_stream_sounds_to_who_hears_it() {
    let mut call = Phones::call();
    speak(&mut call, 0);
    let (from_a, from_b) = rtcp_ports(&call);
    let other: SocketAddr = OTHER_RTCP.parse().unwrap();
    call.world
        .pass(
            PHONE_RTCP.parse().unwrap(),
            from_a,
            &sender_report(7, 0x1234_5678_0000),
        )
        .expect("the report passes");
    call.world.advance(Duration::from_millis(300));
    let report = receiver_report(
        8,
        ReportBlock {
            ssrc: 7,
            fraction_lost: 26,
            jitter: 80,
            last_sr: 0x1234_5678,
            delay_since_last_sr: 65_536 / 5,
            ..ReportBlock::default()
        },
    );
    let passed = call.world.pass(other, from_b, &report).unwrap();
    assert_eq!(passed.bytes, report, "as it was told");
    for command in [Command::Query, Command::Delete] {
        let reply = call.world.command(&request(command, "c")).other;
        for which in ["average MOS", "lowest MOS", "highest MOS"] {
            let value = |key| integer(&reply, &["SSRC", "7", which, key]);
            assert_eq!(value("MOS"), 33);
            assert_eq!(value("packet loss"), 10);
            assert_eq!(value("jitter"), 10);
            assert!((99_900..100_200).contains(&value("round-trip time")));
            assert_eq!(value("round-trip time leg"), value("round-trip time"));
        }
        assert_eq!(integer(&reply, &["SSRC", "7", "average MOS", "samples"]), 1);
        let reported = integer(&reply, &["SSRC", "7", "lowest MOS", "reported at"]);
        assert_eq!(reported, 1_800_000_001);
        assert_eq!(
            integer(&reply, &["SSRC", "7", "MOS progression", "interval"]),
            5
        );
        assert_eq!(integer(&reply, &["totals", "RTP", "packets"]), 50);
        assert_eq!(integer(&reply, &["created"]), 1_800_000_000);
    }
}

#[test]
fn what_phones_do_not_report_the_relay_tells_from_what_it_heard() {
    let mut call = Phones::call();
    speak(&mut call, 0);
    let good = call.world.command(&request(Command::Query, "c")).other;
    let mos = |reply: &Dictionary| integer(reply, &["SSRC", "7", "average MOS", "MOS"]);
    assert_eq!(mos(&good), 44);
    assert_eq!(integer(&good, &["SSRC", "7", "cumulative loss"]), 0);
}

#[test]
fn loss_on_the_way_to_the_relay_is_counted() {
    let mut call = Phones::call();
    for sequence in (0..100).filter(|sequence| sequence % 10 != 5) {
        call.world
            .send(phone(), call.a.1, &rtp(sequence, 7, &[0; 160]));
        call.world.advance(TICK);
    }
    let reply = call.world.command(&request(Command::Query, "c")).other;
    assert_eq!(integer(&reply, &["SSRC", "7", "cumulative loss"]), 10);
    assert_eq!(
        integer(&reply, &["SSRC", "7", "average MOS", "packet loss"]),
        10
    );
    let party = reply.get("tags").and_then(Value::as_dictionary).unwrap();
    let party = party.get("a").and_then(Value::as_dictionary).unwrap();
    let medium = party.get("medias").and_then(Value::as_list).unwrap()[0]
        .as_dictionary()
        .unwrap();
    assert_eq!(
        medium.get("codec").and_then(Value::as_str),
        Some("PCMU/8000")
    );
    let ingress = medium
        .get("ingress SSRCs")
        .and_then(Value::as_list)
        .unwrap()[0]
        .as_dictionary()
        .unwrap();
    assert_eq!(integer(ingress, &["SSRC"]), 7);
    assert_eq!(integer(ingress, &["packets"]), 90);
    assert_eq!(integer(ingress, &["lost"]), 10);
    assert_eq!(integer(ingress, &["last RTP seq"]), 99);
}

#[test]
fn sources_without_number_leave_a_bounded_list() {
    let mut call = Phones::call();
    for ssrc in 0..1000 {
        call.world.send(phone(), call.a.1, &rtp(1, ssrc, b"x"));
        call.world.advance(Duration::from_millis(1));
    }
    let reply = call.world.command(&request(Command::Query, "c"));
    let text = format!("{reply:?}");
    assert!(text.matches("last RTP seq").count() <= 16);
}

#[test]
fn reports_the_relay_makes_are_true_and_replace_those_that_came() {
    let mut world = World::new();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.other.push("generate-rtcp", "on");
    let to_b = addresses(&world.sdp(&offer)).0;
    let mut last = answer("c", "a", "b", OTHER_PHONE);
    last.flags.set(flag::GENERATE_RTCP);
    let to_a = addresses(&world.sdp(&last)).0;
    let next = |at: SocketAddr| SocketAddr::new(at.ip(), at.port() + 1);
    for sequence in 0..100 {
        if sequence != 50 {
            world.send(phone(), to_a, &rtp(sequence, 7, &[0; 160]));
        }
        world.advance(TICK);
    }
    world.sent.clear();
    let report = sender_report(7, 1);
    assert_eq!(
        world.pass(PHONE_RTCP.parse().unwrap(), next(to_a), &report),
        None
    );
    assert_eq!(world.dropped("c", "report replaced"), 1);

    world.advance(Duration::from_secs(4));
    let to = |at: &str| {
        let at: SocketAddr = at.parse().unwrap();
        let sent = world.sent.iter().find(|sent| sent.to == at);
        sent.unwrap_or_else(|| panic!("nothing for {at}")).clone()
    };
    let (for_a, for_b) = (to(PHONE_RTCP), to(OTHER_RTCP));
    assert_eq!((for_a.from, for_b.from), (next(to_a), next(to_b)));
    let report = |bytes: &[u8]| {
        let mut packets = Compound::parse(bytes).unwrap();
        let report = packets.next().unwrap().report().unwrap();
        assert_eq!(
            packets.next().unwrap().packet_type,
            202,
            "a description follows"
        );
        (
            report.ssrc,
            report.sender,
            report.blocks().collect::<Vec<_>>(),
        )
    };
    let (_, sender, blocks) = report(&for_a.bytes);
    assert!(sender.is_none(), "A was sent nothing");
    assert_eq!(
        (blocks[0].ssrc, blocks[0].lost, blocks[0].extended_highest),
        (7, 1, 99)
    );
    let (ssrc, sender, blocks) = report(&for_b.bytes);
    let sender = sender.unwrap();
    assert_eq!((ssrc, blocks.len()), (7, 0));
    assert_eq!((sender.packets, sender.octets), (99, 99 * 160));
    // The last packet was sent 20 ms before two seconds had passed, the report after five.
    assert_eq!(sender.timestamp, 99 * 160 + (5000 - 1980) * 8);
}

/// A and B with video and feedback.
fn video_call() -> (World, SocketAddr, SocketAddr) {
    let video = |body: &str| {
        body.replace("m=audio", "m=video")
            .replace("RTP/AVP 0 8 101", "RTP/AVPF 96")
            .replace("101 telephone-event/8000", "96 VP8/90000")
            .replace("a=fmtp:101 0-15", "a=rtcp-fb:96 nack pli")
    };
    let mut world = World::new();
    let to_b = addresses(&world.sdp(&plain_offer("c", "a", &video(PHONE)))).0;
    let to_a = addresses(&world.sdp(&answer("c", "a", "b", &video(OTHER_PHONE)))).0;
    (world, to_a, to_b)
}

#[test]
fn feedback_passes_between_sides_that_speak_it() {
    let (mut world, _, to_b) = video_call();
    let other: SocketAddr = OTHER_RTCP.parse().unwrap();
    let port = SocketAddr::new(to_b.ip(), to_b.port() + 1);
    // NACK and transport-wide congestion control; PLI, FIR and REMB.
    for (kind, format) in [(205, 1), (205, 15), (206, 1), (206, 4), (206, 15)] {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        writer.receiver_report(8, &[]).unwrap();
        writer.feedback(kind, format, 8, 7, &[1, 2, 3, 4]).unwrap();
        let len = writer.len();
        let sent = world.pass(other, port, &buffer[..len]).unwrap();
        assert_eq!(sent.bytes, buffer[..len]);
    }
}

#[test]
fn whoever_begins_to_see_late_gets_a_picture_that_stands_alone() {
    let (mut world, to_a, _) = video_call();
    let mut frame = rtp(1, 7, b"a picture");
    frame[1] = 96;
    world.send(phone(), to_a, &frame);
    world.sent.clear();
    let body = OTHER_PHONE
        .replace("m=audio 5000 RTP/AVP 0 8 101", "m=video 5002 RTP/AVPF 96")
        .replace("101 telephone-event/8000", "96 VP8/90000");
    world.sdp(&answer("c", "a", "b2", &body));
    let sent = world.sent.pop_front().expect("a request");
    assert_eq!(sent.to, PHONE_RTCP.parse().unwrap());
    let feedback = Compound::parse(&sent.bytes)
        .unwrap()
        .find_map(|packet| packet.feedback())
        .unwrap();
    assert_eq!(
        (feedback.payload, feedback.format, feedback.media),
        (true, 1, 7)
    );
    assert_eq!(world.sent.len(), 0, "nothing was seen of B yet");
}

/// A speaks feedback, B this; where they send to.
fn uneven_call(protocol: &str) -> (World, SocketAddr, SocketAddr) {
    let video = |body: &str, protocol: &str| {
        body.replace("m=audio", "m=video")
            .replace("RTP/AVP 0 8 101", &format!("{protocol} 96"))
            .replace("101 telephone-event/8000", "96 VP8/90000")
            .replace("a=fmtp:101 0-15", "a=rtcp-fb:96 nack pli")
    };
    let mut world = World::new();
    let mut offer = plain_offer("c", "a", &video(PHONE, "RTP/AVPF"));
    offer.transport_protocol = control_proto::TransportProtocol::from_word(protocol);
    let to_b = addresses(&world.sdp(&offer)).0;
    let to_a = world.sdp(&answer("c", "a", "b", &video(OTHER_PHONE, protocol)));
    (world, addresses(&to_a).0, to_b)
}

#[test]
fn a_picture_is_asked_for_by_command_and_not_again_within_a_second() {
    let (mut world, to_a, _) = uneven_call("RTP/AVP");
    let mut ask = request(Command::RequestPicture, "c");
    ask.from_tag = Some("a".into());
    let refused = Some("No pictures to ask for");
    let none_seen = world.command(&ask);
    assert_eq!(none_seen.error_reason(), refused);
    world.send(phone(), to_a, &picture(1, 7));
    world.sent.clear();
    let mut requests = Vec::new();
    for millis in [0, 10, 1_000] {
        world.advance(Duration::from_millis(millis));
        assert_eq!(world.command(&ask).error_reason(), None);
        requests.push(world.sent.len());
        for request in world.sent.drain(..) {
            assert_eq!(request.to, PHONE_RTCP.parse().unwrap());
            let mut packets = Compound::parse(&request.bytes).unwrap();
            let feedback = packets.find_map(|packet| packet.feedback()).unwrap();
            assert_eq!((feedback.format, feedback.media), (1, 7));
        }
    }
    assert_eq!(requests, [1, 0, 1]);
    ask.from_tag = Some("b".into());
    let hears_no_feedback = world.command(&ask);
    assert_eq!(hears_no_feedback.error_reason(), refused);
}

fn picture(sequence: u16, source: u32) -> Vec<u8> {
    let mut picture = rtp(sequence, source, b"part of a picture");
    picture[1] = 96;
    picture
}

#[test]
fn a_side_that_cannot_ask_gets_a_picture_when_it_begins_to_send() {
    let (mut world, to_a, to_b) = uneven_call("RTP/AVP");
    let mut requests = Vec::new();
    for sequence in 0..20 {
        if sequence >= 10 {
            let other = "10.0.0.30:5000".parse().unwrap();
            world.send(other, to_b, &picture(sequence, 8));
        }
        world.send(phone(), to_a, &picture(sequence, 7));
        let asked = |sent: &Sent| sent.to == PHONE_RTCP.parse().unwrap();
        requests.extend(world.sent.drain(..).filter(asked).map(|_| sequence));
    }
    assert_eq!(
        requests,
        [10],
        "what it was sent before it may not have heard"
    );
}

#[test]
fn a_lost_picture_is_asked_for_when_its_receiver_cannot_ask() {
    for (protocol, asks) in [("RTP/AVP", true), ("RTP/AVPF", false)] {
        let (mut world, to_a, _) = uneven_call(protocol);
        let mut requests = Vec::new();
        // Two packets are lost within a second, the third one later; with the second the request waits for its second.
        for sequence in (0..200).filter(|sequence| ![20, 40, 150].contains(sequence)) {
            let picture = picture(sequence, 7);
            world.send(phone(), to_a, &picture);
            let asked = world
                .sent
                .iter()
                .filter(|sent| sent.to == PHONE_RTCP.parse().unwrap());
            for request in asked {
                let mut packets = Compound::parse(&request.bytes).unwrap();
                let feedback = packets.find_map(|packet| packet.feedback()).unwrap();
                assert_eq!(
                    (feedback.payload, feedback.format, feedback.media),
                    (true, 1, 7)
                );
                requests.push(sequence);
            }
            assert!(world.sent.iter().any(|sent| sent.bytes == picture));
            world.sent.clear();
            world.advance(TICK);
        }
        let expected: &[u16] = if asks { &[28, 79, 158] } else { &[] };
        assert_eq!(requests, expected, "{protocol}");
    }
}
