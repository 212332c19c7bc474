//! BUNDLE: a browser's audio and video on one port, a phone's on two.

use std::net::SocketAddr;

use control_proto::Request;

use crate::bodies::PHONE;
use crate::browser::Browser;
use crate::world::*;

const AUDIO: &str = "10.0.0.20:4000";
const VIDEO: &str = "10.0.0.20:4002";
const VIDEO_RTCP: &str = "10.0.0.20:4003";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The browser's body with video beside its audio, which has nothing of its own but codecs: `bundle-only`.
fn with_video(body: &str) -> String {
    let body = body.replace("a=group:BUNDLE 0", "a=group:BUNDLE 0 1");
    body + "m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=bundle-only\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
}

fn phone_with_video() -> String {
    format!("{PHONE}m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n")
}

fn accepting(mut offer: Request) -> Request {
    offer.other.push("bundle", "accept");
    offer
}

struct Call {
    world: World,
    browser: Browser,
    /// The relay's ports towards the phone: audio, video.
    audio: SocketAddr,
    video: SocketAddr,
    to_browser: String,
}

fn call() -> Call {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let body = with_video(&browser.body("actpass", 1));
    let to_phone = world.sdp(&accepting(offer_to_phone("c", "a", None, &body)));
    let session = sdp::Session::parse(to_phone.as_bytes()).unwrap();
    let [audio, video] = [0, 1].map(|i| session.media[i].rtp_address().expect("a port of its own"));
    assert!(!to_phone.contains("BUNDLE") && audio != video, "{to_phone}");
    let to_browser = world.sdp(&answer("c", "a", "b", &phone_with_video()));
    browser.take(&to_browser, &world);
    browser.connect(&mut world);
    Call {
        world,
        browser,
        audio,
        video,
        to_browser,
    }
}

fn packet(payload_type: u8, source: u32) -> Vec<u8> {
    let mut packet = rtp(1, source, b"media");
    packet[1] = payload_type;
    packet
}

/// A receiver report on one source.
fn report_on(source: u32) -> Vec<u8> {
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 99];
    report.extend(source.to_be_bytes());
    report.resize(32, 0);
    report
}

#[test]
fn both_media_are_answered_on_one_port_in_one_group() {
    let call = call();
    let session = sdp::Session::parse(call.to_browser.as_bytes()).unwrap();
    let [audio, video] = [&session.media[0], &session.media[1]];
    assert_eq!(lines(&call.to_browser, "a=group"), ["a=group:BUNDLE 0 1"]);
    assert_eq!(audio.rtp_address(), video.rtp_address());
    assert!(audio.rtp_address().is_some() && audio.rtcp_mux && video.rtcp_mux);
    assert_eq!(
        (&audio.ice, &audio.fingerprints),
        (&video.ice, &video.fingerprints)
    );
    assert_eq!(
        call.world.sockets.open.len(),
        5,
        "one for the browser, four for the phone"
    );
}

#[test]
fn each_medium_of_the_browser_reaches_its_port_of_the_phone_and_back() {
    let mut call = call();
    for (number, source, port, to) in [(0, 1, call.audio, AUDIO), (96, 2, call.video, VIDEO)] {
        let packet = packet(number, source);
        call.browser.send_rtp(&mut call.world, &packet);
        let sent = call
            .world
            .sent
            .pop_front()
            .expect("something for the phone");
        assert_eq!((sent.from, sent.to, sent.bytes), (port, at(to), packet));
    }
    for (number, source, port, from) in [(0, 3, call.audio, AUDIO), (96, 4, call.video, VIDEO)] {
        let packet = packet(number, source);
        call.world.send(at(from), port, &packet);
        call.browser.step(&mut call.world);
        assert_eq!(call.browser.heard.pop(), Some(packet));
    }
}

#[test]
fn a_report_goes_to_the_medium_whose_source_it_is_about_and_first_to_whom_it_asks() {
    let mut call = call();
    call.world.send(at(VIDEO), call.video, &packet(96, 4));
    call.browser.step(&mut call.world);
    for (source, to) in [(4, VIDEO_RTCP), (3, "10.0.0.20:4001")] {
        call.browser.send_rtcp(&mut call.world, &report_on(source));
        let sent = call.world.sent.pop_front().expect("a report");
        assert_eq!(sent.to, at(to));
    }
    let asks = [report_on(3), pli(4)].concat();
    call.browser.send_rtcp(&mut call.world, &asks);
    let sent = call.world.sent.pop_front().expect("a request");
    assert_eq!(sent.to, at(VIDEO_RTCP), "who is asked must get it");
    let report = rtcp(4, &[]);
    let video_rtcp = SocketAddr::new(call.video.ip(), call.video.port() + 1);
    call.world.send(at(VIDEO_RTCP), video_rtcp, &report);
    call.browser.step(&mut call.world);
    assert_eq!(call.browser.heard.pop(), Some(report));
}

#[test]
fn a_reoffer_from_either_side_keeps_the_bundle() {
    let mut call = call();
    let mut offer = offer_to_browser("c", "b", Some("a"), &phone_with_video());
    offer.ice = None;
    let to_browser = call.world.sdp(&offer);
    assert_eq!(lines(&to_browser, "a=group"), ["a=group:BUNDLE 0 1"]);
    let port = |body: &str| sdp::Session::parse(body.as_bytes()).unwrap().media[1].port;
    assert_eq!(port(&to_browser), port(&call.to_browser));
    // Both leave out what stands at the audio, and nobody asks for a bundle again.
    let body = with_video(&call.browser.body("active", 2));
    let body = body
        .replace("m=video 0 ", "m=video 50000 ")
        .replace("a=bundle-only\r\n", "");
    let to_phone = call.world.sdp(&answer("c", "b", "a", &body));
    assert_ne!(port(&to_phone), 0, "{to_phone}");
    let body = with_video(&call.browser.body("actpass", 3));
    let to_phone = call.world.sdp(&offer_to_phone("c", "a", Some("b"), &body));
    assert_ne!(port(&to_phone), 0, "{to_phone}");
    let again = call.world.sdp(&answer("c", "a", "b", &phone_with_video()));
    assert_eq!(port(&again), port(&call.to_browser));
    let packet = packet(96, 2);
    call.browser.send_rtp(&mut call.world, &packet);
    assert_eq!(
        call.world.sent.pop_front().map(|sent| sent.to),
        Some(at(VIDEO))
    );
}

#[test]
fn a_phone_without_video_leaves_the_audio_alone() {
    let mut world = World::new();
    let browser = Browser::new("198.51.100.7:50000");
    let body = with_video(&browser.body("actpass", 1));
    world.sdp(&accepting(offer_to_phone("c", "a", None, &body)));
    let refusal = format!("{PHONE}m=video 0 RTP/AVP 96\r\n");
    let back = world.sdp(&answer("c", "a", "b", &refusal));
    assert!(lines(&back, "m=")[1].starts_with("m=video 0 "), "{back}");
    assert_eq!(lines(&back, "a=group"), ["a=group:BUNDLE 0"]);
}

#[test]
fn media_that_cannot_be_told_apart_and_those_of_nobody_who_asked_do_not_ride() {
    let browser = Browser::new("198.51.100.7:50000");
    let body = with_video(&browser.body("actpass", 1));
    let same = body
        .replace("SAVPF 96", "SAVPF 0")
        .replace("a=rtpmap:96 VP8/90000\r\n", "");
    for offer in [
        offer_to_phone("c", "a", None, &body),
        accepting(offer_to_phone("c", "a", None, &same)),
    ] {
        let to_phone = World::new().sdp(&offer);
        assert!(
            lines(&to_phone, "m=")[1].starts_with("m=video 0 "),
            "{to_phone}"
        );
    }
}

/// A phone's audio and video on their way to a browser that is to bundle them.
fn bundled(words: &str) -> Request {
    let mut offer = offer_to_browser("c", "a", None, &phone_with_video());
    offer.other.push("bundle", words);
    offer
}

fn required() -> Request {
    bundled("require strict")
}

/// The browser's answer to an offer of both.
fn answer_with_video(browser: &Browser) -> String {
    with_video(&browser.body("active", 1))
        .replace("m=video 0 ", "m=video 50000 ")
        .replace("a=bundle-only\r\n", "")
}

fn ports(body: &str) -> Vec<u16> {
    let session = sdp::Session::parse(body.as_bytes()).unwrap();
    session.media.iter().map(|media| media.port).collect()
}

#[test]
fn a_bundle_that_is_required_but_not_strictly_names_its_port_in_each_medium() {
    let to_browser = World::new().sdp(&bundled("require"));
    let ports = ports(&to_browser);
    assert!(ports[0] != 0 && ports[0] == ports[1], "{to_browser}");
    assert_eq!(lines(&to_browser, "a=bundle-only").len(), 1);
    assert_eq!(lines(&to_browser, "a=group"), ["a=group:BUNDLE 0 1"]);
    let mids = lines(
        &to_browser,
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
    );
    assert_eq!(
        mids.len(),
        2,
        "each must say which it is (RFC 8843 section 9.1)"
    );
}

#[test]
fn media_that_are_offered_on_ports_of_their_own_are_joined_when_the_side_bundles() {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_browser = world.sdp(&bundled("offer"));
    let told = ports(&to_browser);
    assert!(told[0] != told[1] && told[1] != 0, "{to_browser}");
    assert_eq!(lines(&to_browser, "a=group"), ["a=group:BUNDLE 0 1"]);
    assert!(lines(&to_browser, "a=bundle-only").is_empty());
    browser.take(&to_browser, &world);
    let to_phone = world.sdp(&answer("c", "a", "b", &answer_with_video(&browser)));
    assert_eq!(world.sockets.open.len(), 5, "one for the browser");
    browser.connect(&mut world);
    let session = sdp::Session::parse(to_phone.as_bytes()).unwrap();
    let video = session.media[1].rtp_address().expect("a port for video");
    let there = packet(96, 4);
    world.send(at(VIDEO), video, &there);
    browser.step(&mut world);
    assert_eq!(browser.heard.pop(), Some(there));
    let back = packet(96, 2);
    browser.send_rtp(&mut world, &back);
    let sent = world.sent.pop_front().expect("video for the phone");
    assert_eq!((sent.from, sent.to, sent.bytes), (video, at(VIDEO), back));
    let again = world.sdp(&bundled("offer"));
    assert_eq!(ports(&again), [told[0], told[0]], "it is agreed: {again}");
}

#[test]
fn media_that_are_offered_on_ports_of_their_own_keep_them_when_the_side_does_not_bundle() {
    let mut world = World::new();
    let browser = Browser::new("198.51.100.7:50000");
    let told = ports(&world.sdp(&bundled("offer")));
    let body = answer_with_video(&browser)
        .replace("a=group:BUNDLE 0 1\r\n", "")
        .replace("m=video 50000", "m=video 50002");
    let lone = body.replace("a=mid:1\r\n", "a=mid:1\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:active\r\n")
        + lines(&body, "a=fingerprint")[0]
        + "\r\n";
    let to_phone = world.sdp(&answer("c", "a", "b", &lone));
    assert_ne!(ports(&to_phone)[1], 0, "{to_phone}");
    assert_eq!(world.sockets.open.len(), 6);
    let again = world.sdp(&bundled("offer"));
    assert_eq!(ports(&again), told);
}

const MID: &str = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";

/// Adds an element of the one-byte form.
fn with_element(mut packet: Vec<u8>, number: u8, value: &[u8]) -> Vec<u8> {
    let mut data = vec![number << 4 | (value.len() - 1) as u8];
    data.extend(value);
    data.resize(data.len().next_multiple_of(4), 0);
    let head = [0xbe, 0xde, 0, (data.len() / 4) as u8];
    packet[0] |= 0x10;
    packet.splice(12..12, head.into_iter().chain(data));
    packet
}

/// Both media say which they are; with `same` they have one payload type.
fn call_with_mids(same: bool) -> (World, Browser, [SocketAddr; 2]) {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let change = |body: &str| match same {
        true => body
            .replace("AVPF 96", "AVPF 0")
            .replace("AVP 96", "AVP 0")
            .replace("a=rtpmap:96 VP8/90000\r\n", ""),
        false => body.to_owned(),
    };
    let body = change(&with_video(&browser.body("actpass", 1)))
        .replace("a=mid:0\r\n", &format!("a=mid:0\r\n{MID}"))
        + MID;
    let to_phone = world.sdp(&accepting(offer_to_phone("c", "a", None, &body)));
    let session = sdp::Session::parse(to_phone.as_bytes()).unwrap();
    let ports = [0, 1].map(|i| session.media[i].rtp_address().expect("a port of its own"));
    let to_browser = world.sdp(&answer("c", "a", "b", &change(&phone_with_video())));
    assert_eq!(lines(&to_browser, MID.trim_end()).len(), 2, "{to_browser}");
    browser.take(&to_browser, &world);
    browser.connect(&mut world);
    (world, browser, ports)
}

#[test]
fn packets_of_one_payload_type_are_told_apart_by_their_mid_and_then_by_their_source() {
    let (mut world, mut browser, _) = call_with_mids(true);
    let sequenced = |number: u16, source: u32| rtp(number, source, b"media");
    for (number, packet, to) in [
        (1, with_element(sequenced(1, 7), 4, b"1"), VIDEO),
        (2, sequenced(2, 7), VIDEO),
        (3, with_element(sequenced(1, 8), 4, b"0"), AUDIO),
        (4, sequenced(2, 8), AUDIO),
        (5, with_element(sequenced(3, 8), 4, b"1"), VIDEO),
        (6, sequenced(4, 8), VIDEO),
        (7, sequenced(1, 9), AUDIO),
    ] {
        browser.send_rtp(&mut world, &packet);
        let sent = world.sent.pop_front().expect("something for the phone");
        assert_eq!(sent.to, at(to), "packet {number}");
        let heard = rtp::Packet::parse(&sent.bytes).unwrap();
        assert_eq!(heard.extension(), None, "the phone knows no mid");
        assert_eq!(heard.payload(), b"media");
    }
    browser.send_rtp(&mut world, &with_element(sequenced(5, 9), 4, b"7"));
    assert!(world.sent.is_empty());
    assert_eq!(world.dropped("c", "unknown mid"), 1);
}

#[test]
fn packets_to_a_bundle_say_which_medium_they_are_of_where_that_is_agreed() {
    for (same, number) in [(true, 0), (false, 96)] {
        let (mut world, mut browser, [audio, video]) = call_with_mids(same);
        for (from, port, mid, number) in [(AUDIO, audio, b"0", 0), (VIDEO, video, b"1", number)] {
            let plain = packet(number, u32::from(mid[0]));
            world.send(at(from), port, &plain);
            browser.step(&mut world);
            let heard = browser.heard.pop().expect("media");
            assert_eq!(heard, with_element(plain, 4, mid));
        }
    }
}

#[test]
fn a_medium_that_rides_has_statistics_and_is_asked_for_pictures_on_its_carriers_port() {
    let mut call = call();
    call.browser.send_rtp(&mut call.world, &packet(96, 2));
    call.world.sent.clear();
    let other = phone_with_video().replace("4002", "5002");
    call.world.sdp(&answer("c", "a", "b2", &other));
    call.browser.step(&mut call.world);
    let asked = call.browser.heard.pop().expect("a request for a picture");
    let feedback = rtp::rtcp::Compound::parse(&asked)
        .unwrap()
        .find_map(|packet| packet.feedback())
        .unwrap();
    assert_eq!((feedback.format, feedback.media), (1, 2));
}

#[test]
fn congestion_feedback_that_counts_all_packets_of_a_port_is_not_for_a_side_with_two() {
    let browser = Browser::new("198.51.100.7:50000");
    let counted =
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";
    let body = with_video(&browser.body("actpass", 1))
        + counted
        + "a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack pli\r\n";
    let mut offer = accepting(offer_to_phone("c", "a", None, &body));
    offer.transport_protocol = Some(control_proto::TransportProtocol::RtpAvpf);
    let to_phone = World::new().sdp(&offer);
    assert!(lines(&to_phone, "a=extmap").is_empty(), "{to_phone}");
    assert_eq!(lines(&to_phone, "a=rtcp-fb"), ["a=rtcp-fb:96 nack pli"]);
}

#[test]
fn a_bundle_that_is_required_is_offered_on_one_port_and_joined() {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_browser = world.sdp(&required());
    assert_eq!(lines(&to_browser, "a=group"), ["a=group:BUNDLE 0 1"]);
    assert!(
        lines(&to_browser, "m=")[1].starts_with("m=video 0 "),
        "{to_browser}"
    );
    assert_eq!(lines(&to_browser, "a=bundle-only").len(), 1);
    browser.take(&to_browser, &world);
    let to_phone = world.sdp(&answer("c", "a", "b", &answer_with_video(&browser)));
    let session = sdp::Session::parse(to_phone.as_bytes()).unwrap();
    let video = session.media[1].rtp_address().expect("a port for video");
    browser.connect(&mut world);
    let there = packet(96, 4);
    world.send(at(VIDEO), video, &there);
    browser.step(&mut world);
    assert_eq!(browser.heard.pop(), Some(there));
    let back = packet(96, 2);
    browser.send_rtp(&mut world, &back);
    let sent = world.sent.pop_front().expect("video for the phone");
    assert_eq!((sent.from, sent.to, sent.bytes), (video, at(VIDEO), back));
    let again = world.sdp(&required());
    assert!(
        lines(&again, "a=bundle-only").is_empty(),
        "it is agreed: {again}"
    );
    assert_eq!(lines(&again, "a=group"), ["a=group:BUNDLE 0 1"]);
}

#[test]
fn a_side_without_bundle_rejects_what_is_bundle_only_and_keeps_the_rest() {
    let mut world = World::new();
    let browser = Browser::new("198.51.100.7:50000");
    world.sdp(&required());
    let body = browser
        .body("active", 1)
        .replace("a=group:BUNDLE 0\r\n", "")
        + "m=video 50002 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 198.51.100.7\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n";
    let to_phone = world.sdp(&answer("c", "a", "b", &body));
    let media = lines(&to_phone, "m=");
    assert!(
        !media[0].starts_with("m=audio 0 ") && media[1].starts_with("m=video 0 "),
        "{to_phone}"
    );
}

#[test]
fn the_first_offer_to_a_browser_names_its_one_medium_as_a_bundle() {
    let offer = offer_to_browser("c", "p", None, PHONE);
    let to_browser = World::new().sdp(&offer);
    let mid = lines(&to_browser, "a=mid:")[0];
    let group = lines(&to_browser, "a=group");
    assert_eq!(
        group,
        [mid.replace("a=mid:", "a=group:BUNDLE ")],
        "with bundlePolicy max-bundle a browser takes no other"
    );
}
