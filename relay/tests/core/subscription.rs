//! Parties that only send or only listen.

use std::net::SocketAddr;
use std::time::Duration;

use control_proto::{Command, Request, Response, Value, flag};
use rtp::rtcp::Compound;

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::browser::Browser;
use crate::media::phone;
use crate::orders::Phones;
use crate::world::*;

const LISTENER: &str = "10.0.0.40:6000";

/// A subscriber's answer to a body of one medium.
const LISTENING: &str = "v=0\r\no=l 1 1 IN IP4 10.0.0.40\r\ns=-\r\nc=IN IP4 10.0.0.40\r\nt=0 0\r\n\
    m=audio 6000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=recvonly\r\n";

fn listener() -> SocketAddr {
    LISTENER.parse().unwrap()
}

fn subscribe(from: &str) -> Request {
    let mut subscribe = request(Command::SubscribeRequest, "c");
    subscribe.from_tag = Some(from.into());
    subscribe.to_tag = Some("l".into());
    subscribe
}

fn accept(sdp: &str) -> Request {
    let mut accept = request(Command::SubscribeAnswer, "c");
    accept.to_tag = Some("l".into());
    accept.sdp = Some(sdp.as_bytes().to_vec());
    accept
}

fn text<'a>(response: &'a Response, key: &str) -> Option<&'a str> {
    response.other.get(key).and_then(Value::as_str)
}

/// What comes to the listener, and nothing else.
fn heard(world: &mut World) -> Vec<Vec<u8>> {
    let all: Vec<Sent> = world.sent.drain(..).collect();
    all.into_iter()
        .filter(|sent| sent.to == listener())
        .map(|sent| sent.bytes)
        .collect()
}

/// A call that somebody listens to.
fn overheard(from: &str) -> (Phones, SocketAddr) {
    let mut call = Phones::call();
    let body = call.world.sdp(&subscribe(from));
    call.does(&accept(LISTENING));
    (call, addresses(&body).0)
}

#[test]
fn a_subscriber_hears_what_the_party_says_as_it_was_said() {
    let mut call = Phones::call();
    let response = call.world.command(&subscribe("a"));
    let body = String::from_utf8(response.sdp.clone().unwrap()).unwrap();
    assert_eq!(lines(&body, "m=").len(), 1);
    assert!(body.contains(" RTP/AVP 0 8 101\r\n"), "{body}");
    assert_eq!(lines(&body, "a=sendonly").len(), 1);
    assert_eq!(
        (text(&response, "to-tag"), text(&response, "from-tag")),
        (Some("l"), Some("a"))
    );
    let medias = response
        .other
        .get("tag-medias")
        .and_then(Value::as_list)
        .unwrap();
    let entry = medias[0].as_dictionary().unwrap();
    assert_eq!(entry.get("tag").and_then(Value::as_str), Some("a"));
    let medium = entry.get("medias").and_then(Value::as_list).unwrap()[0]
        .as_dictionary()
        .unwrap();
    assert_eq!(medium.get("index").and_then(Value::as_integer), Some(1));
    assert_eq!(medium.get("label").and_then(Value::as_str), Some("0"));

    let packet = rtp(1, 7, b"speech");
    call.world.send(phone(), call.a.1, &packet);
    assert!(heard(&mut call.world).is_empty(), "it has not answered");
    call.does(&accept(LISTENING));
    call.world.send(phone(), call.a.1, &packet);
    assert_eq!(call.world.sent.len(), 2, "the other party hears it, too");
    let copy = call
        .world
        .sent
        .iter()
        .find(|sent| sent.to == listener())
        .unwrap();
    assert_eq!((copy.from, &copy.bytes), (addresses(&body).0, &packet));
    call.world.sent.clear();
    call.world.send(call.b.0, call.b.1, &packet);
    assert!(heard(&mut call.world).is_empty(), "B was not asked for");
}

#[test]
fn what_a_subscriber_sends_reaches_nobody() {
    let (mut call, port) = overheard("a");
    call.world.send(listener(), port, &rtp(1, 9, b"hello?"));
    assert!(call.world.sent.is_empty());
}

#[test]
fn a_secure_subscriber_hears_both_parties_in_srtp() {
    let mut call = Phones::call();
    let mut browser = Browser::new("198.51.100.7:50000");
    let mut subscribe = subscribe("a");
    let wish = offer_to_browser("c", "x", None, PHONE);
    subscribe.transport_protocol = wish.transport_protocol;
    (subscribe.ice, subscribe.rtcp_mux, subscribe.sdes) = (wish.ice, wish.rtcp_mux, wish.sdes);
    subscribe.flags = wish.flags;
    let body = call.world.sdp(&subscribe);
    browser.take(&body, &call.world);
    call.does(&accept(&browser.body("active", 1)));
    browser.connect(&mut call.world);
    let packet = rtp(1, 7, b"speech");
    call.world.send(phone(), call.a.1, &packet);
    call.world.sent.retain(|sent| sent.to == browser.at);
    assert_ne!(call.world.sent[0].bytes, packet);
    browser.step(&mut call.world);
    assert_eq!(browser.heard, [packet]);
}

#[test]
fn all_parties_are_subscribed_to_at_once() {
    let mut call = Phones::call();
    let mut all = request(Command::SubscribeRequest, "c");
    all.flags.set(flag::ALL);
    let response = call.world.command(&all);
    let body = String::from_utf8(response.sdp.clone().unwrap()).unwrap();
    assert_eq!(lines(&body, "m=").len(), 2);
    assert_eq!(lines(&body, "a=label"), ["a=label:0", "a=label:1"]);
    assert!(
        text(&response, "to-tag").is_some_and(|tag| tag.len() == 16),
        "made up"
    );
    assert_eq!(
        response
            .other
            .get("from-tags")
            .and_then(Value::as_list)
            .unwrap()
            .len(),
        2
    );
    let answer = format!("{LISTENING}m=audio 6002 RTP/AVP 0 8 101\r\na=recvonly\r\n");
    let mut accept = accept(&answer);
    accept.to_tag = text(&response, "to-tag").map(str::to_owned);
    call.does(&accept);
    call.world.send(phone(), call.a.1, &rtp(1, 7, b"a"));
    call.world.send(call.b.0, call.b.1, &rtp(1, 8, b"b"));
    let to: Vec<u16> = call.world.sent.iter().map(|sent| sent.to.port()).collect();
    assert_eq!(to, [5000, 6000, 4000, 6002]);
}

#[test]
fn an_answer_without_a_codec_is_refused_unless_told() {
    let mut call = Phones::call();
    call.world.sdp(&subscribe("a"));
    let mut lacking = accept(&LISTENING.replace("0 8 101", "0 101"));
    let response = call.world.command(&lacking);
    assert_eq!(
        response.error_reason(),
        Some("Failed to process subscription answer")
    );
    lacking.flags.set(flag::ALLOW_TRANSCODING);
    call.does(&lacking);
    call.world.send(phone(), call.a.1, &rtp(1, 7, b"speech"));
    assert_eq!(heard(&mut call.world).len(), 1);
}

#[test]
fn how_a_subscriber_hears_is_not_how_the_call_sounds() {
    let (mut call, port) = overheard("a");
    call.world.send(phone(), call.a.1, &rtp(1, 7, b"speech"));
    call.world.sent.clear();
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 7, 128];
    report.resize(32, 0);
    let port = SocketAddr::new(port.ip(), port.port() + 1);
    call.world
        .send("10.0.0.40:6001".parse().unwrap(), port, &report);
    assert!(call.world.sent.is_empty(), "nor is it A's concern");
    let reply = call.world.command(&request(Command::Query, "c")).other;
    let scores = reply.get("SSRC").and_then(Value::as_dictionary).unwrap();
    assert!(scores.is_empty(), "{scores:?}");
}

#[test]
fn who_unsubscribes_hears_no_more_and_the_call_goes_on() {
    let (mut call, _) = overheard("a");
    let open = call.world.sockets.open.len();
    let mut leave = request(Command::Unsubscribe, "c");
    leave.to_tag = Some("l".into());
    call.does(&leave);
    assert_eq!(call.world.sockets.open.len(), open - 2);
    call.world.send(phone(), call.a.1, &rtp(1, 7, b"speech"));
    assert!(call.world.sent.iter().all(|sent| sent.to == call.b.0));
    assert_eq!(call.world.sent.len(), 1);
    let response = call.world.command(&leave);
    assert_eq!(response.error_reason(), Some("To-tag not found"));
}

#[test]
fn one_may_subscribe_and_leave_as_often_as_one_likes() {
    let mut call = Phones::call();
    let mut leave = request(Command::Unsubscribe, "c");
    leave.to_tag = Some("l".into());
    for _ in 0..100 {
        call.world.sdp(&subscribe("a"));
        call.does(&accept(LISTENING));
        call.does(&leave);
    }
    call.world.sdp(&subscribe("a"));
    call.does(&accept(LISTENING));
    call.world.send(phone(), call.a.1, &rtp(1, 7, b"speech"));
    assert_eq!(heard(&mut call.world).len(), 1);
}

#[test]
fn a_second_request_replaces_the_first() {
    let (mut call, port) = overheard("a");
    let body = call.world.sdp(&subscribe("b"));
    assert_eq!(addresses(&body).0, port, "the ports stay");
    call.does(&accept(LISTENING));
    call.world.send(phone(), call.a.1, &rtp(1, 7, b"a"));
    assert!(heard(&mut call.world).is_empty());
    call.world.send(call.b.0, call.b.1, &rtp(1, 8, b"b"));
    assert_eq!(heard(&mut call.world).len(), 1);
}

#[test]
fn a_subscription_ends_with_its_call_and_a_party_with_a_listener_is_no_fork() {
    let (mut call, _) = overheard("a");
    let mut delete = request(Command::Delete, "c");
    delete.from_tag = Some("b".into());
    call.does(&delete);
    assert_eq!(
        (call.world.shard.calls(), call.world.sockets.open.len()),
        (0, 0)
    );
}

#[test]
fn one_flow_is_blocked_and_the_subscriber_still_hears() {
    let (mut call, _) = overheard("a");
    let mut block = request(Command::BlockMedia, "c");
    block.flags.set(flag::DIRECTIONAL);
    block.from_tag = Some("a".into());
    block.to_tag = Some("b".into());
    call.does(&block);
    call.world.send(phone(), call.a.1, &rtp(1, 7, b"speech"));
    assert_eq!(call.world.sent.len(), 1);
    assert_eq!(heard(&mut call.world).len(), 1);
    block.to_tag = Some("l".into());
    call.does(&block);
    call.world.send(phone(), call.a.1, &rtp(2, 7, b"speech"));
    assert!(call.world.sent.is_empty());
}

#[test]
fn whoever_subscribes_to_pictures_gets_one_that_stands_alone_and_may_ask_for_more() {
    let video = |body: &str| {
        body.replace("m=audio", "m=video")
            .replace("RTP/AVP 0 8 101", "RTP/AVPF 96")
            .replace("101 telephone-event/8000", "96 VP8/90000")
            .replace("a=fmtp:101 0-15\r\n", "")
    };
    let mut world = World::new();
    world.sdp(&plain_offer("c", "a", &video(PHONE)));
    let to_a = addresses(&world.sdp(&answer("c", "a", "b", &video(OTHER_PHONE)))).0;
    let mut frame = rtp(1, 7, b"a picture");
    frame[1] = 96;
    world.send(phone(), to_a, &frame);
    world.sent.clear();
    let body = world.sdp(&subscribe("a"));
    assert!(world.command(&accept(&video(LISTENING))).is_ok());
    let is_pli = |sent: &Sent| {
        let feedback = Compound::parse(&sent.bytes)
            .unwrap()
            .find_map(|packet| packet.feedback());
        feedback.is_some_and(|feedback| (feedback.payload, feedback.format) == (true, 1))
    };
    assert!(is_pli(&world.sent.pop_front().unwrap()));
    let port = SocketAddr::new(addresses(&body).0.ip(), addresses(&body).0.port() + 1);
    let asked = rtcp(9, &pli(7));
    let sent = world
        .pass("10.0.0.40:6001".parse().unwrap(), port, &asked)
        .unwrap();
    assert_eq!(
        sent.bytes,
        pli(7),
        "the request, and not how the subscriber hears"
    );
}

#[test]
fn query_tells_who_listens_to_whom_and_what_was_said_of_a_party() {
    let (mut call, _) = overheard("a");
    let mut offer = plain_offer("c", "a", PHONE);
    offer.to_tag = Some("b".into());
    offer.other.push("metadata", "shop:42");
    call.world.sdp(&offer);
    let told = call.world.command(&request(Command::Query, "c"));
    let party = |tag: &str| {
        let tags = told.other.get("tags").and_then(Value::as_dictionary);
        tags.unwrap()
            .get(tag)
            .and_then(Value::as_dictionary)
            .unwrap()
    };
    let list = |tag: &str, key: &str| -> Vec<String> {
        let list = party(tag).get(key).and_then(Value::as_list).unwrap();
        let text = |entry: &Value, key| {
            let entry = entry.as_dictionary().unwrap();
            entry.get(key).and_then(Value::as_str).unwrap().to_owned()
        };
        let told = list
            .iter()
            .map(|entry| text(entry, "tag") + " " + &text(entry, "type"));
        told.collect()
    };
    assert_eq!(list("a", "subscribers"), ["b offer/answer", "l pub/sub"]);
    assert_eq!(list("a", "subscriptions"), ["b offer/answer"]);
    assert_eq!(list("b", "subscribers"), ["a offer/answer"]);
    assert_eq!(list("l", "subscriptions"), ["a pub/sub"]);
    assert_eq!(list("l", "subscribers"), [""; 0]);
    let said = party("a").get("metadata").and_then(Value::as_str);
    assert_eq!(said, Some("shop:42"));
    assert!(party("b").get("metadata").is_none());
}

#[test]
fn a_publisher_is_answered_with_one_codec_and_heard_by_who_subscribes() {
    let mut world = World::new();
    let mut publish = request(Command::Publish, "c");
    publish.from_tag = Some("a".into());
    publish.sdp = Some(format!("{PHONE}a=sendonly\r\n").into_bytes());
    let body = world.sdp(&publish);
    assert_eq!(lines(&body, "a=recvonly").len(), 1);
    assert!(lines(&body, "m=")[0].ends_with(" RTP/AVP 0"), "{body}");
    assert_eq!(world.sdp(&publish), body, "the same again");
    let port = addresses(&body).0;
    world.sdp(&subscribe("a"));
    assert!(
        world
            .command(&accept(&LISTENING.replace("0 8 101", "0")))
            .is_ok()
    );
    let packet = rtp(1, 7, b"speech");
    world.send(phone(), port, &packet);
    assert_eq!(heard(&mut world), [packet]);
    world.advance(Duration::from_secs(61));
    world.send(phone(), port, &rtp(2, 7, b"speech"));
    world.command(&request(Command::Delete, "c"));
    assert_eq!((world.shard.calls(), world.sockets.open.len()), (0, 0));
}

#[test]
fn requests_that_name_nothing_are_refused_in_the_words_that_scripts_know() {
    let mut call = Phones::call();
    let mut reason = |request: &Request| {
        let response = call.world.command(request);
        response.error_reason().unwrap_or_default().to_owned()
    };
    let mut nobody = subscribe("a");
    nobody.from_tag = None;
    assert_eq!(reason(&nobody), "No participant party specified");
    assert_eq!(
        reason(&subscribe("x")),
        "From-tag given, but no such tag exists"
    );
    let mut a_party = subscribe("a");
    a_party.to_tag = Some("b".into());
    assert_eq!(reason(&a_party), "Invalid dialogue association");
    assert_eq!(reason(&accept(LISTENING)), "To-tag not found");
    let mut no_body = accept(LISTENING);
    no_body.sdp = None;
    assert_eq!(reason(&no_body), "No SDP body in message");
    let mut unknown = subscribe("a");
    unknown.call_id = Some("d".into());
    assert_eq!(reason(&unknown), "Unknown call-ID");
}
