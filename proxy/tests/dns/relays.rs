//! Relays by name, and beside one another.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use causeway_proxy::core::{Callers, Hop, Transport};
use causeway_proxy::server::{Listed, ListedPlace};
use control_proto::{Command, Envelope, Response};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::name_server::{Dns, loopback, record};
use super::parts::{Browser, Edge};
use super::{PATIENCE, SipServer};

/// A relay that answers pings, and every offer with the same body; what it is asked for comes out of `asked`.
struct Relay {
    address: SocketAddr,
    asked: mpsc::UnboundedReceiver<Command>,
    lives: Arc<AtomicBool>,
}

impl Relay {
    async fn start(at: Ipv4Addr, port: u16) -> Self {
        let socket = UdpSocket::bind((at, port)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (sender, asked) = mpsc::unbounded_channel();
        let lives = Arc::new(AtomicBool::new(true));
        let living = lives.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 65_535];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let envelope = Envelope::open(&buffer[..length]).unwrap();
                let command = envelope.request().unwrap().command;
                let reply = match command {
                    Command::Ping => Response::pong(),
                    _ => Response::ok().with_sdp(SDP),
                };
                if living.load(Ordering::Relaxed) {
                    let reply = reply.encode(envelope.cookie, envelope.format);
                    _ = socket.send_to(&reply, from).await;
                }
                _ = sender.send(command);
            }
        });
        Self {
            address,
            asked,
            lives,
        }
    }

    fn dies(&self) {
        self.lives.store(false, Ordering::Relaxed);
    }

    /// Waits until it is asked this.
    async fn is_asked(&mut self, command: Command) {
        while timeout(PATIENCE, self.asked.recv())
            .await
            .expect("nobody asks")
            != Some(command)
        {}
    }

    /// How many calls it was offered.
    fn offers(&mut self) -> usize {
        let asked = std::iter::from_fn(|| self.asked.try_recv().ok());
        asked.filter(|asked| *asked == Command::Offer).count()
    }
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\na=setup:actpass\r\n";

fn ng(weight: u16, relay: &Relay, host: &str) -> Record {
    let target = Name::from_str(host).unwrap();
    let data = SRV::new(0, weight, relay.address.port(), target);
    record("_ng._udp.relays.test.", RData::SRV(data))
}

/// An edge with these relays, and a SIP server that takes whatever comes.
async fn edge_with_relays(dns: &Dns, server: &SipServer, relays: Vec<Listed>) -> Edge {
    let server = Hop::udp(server.address);
    let names = dns.address;
    Edge::start(server, move |config| {
        config.relays = relays;
        config.dns = vec![names];
        config.core.policy.callers = Callers::Anyone;
        let limits = &mut config.core.limits;
        (limits.ringing_per_flow, limits.ringing_per_account) = (usize::MAX, usize::MAX);
        (limits.calls_per_account, limits.messages_per_flow) = (u32::MAX, u32::MAX);
        limits.pending_per_flow = usize::MAX;
    })
    .await
}

fn by_name(port: Option<u16>) -> Listed {
    Listed {
        place: ListedPlace::Name {
            host: "relays.test".into(),
            transport: Some(Transport::Udp),
            port,
        },
        priority: 0,
        weight: 1,
    }
}

fn invite(number: u32) -> String {
    format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK{number}i\r\n\
         Max-Forwards: 69\r\nTo: <sip:bob@example.com>\r\nFrom: <sip:alice@example.com>;tag={number}\r\n\
         Call-ID: call{number}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@a.invalid;transport=ws>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

/// So many calls, each as far as the SIP server.
async fn calls(browser: &mut Browser, server: &mut SipServer, numbers: std::ops::Range<u32>) {
    for number in numbers {
        browser.send(invite(number)).await;
        let call = format!("call{number}");
        while server.next().await.call_id() != Some(&call) {}
    }
}

#[tokio::test]
async fn relays_behind_a_name_come_and_go_with_it_and_share_calls_by_the_weights_of_srv() {
    let mut server = SipServer::start(false).await;
    let any = Ipv4Addr::LOCALHOST;
    let (mut one, mut two) = (Relay::start(any, 0).await, Relay::start(any, 0).await);
    let mut three = Relay::start(any, 0).await;
    let at = loopback("r.test.");
    let records = vec![ng(30, &one, "r.test."), ng(10, &two, "r.test."), at.clone()];
    let dns = Dns::start(records).await;
    let edge = edge_with_relays(&dns, &server, vec![by_name(None)]).await;
    one.is_asked(Command::Ping).await;
    two.is_asked(Command::Ping).await;
    let mut browser = edge.browser().await;
    calls(&mut browser, &mut server, 0..80).await;
    let (at_one, at_two) = (one.offers(), two.offers());
    assert_eq!(at_one + at_two, 80);
    assert!((45..75).contains(&at_one), "{at_one} of 80, and 60 are due");

    // One leaves and another comes: who left gets no new call, and is still asked whether it lives.
    dns.says(vec![ng(10, &two, "r.test."), ng(10, &three, "r.test."), at]);
    three.is_asked(Command::Ping).await;
    calls(&mut browser, &mut server, 80..120).await;
    assert_eq!(one.offers(), 0);
    assert!(two.offers() > 0 && three.offers() > 0);
    one.is_asked(Command::Ping).await;

    // What DNS said last holds while it fails.
    dns.fails(true);
    calls(&mut browser, &mut server, 120..140).await;
    assert_eq!(two.offers() + three.offers(), 20);
}

#[tokio::test]
async fn each_address_of_a_name_is_a_relay_where_the_port_is_written() {
    let mut server = SipServer::start(false).await;
    let hosts = [1, 2, 3].map(|last| Ipv4Addr::new(127, 0, 77, last));
    let mut relays = vec![Relay::start(hosts[0], 0).await];
    let port = relays[0].address.port();
    for host in &hosts[1..] {
        relays.push(Relay::start(*host, port).await);
    }
    let a = |host: &Ipv4Addr| record("relays.test.", RData::A(A(*host)));
    let dns = Dns::start(hosts.iter().map(a).collect()).await;
    let edge = edge_with_relays(&dns, &server, vec![by_name(Some(port))]).await;
    for relay in &mut relays {
        relay.is_asked(Command::Ping).await;
    }
    let mut browser = edge.browser().await;
    calls(&mut browser, &mut server, 0..60).await;
    for relay in &mut relays {
        let offers = relay.offers();
        assert!((8..34).contains(&offers), "{offers} of 60");
    }
}

#[tokio::test]
async fn a_relay_that_is_silent_keeps_no_question_to_another_waiting() {
    let mut server = SipServer::start(false).await;
    let any = Ipv4Addr::LOCALHOST;
    let (mut quick, mut mute) = (Relay::start(any, 0).await, Relay::start(any, 0).await);
    let listed = [&quick, &mute].map(|relay| Hop::udp(relay.address).into());
    let dns = Dns::start(Vec::new()).await;
    let edge = edge_with_relays(&dns, &server, listed.to_vec()).await;
    quick.is_asked(Command::Ping).await;
    mute.is_asked(Command::Ping).await;
    let mut browser = edge.browser().await;
    // From now on one relay says nothing, and is asked for its share of two hundred calls.
    mute.dies();
    for number in 0..200 {
        browser.send(invite(number)).await;
    }
    let mut came = HashSet::new();
    while came.len() < 200 {
        came.extend(server.next().await.call_id().map(str::to_owned));
    }
    assert!(mute.offers() > 20);
    assert!(
        quick.offers() >= 200,
        "its own, and those that it took over"
    );
}
