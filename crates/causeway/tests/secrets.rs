//! What the log must never say, at its most talkative: keys, passwords, tokens, and lines that a peer made up. And what it
//! must: one name for a call at both programs.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod parts;

use std::net::UdpSocket;

use parts::house::{DOMAIN, Folder, House};
use parts::process::{PATIENCE, Process};
use parts::websocket::WebSocket;

const CONTROL_KEY: &str = "PLANTEDcontrolkey0123456789abcdefgh";
const SDES_KEY: &str = "PLANTEDPLANTEDPLANTEDPLANTEDPLANTEDPLANT";
const ICE_PASSWORD: &str = "PLANTEDicepasswordPLANTEDice";
const RESPONSE: &str = "5ec7e75ec7e75ec7e75ec7e75ec7e75e";
const TOKEN: &str = "PLANTEDbearertoken";

/// Who asks with credentials in his hand, and is refused.
async fn show_credentials(browsers: &str) {
    let mut flow = WebSocket::open(browsers).await;
    let digest = format!(
        "Digest username=\"mallory\", realm=\"{DOMAIN}\", nonce=\"n\", uri=\"sip:{DOMAIN}\", response=\"{RESPONSE}\""
    );
    for (number, credentials) in [digest, format!("Bearer {TOKEN}")].iter().enumerate() {
        let register = format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/WS m.invalid;branch=z9hG4bKm{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:mallory@{DOMAIN}>;tag=m\r\nTo: <sip:mallory@{DOMAIN}>\r\n\
             Call-ID: mallory{number}\r\nCSeq: 1 REGISTER\r\nContact: <sip:m@m.invalid;transport=ws>\r\n\
             Authorization: {credentials}\r\nContent-Length: 0\r\n\r\n"
        );
        flow.send(register.as_bytes()).await;
        assert!(flow.receive().await.is_some());
    }
    // And one that is no SIP at all.
    let broken = format!("REGISTER\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    flow.send(broken.as_bytes()).await;
}

/// Offers with keys in their bodies, and a call-id that would be a line of its own.
fn show_keys(control: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/SAVPF 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SDES_KEY}\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:{ICE_PASSWORD}\r\n\
         a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host\r\na=rtcp-mux\r\n"
    );
    let call = "evil\nFAKE line of a log \x1b[31m";
    let call = format!("7:call-id{}:{call}", call.len());
    let offer = |body: &str| {
        let body = format!("3:sdp{}:{body}", body.len());
        let flags = "5:flagsl14:new\nFAKE worlde";
        format!(
            "d{call}7:command5:offer{flags}8:from-tag1:a{body}18:transport-protocol9:RTP/SAVPFe"
        )
    };
    let delete = format!("d{call}7:command6:delete12:delete-delayi0ee");
    let commands = [offer(&body), offer("v=nonsense inline:PLANTEDkey"), delete];
    for (number, command) in commands.iter().enumerate() {
        let command = format!("{number} {command}");
        socket.send_to(command.as_bytes(), control).unwrap();
        socket.recv(&mut [0; 65_536]).unwrap();
    }
}

#[tokio::test]
async fn the_most_talkative_log_has_no_secret_in_it_and_one_name_for_a_call() {
    let house = House::start().await;
    let folder = Folder::new("secrets");
    folder.write("control.key", CONTROL_KEY);
    let everything = Some("trace");
    let listen = "[relay]\nlisten = \"udp:127.0.0.1:0\"\ncontrol_key = \"control.key\"\n";
    let file = folder.write("relay.toml", &house.edge(listen));
    let mut relay = Process::start_saying(everything, "relay", &file);
    let control = relay.says("commands: udp:").await;
    let named = format!("[relay]\ncontrol = [\"udp:{control}\"]\ncontrol_key = \"control.key\"\n");
    let file = folder.write("proxy.toml", &house.edge(&named));
    let mut proxy = Process::start_saying(everything, "proxy", &file);
    let browsers = proxy.says("browsers: ws://").await;
    let open = "[relay]\nlisten = \"udp:127.0.0.1:0\"\n";
    let file = folder.write("open.toml", &house.edge(open));
    let mut bare = Process::start_saying(everything, "relay", &file);
    let bare_control = bare.says("commands: udp:").await;

    let alice = house.alice(&browsers).await;
    house.assert_call_works(&alice).await;
    let call_id = proxy.says("call answered call_id=").await;
    let call_id = call_id.trim_matches('"').to_owned();
    show_credentials(&browsers).await;
    show_keys(&bare_control);
    drop(alice);

    let (proxy, relay, bare) = (proxy.log().await, relay.log().await, bare.log().await);
    assert!(
        !call_id.is_empty() && relay.contains(&call_id),
        "{call_id} is unknown to the relay"
    );
    // They do talk.
    assert!(
        proxy.contains("flow opened") && bare.contains("evil"),
        "{bare}"
    );
    for (name, log) in [("proxy", &proxy), ("relay", &relay), ("other relay", &bare)] {
        for secret in [
            CONTROL_KEY,
            RESPONSE,
            TOKEN,
            "PLANTED",
            "sesame",
            "inline:",
            "ice-pwd",
            "Authorization",
            "BEGIN",
        ] {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} in the log of the {name}");
        }
        let made_up = log.lines().find(|line| line.starts_with("FAKE"));
        assert_eq!(made_up, None, "a line that a peer made up");
        assert!(
            !log.contains('\x1b'),
            "a peer writes to the operator's terminal"
        );
    }
    // ICE passwords of both sides, as the library would write them.
    let line = relay.lines().find(|line| line.contains("pass:"));
    assert_eq!(line, None);
}
