//! A re-offer that was refused, and then the offer and answer from before it: the call is what it was.

use std::net::SocketAddr;
use std::time::Duration;

use control_proto::Request;

use crate::bodies::PHONE;
use crate::media::{Bridged, browser_calls, phone};
use crate::world::*;

/// What the relay is told when a re-offer was refused: what was agreed on before.
fn restore(call: &mut Bridged) {
    let body = call.browser.body("actpass", 1);
    call.world.sdp(&offer_to_phone("c", "a", Some("b"), &body));
    call.world.sdp(&answer("c", "a", "b", PHONE));
}

/// A re-offer of the browser, which nobody answers.
fn reoffer(call: &mut Bridged, change: impl Fn(String) -> String) -> String {
    let body = change(call.browser.body("actpass", 2));
    call.world.sdp(&offer_to_phone("c", "a", Some("b"), &body))
}

fn open_ports(call: &Bridged) -> Vec<SocketAddr> {
    let mut open: Vec<_> = call.world.sockets.open.values().copied().collect();
    open.sort_unstable();
    open
}

#[test]
fn a_hold_of_the_browser_is_taken_back() {
    let mut call = browser_calls();
    call.talk(1);
    let ports = open_ports(&call);
    reoffer(&mut call, |body| body.replace("a=sendrecv", "a=inactive"));
    restore(&mut call);
    call.talk(2);
    assert_eq!(open_ports(&call), ports);
}

#[test]
fn a_phone_that_was_to_move_is_spoken_to_where_it_was() {
    let mut call = browser_calls();
    call.talk(1);
    let moved = PHONE
        .replace("10.0.0.20", "10.0.0.77")
        .replace("RTP/AVP 0", "RTP/AVP 8");
    let request: Request = offer_to_browser("c", "b", Some("a"), &moved);
    call.world.sdp(&request);
    restore(&mut call);
    let packet = rtp(7, 0xb0b, b"to where it was");
    call.browser.send_rtp(&mut call.world, &packet);
    assert_eq!(call.world.sent.pop_front().unwrap().to, phone());
    call.talk(2);
}

#[test]
fn an_ice_restart_that_was_refused_leaves_the_path_that_there_is() {
    let mut call = browser_calls();
    call.talk(1);
    // Twice, as a browser does that tries again.
    for other in ["first", "other"] {
        let (ufrag, pwd) = (
            format!("a=ice-ufrag:{other}"),
            format!("a=ice-pwd:{other}{}", "p".repeat(20)),
        );
        reoffer(&mut call, |body| {
            let lines = body.lines().map(|line| match line {
                line if line.starts_with("a=ice-ufrag") => ufrag.clone(),
                line if line.starts_with("a=ice-pwd") => pwd.clone(),
                line => line.to_owned(),
            });
            lines.map(|line| line + "\r\n").collect()
        });
    }
    restore(&mut call);
    call.talk(2);
    // Consent is given by the old credentials, for as long as the call lasts.
    for _ in 0..30 {
        call.browser.step(&mut call.world);
        call.world.advance(Duration::from_secs(4));
    }
    assert!(call.browser.agent.selected().is_some());
    call.talk(3);
}

#[test]
fn a_medium_that_was_to_end_has_its_ports_still_and_one_that_was_to_begin_has_none() {
    let mut call = browser_calls();
    let ports = open_ports(&call);
    let told = reoffer(&mut call, |body| {
        let audio = format!("m=audio {} ", call_port(&body));
        body.replace(&audio, "m=audio 0 ")
            + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
    });
    assert!(told.contains("m=audio 0 "), "{told}");
    restore(&mut call);
    assert_eq!(open_ports(&call), ports);
    call.talk(2);
}

#[test]
fn a_medium_that_ends_by_agreement_gives_back_its_ports() {
    let mut call = browser_calls();
    reoffer(&mut call, |body| {
        let audio = format!("m=audio {} ", call_port(&body));
        body.replace(&audio, "m=audio 0 ")
    });
    assert!(!open_ports(&call).is_empty(), "the answer is to come");
    call.world.sdp(&answer(
        "c",
        "a",
        "b",
        &PHONE.replace("m=audio 4000", "m=audio 0"),
    ));
    assert!(open_ports(&call).is_empty());
}

fn call_port(body: &str) -> String {
    let (_, rest) = body.split_once("m=audio ").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}
