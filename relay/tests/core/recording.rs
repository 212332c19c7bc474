//! Recording: what is handed out to be written, and what never is.

use causeway_relay::core::{Record, RecordedPacket, Sound};
use control_proto::{Command, Request, flag};

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::media::{browser_calls_in, phone};
use crate::orders::{EVENT, Phones};
use crate::world::*;

fn recorded() -> Phones {
    Phones::call_in(World::with(|config| config.recording = true))
}

fn packets(world: &mut World) -> Vec<RecordedPacket> {
    let packet = |record| match record {
        Record::Packet(packet) => Some(*packet),
        _ => None,
    };
    world.records.drain(..).filter_map(packet).collect()
}

#[test]
fn a_recorded_call_hands_out_every_packet_of_both_sides_between_its_begin_and_end() {
    let mut call = recorded();
    call.pass(true, 0);
    assert!(call.world.records.is_empty(), "nobody asked for it yet");
    call.does(&request(Command::StartRecording, "c"));
    let Record::Begin { name, call_id } = call.world.records.remove(0) else {
        panic!("it begins");
    };
    assert_eq!(call_id, "c");
    for (from_a, payload_type) in [(true, 0), (false, 8), (true, EVENT)] {
        call.pass(from_a, payload_type);
    }
    let packets = packets(&mut call.world);
    let told: Vec<_> = packets
        .iter()
        .map(|packet| (packet.party, packet.from, packet.to, packet.sound))
        .collect();
    assert_eq!(
        told,
        [
            (0, call.a.0, call.a.1, Some(Sound::MuLaw)),
            (1, call.b.0, call.b.1, Some(Sound::ALaw)),
            (0, call.a.0, call.a.1, None),
        ]
    );
    assert!(packets.iter().all(|packet| packet.name == name));
    assert_eq!(packets[0].bytes[12..], *b"speech");
    assert_eq!(packets[0].at.as_secs(), 1_800_000_000);
    call.does(&request(Command::Delete, "c"));
    assert_eq!(call.world.records, [Record::End { name }]);
}

#[test]
fn a_paused_recording_hands_nothing_out_and_goes_on_under_its_name() {
    let mut call = recorded();
    call.does(&request(Command::StartRecording, "c"));
    call.world.records.clear();
    call.does(&request(Command::PauseRecording, "c"));
    call.pass(true, 0);
    assert!(call.world.records.is_empty());
    call.does(&request(Command::StartRecording, "c"));
    call.pass(true, 0);
    assert_eq!(packets(&mut call.world).len(), 1, "and no second beginning");
    call.does(&request(Command::StopRecording, "c"));
    call.pass(true, 0);
    assert!(matches!(call.world.records[..], [Record::End { .. }]));
}

#[test]
fn a_browsers_speech_is_recorded_plain_and_what_is_blocked_is_not_recorded() {
    let mut call = browser_calls_in(World::with(|config| config.recording = true));
    assert!(
        call.world
            .command(&request(Command::StartRecording, "c"))
            .is_ok()
    );
    call.talk(1);
    let recorded = packets(&mut call.world);
    assert_eq!(recorded[0].bytes[12..], *b"from the browser");
    assert_eq!(recorded[1].bytes[12..], *b"from the phone");
    assert!(
        call.world
            .command(&request(Command::BlockMedia, "c"))
            .is_ok()
    );
    call.world.send(phone(), call.rtp, &rtp(9, 1, b"blocked"));
    assert!(packets(&mut call.world).is_empty());
}

#[test]
fn the_name_of_a_recording_has_nothing_of_the_peers_text() {
    for hostile in ["../../etc/passwd", "a/b", "x\r\ny\0", &"a".repeat(65_536)] {
        let mut world = World::with(|config| config.recording = true);
        world.sdp(&plain_offer(hostile, hostile, PHONE));
        let mut start = request(Command::StartRecording, hostile);
        start.other.push("recording-file", "/etc/passwd");
        let response = world.command(&start);
        assert!(
            response.is_ok() && response.warning.is_some(),
            "{response:?}"
        );
        let Record::Begin { name, .. } = &world.records[0] else {
            panic!("it begins");
        };
        assert!(name.len() < 40);
        let fit = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(name.chars().all(fit), "{name}");
    }
}

#[test]
fn a_call_is_recorded_from_its_offer_when_that_says_so() {
    let by_flag = |offer: &mut Request| offer.flags.set(flag::RECORD_CALL);
    let by_key = |offer: &mut Request| offer.other.push("record-call", "on");
    for ask in [by_flag as fn(&mut Request), by_key] {
        let mut world = World::with(|config| config.recording = true);
        let mut offer = plain_offer("c", "a", PHONE);
        ask(&mut offer);
        world.sdp(&offer);
        let to_a = addresses(&world.sdp(&answer("c", "a", "b", OTHER_PHONE))).0;
        assert!(matches!(world.records[..], [Record::Begin { .. }]));
        world.send(phone(), to_a, &rtp(1, 1, b"x"));
        assert_eq!(world.records.len(), 2);
    }
}

#[test]
fn recording_is_refused_where_there_is_nowhere_to_write() {
    let mut call = Phones::call();
    let response = call.world.command(&request(Command::StartRecording, "c"));
    assert_eq!(response.error_reason(), Some("Recording is not configured"));
    let response = call.world.command(&request(Command::PauseRecording, "c"));
    assert_eq!(response.error_reason(), Some("Call is not being recorded"));
    assert!(call.world.records.is_empty());
    let mut offer = plain_offer("c", "a", PHONE);
    offer.flags.set(flag::RECORD_CALL);
    let response = call.world.command(&offer);
    assert!(
        response.is_ok(),
        "the call is worth more than its recording"
    );
    assert_eq!(
        response.warning.as_deref(),
        Some("Recording is not configured")
    );
}
