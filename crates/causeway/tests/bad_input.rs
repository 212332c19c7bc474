//! Hostile bytes at every door of a running edge, while a call goes on that must notice nothing of it.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod parts;

use std::net::SocketAddr;
use std::time::Duration;

use demo::phone::Voice;
use demo::webphone::{Call, Webphone};
use parts::house::{DOMAIN, Folder, House};
use parts::process::Process;
use parts::websocket::WebSocket;
use testkit::Dice;
use tokio::net::UdpSocket;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const TONE: f32 = 440.0;
/// The most that a datagram over IPv4 carries.
const DATAGRAM: usize = 65_507;
/// So few that every one can be shot at.
const PORTS: std::ops::RangeInclusive<u16> = 38_400..=38_415;

/// An edge of two processes, and a call through it.
struct Scene {
    proxy: Process,
    relay: Process,
    control: SocketAddr,
    browsers: String,
    sip: SocketAddr,
    call: Call,
    _house: House,
    _alice: Webphone,
}

impl Scene {
    async fn start(test: &str) -> Self {
        let house = House::start().await;
        let folder = Folder::new(test);
        let ports = format!("ports = \"{}-{}\"\n", PORTS.start(), PORTS.end());
        let listen = format!("{ports}[relay]\nlisten = \"udp:127.0.0.1:0\"\n");
        let mut relay = Process::start("relay", &folder.write("relay.toml", &house.edge(&listen)));
        let control = relay.says("commands: udp:").await;
        let named = format!("[relay]\ncontrol = [\"udp:{control}\"]\n");
        let mut proxy = Process::start("proxy", &folder.write("proxy.toml", &house.edge(&named)));
        let browsers = proxy.says("browsers: ws://").await;
        let sip = proxy.says("from udp:").await.parse().unwrap();
        let alice = house.alice(&browsers).await;
        let uri = format!("sip:echo@{DOMAIN}");
        let call = alice.call(&uri, Voice::Tone(TONE)).await.unwrap();
        call.answered().await.unwrap();
        call.until_heard(60).await;
        let control = control.parse().unwrap();
        Self {
            proxy,
            relay,
            control,
            browsers,
            sip,
            call,
            _house: house,
            _alice: alice,
        }
    }

    /// The call went on all the time and goes on still, new calls are taken, both processes end as they should.
    async fn assert_unharmed(self) {
        let so_far = self.call.heard().packets;
        timeout(PATIENCE, self.call.until_heard(so_far + 60))
            .await
            .expect("the call is silent");
        let heard = self.call.heard();
        assert_eq!((heard.lost, heard.frequency), (0, Some(TONE)), "{heard:?}");
        // An echo cannot be more than what was said.
        assert!(heard.packets <= heard.sent, "{heard:?}");
        self.call.hang_up().unwrap();
        self.call.ended().await;
        self._house.assert_call_works(&self._alice).await;
        for process in [self.proxy, self.relay] {
            assert_eq!(process.terminate().await, Some(0));
        }
    }
}

#[tokio::test]
async fn junk_and_bombs_at_the_control_port_get_errors_and_disturb_no_call() {
    let scene = Scene::start("bad_ng").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(scene.control).await.unwrap();
    let bomb = |open: &str, length: usize| format!("n d7:command4:ping1:x{}", open.repeat(length));
    let mut dice = Dice::new(1);
    let mut hostile = vec![
        bomb("l", 60_000).into_bytes(),
        bomb("d1:x", 15_000).into_bytes(),
        format!("j {}", "[".repeat(60_000)).into_bytes(),
        format!("j {{\"command\":{}", "{\"x\":".repeat(10_000)).into_bytes(),
        b"c d7:command99999999999999999999:pinge".to_vec(),
        b"c d7:command4294967300:pinge".to_vec(),
        b"c d7:commandi18446744073709551616ee".to_vec(),
        b"c d7:command5:offer7:call-id1:\0e".to_vec(),
        b" d7:command4:pinge".to_vec(),
        b"nospace".to_vec(),
        Vec::new(),
        [vec![b'c'; 60_000], b" d7:command4:pinge".to_vec()].concat(),
        b"o d7:command5:offer7:call-id1:x8:from-tag1:y3:sdp4:v=0\ne".to_vec(),
        b"a d7:command6:answer7:call-id1:x8:from-tag1:y6:to-tag1:z3:sdp4:v=0\ne".to_vec(),
        b"d d7:command6:delete7:call-id7:unknown8:from-tag1:ye".to_vec(),
    ];
    hostile.extend((0..300).map(|round| {
        let junk = dice.bytes(if round % 10 == 0 { DATAGRAM - 2 } else { round });
        [b"r d".as_slice(), &junk]
            .concat()
            .into_iter()
            .take(DATAGRAM)
            .collect()
    }));
    for datagram in &hostile {
        socket.send(datagram).await.unwrap();
    }
    // Its own answer, after those to the others.
    let mut buffer = vec![0; DATAGRAM];
    for round in 0.. {
        assert!(round < 10, "no pong");
        socket.send(b"5_1 d7:command4:pinge").await.unwrap();
        let pong = async {
            while !socket
                .recv(&mut buffer)
                .await
                .is_ok_and(|length| buffer[..length] == *b"5_1 d6:result4:ponge")
            {}
        };
        if timeout(Duration::from_secs(2), pong).await.is_ok() {
            break;
        }
    }
    scene.assert_unharmed().await;
}

#[tokio::test]
async fn bad_messages_on_a_websocket_end_at_most_that_websocket() {
    let scene = Scene::start("bad_ws").await;
    let long = |length: usize| {
        request(
            "OPTIONS",
            &format!("Subject: {}\r\n", "x".repeat(length)),
            0,
        )
    };
    let answered: Vec<(Vec<u8>, &str)> = vec![
        (
            request(
                "INVITE",
                "Content-Type: application/sdp\r\n",
                (1 << 32) + 32,
            ),
            "SIP/2.0 400",
        ),
        (
            request("INVITE", "Content-Type: application/sdp\r\n", u64::MAX),
            "SIP/2.0 400",
        ),
        (request("OPTIONS", "Subject: a\rb\0c\r\n", 0), "SIP/2.0 "),
        (
            request("OPTIONS", "Subject: \u{fffd}\r\n", 0)
                .iter()
                .map(|&it| if it == 0xef { 0xff } else { it })
                .collect(),
            "SIP/2.0 ",
        ),
        (request("FROBNICATE", "", 0), "SIP/2.0 "),
        (long(60_000), "SIP/2.0 "),
    ];
    for (message, status) in answered {
        let mut socket = WebSocket::open(&scene.browsers).await;
        socket.send(&message).await;
        let shown = String::from_utf8_lossy(&message[..message.len().min(300)]).into_owned();
        let answer = socket
            .receive()
            .await
            .unwrap_or_else(|| panic!("closed at {shown}"));
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(status), "{shown}\ngot {answer}");
        assert_serves(&mut socket).await;
    }

    // Fewer at a time than what a flow is closed for.
    let mut dice = Dice::new(2);
    for _ in 0..30 {
        let mut socket = WebSocket::open(&scene.browsers).await;
        for round in 0..10 {
            let length = dice.below(1000) as usize;
            let mut junk = match round % 2 {
                0 => request("OPTIONS", "", 0),
                _ => dice.bytes(length),
            };
            for _ in 0..4 {
                let at = dice.below(junk.len() as u64) as usize;
                if let Some(octet) = junk.get_mut(at) {
                    *octet = dice.byte();
                }
            }
            socket.send(&junk).await;
        }
        assert_serves(&mut socket).await;
    }
    let mut socket = WebSocket::open(&scene.browsers).await;
    for _ in 0..20 {
        socket.send(b"this is no SIP").await;
    }
    assert_eq!(
        socket.receive().await,
        None,
        "whatever it is, it is no browser"
    );

    let too_large = [&[0x82, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    let reserved = [0xf2, 0x80, 0, 0, 0, 0];
    let unmasked = [0x82, 5, b'h', b'e', b'l', b'l', b'o'];
    for frame in [&too_large[..], &reserved, &unmasked] {
        let mut socket = WebSocket::open(&scene.browsers).await;
        socket.send_raw(frame).await;
        assert_eq!(socket.receive().await, None, "{frame:x?}");
    }
    let mut socket = WebSocket::open(&scene.browsers).await;
    socket.send(&long(65_536)).await;
    assert_eq!(socket.receive().await, None, "a message over 64 KiB");
    scene.assert_unharmed().await;
}

#[tokio::test]
async fn strangers_at_the_sip_and_media_ports_get_no_answer_and_are_heard_by_nobody() {
    let scene = Scene::start("strangers").await;
    let stranger = UdpSocket::bind("127.0.0.9:0").await.unwrap();
    let mut dice = Dice::new(3);
    let via = format!("SIP/2.0/UDP {};rport", stranger.local_addr().unwrap());
    for method in ["INVITE", "REGISTER", "OPTIONS", "BYE"] {
        let request = String::from_utf8(request(method, "", 0)).unwrap();
        let request = request.replace("SIP/2.0/WS x.invalid", &via);
        stranger
            .send_to(request.as_bytes(), scene.sip)
            .await
            .unwrap();
    }
    for round in 0..200 {
        stranger
            .send_to(&dice.bytes(round * 7), scene.sip)
            .await
            .unwrap();
    }
    let media = PORTS.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    for to in media {
        for datagram in forged(&mut dice) {
            // A port that nobody has open answers with an ICMP error, which is told at the next send.
            while stranger.send_to(&datagram, to).await.is_err() {}
        }
        // In bursts that sockets can hold: what is tested is judgement, not the kernel's buffers.
        scene.call.until_heard(scene.call.heard().packets + 2).await;
    }
    let so_far = scene.call.heard().packets;
    scene.call.until_heard(so_far + 25).await;
    let mut buffer = [0; 1500];
    if let Ok((length, from)) = stranger.try_recv_from(&mut buffer) {
        panic!("{from} answers a stranger: {:x?}", &buffer[..length]);
    }
    scene.assert_unharmed().await;
}

/// Junk of every kind that a media port tells apart (RFC 7983), and what looks like the real thing.
fn forged(dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = (0..60).map(|length| dice.bytes(length * 25)).collect();
    let firsts = [0, 1, 20, 22, 63, 64, 79, 128, 191, 192, 255];
    out.extend(firsts.map(|first| [&[first][..], &dice.bytes(171)].concat()));
    let binding = [
        &[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42][..],
        &dice.bytes(12),
        &[0, 6, 0, 4],
        b"ab:c",
    ]
    .concat();
    let hello = [
        &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1][..],
        &dice.bytes(59),
    ]
    .concat();
    // G.711 of one source, as a phone would send it: enough to be noticed if it got through.
    out.extend((0..50_u8).map(|number| {
        let header = [0x80, 0, 0, number, 0, 0, number, 0, 9, 9, 9, 9];
        [&header[..], &dice.bytes(160)].concat()
    }));
    let report = [&[0x80, 200, 0, 6][..], &dice.bytes(24)].concat();
    let goodbye = [&[0x81, 203, 0, 1][..], &dice.bytes(4)].concat();
    out.extend([binding, hello, report, goodbye]);
    out
}

/// A request from a browser that claims a body of this length.
fn request(method: &str, more: &str, length: u64) -> Vec<u8> {
    format!(
        "{method} sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK{method}{length}{}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:mallory@{DOMAIN}>;tag=1\r\nTo: <sip:{DOMAIN}>\r\n\
         Call-ID: {method}{length}\r\nCSeq: 1 {method}\r\nContact: <sip:m@x.invalid;transport=ws>\r\n\
         {more}Content-Length: {length}\r\n\r\n",
        more.len()
    )
    .into_bytes()
}

/// The flow still answers a good request.
async fn assert_serves(socket: &mut WebSocket) {
    let good = request("OPTIONS", "Subject: still there?\r\n", 0);
    socket.send(&good).await;
    loop {
        let answer = socket.receive().await.expect("closed");
        let answer = String::from_utf8_lossy(&answer);
        if answer.starts_with("SIP/2.0 200") && answer.contains("branch=z9hG4bKOPTIONS023\r\n") {
            return;
        }
    }
}
