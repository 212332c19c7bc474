//! Calls between an ordinary phone and a browser's stand-in that others wrote: webrtc-rs, with its own ICE, DTLS and
//! SRTP. Offers both ways, DTLS both ways, sound and reports both ways, on real sockets.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)] // a test may stop on the first surprise

mod parts;
#[path = "parts/webrtc_peer.rs"]
mod webrtc_peer;

use control_proto::{Command, Dtls};
use parts::phone::{Phone, REPORTED, payload, rtp, sender_report};
use parts::relay::{Relay, answer, offer_to_browser, offer_to_phone, request};
use webrtc_peer::{SSRC, WebrtcPeer};

/// The phone's.
const PHONE: u32 = 0x0bad_cafe;
/// Two seconds of sound: long enough for webrtc-rs to send its reports.
const PACKETS: u16 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_webrtc_rs_offers_has_sound_and_reports_both_ways_in_either_dtls_role() {
    for dtls in [Dtls::Passive, Dtls::Active] {
        let (mut relay, mut phone) = (Relay::start().await, Phone::new().await);
        let mut peer = WebrtcPeer::new(None).await;
        let offered = relay.sdp(&offer_to_phone("out", &peer.offer().await)).await;
        phone.take(&offered);
        let answered = relay.sdp(&answer("out", &phone.sdp(), Some(dtls))).await;
        let setup = if dtls == Dtls::Passive {
            "passive"
        } else {
            "active"
        };
        assert!(
            answered.contains(&format!("a=setup:{setup}\r\n")),
            "{answered}"
        );
        peer.take_answer(answered).await;
        relay.has_keys("out").await;
        talk(&mut peer, &phone).await;
        hang_up(&mut relay, "out").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_the_phone_offers_has_sound_and_reports_both_ways_in_either_dtls_role() {
    for setup in ["active", "passive"] {
        let (mut relay, mut phone) = (Relay::start().await, Phone::new().await);
        let mut peer = WebrtcPeer::new(Some(setup)).await;
        let offered = relay.sdp(&offer_to_browser("in", &phone.sdp())).await;
        // webrtc-rs refuses media outside a group, which no browser does.
        let grouped = offered.replacen("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE 0\r\n", 1);
        let answered = peer.answer(grouped).await;
        assert!(
            answered.contains(&format!("a=setup:{setup}\r\n")),
            "{answered}"
        );
        phone.take(&relay.sdp(&answer("in", &answered, None)).await);
        relay.has_keys("in").await;
        talk(&mut peer, &phone).await;
        hang_up(&mut relay, "in").await;
    }
}

/// Sound from each side arrives at the other as it was sent, and so do reports.
async fn talk(peer: &mut WebrtcPeer, phone: &Phone) {
    peer.connected().await;
    let from_phone = async {
        for sequence in 0..PACKETS {
            phone.send(&rtp(PHONE, sequence)).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        phone.send_rtcp(&sender_report(PHONE, PACKETS.into())).await;
    };
    let from_peer = async {
        for sequence in 0..PACKETS {
            peer.send(sequence, payload(SSRC, sequence)).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::join!(from_phone, from_peer);
    for sequence in 0..PACKETS {
        let heard = phone.hear().await;
        assert_eq!(heard[1] & 0x7f, 0, "G.711");
        assert_eq!(
            heard[12..],
            payload(SSRC, sequence),
            "from webrtc-rs: {sequence}"
        );
        assert_eq!(
            peer.hear().await,
            payload(PHONE, sequence),
            "from the phone: {sequence}"
        );
    }
    // The peer's report about the phone names the phone's own last report, so that came through as well.
    let (mut is_told, mut is_heard) = (false, false);
    while !(is_told && is_heard) {
        let report = phone.hear_rtcp().await;
        let (sender, about) = (report.get(4..8), report.get(8..12));
        is_told |= report[1] == 200 && sender == Some(&SSRC.to_be_bytes());
        is_heard |= report[1] == 201
            && about == Some(&PHONE.to_be_bytes())
            && report.get(24..28) == Some(&REPORTED.to_be_bytes());
    }
}

async fn hang_up(relay: &mut Relay, call: &str) {
    assert!(relay.ask(&request(Command::Delete, call)).await.is_ok());
}
