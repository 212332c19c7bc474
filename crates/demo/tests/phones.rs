//! Phones and the registrar on loopback: real SIP, real RTP.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests may stop on what is not as it should be"
)]

use std::net::SocketAddr;
use std::time::Duration;

use causeway_demo::phone::{Answer, Call, Config, End, Error, Heard, Line, Phone, State, Voice};
use causeway_demo::registrar::{self, Server};
use tokio::time::{sleep, timeout};

const LOOPBACK: &str = "127.0.0.1:0";

fn any() -> SocketAddr {
    LOOPBACK.parse().unwrap()
}

/// A server, `alice` registered there, and a phone `desk` at a fixed address with these lines.
async fn house(lines: Vec<Line>, change: impl Fn(&mut Config)) -> (Server, Phone, Phone) {
    let mut config = Config::new("desk", "demo.example", any());
    config.lines = lines;
    config.strict = true;
    let desk = Phone::start(config).await.unwrap();
    let phones = ["desk", "echo", "music", "busy", "never", "early"];
    let phones = phones.map(|name| (name.to_owned(), desk.address()));
    let config = registrar::Config {
        domain: "demo.example".to_owned(),
        users: [("alice".to_owned(), "open sesame".to_owned())].into(),
        phones: phones.into(),
    };
    let server = Server::start(config, any()).await.unwrap();
    let mut config = Config::new("alice", "demo.example", any());
    config.password = Some("open sesame".to_owned());
    config.server = Some(server.address());
    config.strict = true;
    change(&mut config);
    let alice = Phone::start(config).await.unwrap();
    alice.register().await.unwrap();
    (server, desk, alice)
}

/// Waits until what is heard is as wanted.
async fn heard(call: &Call, wanted: impl Fn(&Heard) -> bool) -> Heard {
    let waited = timeout(Duration::from_secs(10), async {
        loop {
            let heard = call.heard();
            if wanted(&heard) {
                return heard;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("{:?}", call.heard()))
}

fn hears(pitch: f32) -> impl Fn(&Heard) -> bool {
    move |heard| heard.energy > 5000.0 && heard.frequency == Some(pitch)
}

#[tokio::test]
async fn alice_registers_calls_echo_and_hears_herself() {
    let line = Line::new("echo", Voice::Echo);
    let (_server, desk, alice) = house(vec![line], |_| {}).await;
    let call = alice
        .call("sip:echo@demo.example", Voice::Tone(440.0))
        .await
        .unwrap();
    call.answered().await.unwrap();
    let there = desk.incoming().await.unwrap();
    assert_eq!(there.caller(), "sip:alice@demo.example");

    let heard_back = heard(&call, hears(440.0)).await;
    assert_eq!(heard_back.lost, 0);
    // Reports come on the port above, and tell of what we sent.
    heard(&call, |heard| {
        heard.sender_reports > 0 && heard.report_blocks > 0
    })
    .await;

    call.hang_up().unwrap();
    assert_eq!(call.ended().await, End::Here);
    assert_eq!(there.ended().await, End::There);
    assert_eq!((alice.violations(), desk.violations()), (0, 0));
}

#[tokio::test]
async fn music_is_heard_and_the_line_hangs_up_by_itself() {
    let mut line = Line::new("music", Voice::Music);
    line.hang_up_after = Some(Duration::from_secs(2));
    let (_server, _desk, alice) = house(vec![line], |_| {}).await;
    let call = alice
        .call("sip:music@demo.example", Voice::Silent)
        .await
        .unwrap();
    call.answered().await.unwrap();
    heard(&call, |heard| heard.energy > 5000.0 && heard.packets > 40).await;
    assert_eq!(call.ended().await, End::There);
}

#[tokio::test]
async fn busy_is_busy_and_an_unanswered_call_can_be_cancelled() {
    let mut busy = Line::new("busy", Voice::Silent);
    busy.answer = Answer::Refuse(486);
    let mut never = Line::new("never", Voice::Silent);
    never.answer = Answer::Never;
    let (_server, desk, alice) = house(vec![busy, never], |_| {}).await;

    let call = alice
        .call("sip:busy@demo.example", Voice::Silent)
        .await
        .unwrap();
    assert_eq!(call.answered().await, Err(Error::Refused(486)));
    desk.incoming().await.unwrap();

    let call = alice
        .call("sip:never@demo.example", Voice::Silent)
        .await
        .unwrap();
    call.until(|state| state == State::Ringing).await;
    let there = desk.incoming().await.unwrap();
    call.hang_up().unwrap();
    assert_eq!(call.ended().await, End::Here);
    assert_eq!(there.ended().await, End::There);

    let call = alice
        .call("sip:bob@demo.example", Voice::Silent)
        .await
        .unwrap();
    assert_eq!(call.answered().await, Err(Error::Refused(404)));
}

#[tokio::test]
async fn early_media_is_heard_before_the_answer() {
    let mut line = Line::new("early", Voice::Tone(620.0));
    line.answer = Answer::EarlyMedia;
    line.ring = Duration::from_secs(3);
    let (_server, _desk, alice) = house(vec![line], |_| {}).await;
    let call = alice
        .call("sip:early@demo.example", Voice::Silent)
        .await
        .unwrap();
    assert_eq!(
        call.until(|state| state == State::Early).await,
        State::Early
    );
    heard(&call, hears(620.0)).await;
    assert_eq!(call.state(), State::Early);
    call.answered().await.unwrap();
}

#[tokio::test]
async fn a_held_call_falls_silent_and_comes_back() {
    let line = Line::new("desk", Voice::Tone(500.0));
    let (_server, desk, alice) = house(vec![line], |_| {}).await;
    let call = alice
        .call("sip:desk@demo.example", Voice::Tone(800.0))
        .await
        .unwrap();
    call.answered().await.unwrap();
    let there = desk.incoming().await.unwrap();
    heard(&call, hears(500.0)).await;
    heard(&there, hears(800.0)).await;

    call.hold(true).unwrap();
    // Silence is the one thing that no event tells of: twenty packets' time without a packet.
    let silent = async {
        loop {
            let before = call.heard().packets;
            sleep(Duration::from_millis(400)).await;
            if call.heard().packets == before {
                return before;
            }
        }
    };
    let held = timeout(Duration::from_secs(5), silent).await.unwrap();
    call.hold(false).unwrap();
    heard(&call, |heard| heard.packets > held + 20).await;
}

#[tokio::test]
async fn digits_arrive_once_each_in_order() {
    let line = Line::new("desk", Voice::Silent);
    let (_server, desk, alice) = house(vec![line], |_| {}).await;
    let call = alice
        .call("sip:desk@demo.example", Voice::Tone(440.0))
        .await
        .unwrap();
    call.answered().await.unwrap();
    let there = desk.incoming().await.unwrap();
    call.digits("1123#*0").unwrap();
    heard(&there, |heard| heard.digits == "1123#*0").await;
    // Sound goes on after them.
    let packets = there.heard().packets;
    heard(&there, |heard| heard.packets > packets + 10).await;
    assert_eq!(there.heard().digits, "1123#*0");
}

#[tokio::test]
async fn a_call_without_an_offer_gets_one_in_the_answer() {
    let line = Line::new("echo", Voice::Echo);
    let (_server, _desk, alice) = house(vec![line], |config| config.late_offer = true).await;
    let call = alice
        .call("sip:echo@demo.example", Voice::Tone(300.0))
        .await
        .unwrap();
    call.answered().await.unwrap();
    heard(&call, hears(300.0)).await;
}

#[tokio::test]
async fn registered_phones_call_each_other_and_wrong_passwords_do_not() {
    let (server, desk, alice) = house(vec![], |config| {
        config.lines = vec![Line::new("", Voice::Tone(700.0))];
    })
    .await;
    drop(desk);
    let mut config = Config::new("alice", "demo.example", any());
    config.server = Some(server.address());
    config.password = Some("sesame".to_owned());
    let thief = Phone::start(config.clone()).await.unwrap();
    assert_eq!(thief.register().await, Err(Error::Refused(401)));

    config.password = Some("open sesame".to_owned());
    let other = Phone::start(config).await.unwrap();
    let call = other
        .call("sip:alice@demo.example", Voice::Silent)
        .await
        .unwrap();
    call.answered().await.unwrap();
    heard(&call, hears(700.0)).await;
    let there = alice.incoming().await.unwrap();
    there.hang_up().unwrap();
    assert_eq!(call.ended().await, End::There);
}

#[tokio::test]
async fn a_strict_phone_refuses_what_only_browsers_say() {
    let desk = Phone::start(Config {
        strict: true,
        ..Config::new("echo", "demo.example", any())
    })
    .await
    .unwrap();
    let socket = tokio::net::UdpSocket::bind(any()).await.unwrap();
    let us = socket.local_addr().unwrap();
    let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                m=audio 4000 RTP/AVP 0\r\na=ice-ufrag:abcd\r\n";
    let invite = format!(
        "INVITE sip:echo@{0} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK1\r\n\
         From: <sip:x@{us}>;tag=1\r\nTo: <sip:echo@{0}>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:x@{us}>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n\
         Content-Length: {1}\r\n\r\n{body}",
        desk.address(),
        body.len()
    );
    socket
        .send_to(invite.as_bytes(), desk.address())
        .await
        .unwrap();
    let mut buffer = [0; 4096];
    let mut answers = String::new();
    while !answers.contains("SIP/2.0 488") {
        let received = timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await;
        let len = received.unwrap().unwrap();
        answers += &String::from_utf8_lossy(&buffer[..len]);
    }
    assert_eq!(desk.violations(), 1);
}
