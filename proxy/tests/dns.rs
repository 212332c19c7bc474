//! A SIP server and relays by name: found by DNS, followed when they move, and kept when DNS fails. The name server is a few
//! lines on loopback, the SIP servers and relays are sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop on the first surprise

#[allow(dead_code)] // what only the tests of streams need
mod parts;

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use causeway_proxy::core::{Callers, Hop, Transport};
use causeway_proxy::server::{Listed, ListedPlace, TlsUpstream};
use control_proto::{Command, Envelope, Response};
use hickory_resolver::proto::op::{Message as DnsMessage, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use parts::{Browser, Certificate, Edge, local, ok, register};
use sip::{Message, Method, ResponseBuilder};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the name server knows, and what it was asked.
#[derive(Default)]
struct Zone {
    records: Vec<Record>,
    fails: bool,
    asked: Vec<String>,
}

/// A name server.
struct Dns {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    /// One for each question.
    questions: mpsc::UnboundedReceiver<()>,
}

impl Dns {
    async fn start(records: Vec<Record>) -> Self {
        let socket = UdpSocket::bind(local()).await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone {
            records,
            ..Zone::default()
        }));
        let (sender, questions) = mpsc::unbounded_channel();
        tokio::spawn(serve(socket, zone.clone(), sender));
        Self {
            address,
            zone,
            questions,
        }
    }

    fn says(&self, records: Vec<Record>) {
        self.zone.lock().unwrap().records = records;
    }

    fn fails(&self, fails: bool) {
        self.zone.lock().unwrap().fails = fails;
    }

    fn asked(&self) -> Vec<String> {
        self.zone.lock().unwrap().asked.clone()
    }

    /// Waits for this many questions more than those that were asked until now.
    async fn is_asked(&mut self, times: usize) {
        while self.questions.try_recv().is_ok() {}
        for _ in 0..times {
            let question = timeout(PATIENCE, self.questions.recv()).await;
            question.expect("nobody asks").unwrap();
        }
    }
}

async fn serve(socket: UdpSocket, zone: Arc<Mutex<Zone>>, questions: mpsc::UnboundedSender<()>) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let answer = answer(&buffer[..length], &zone);
        _ = questions.send(());
        _ = socket.send_to(&answer, from).await;
    }
}

fn answer(question: &[u8], zone: &Mutex<Zone>) -> Vec<u8> {
    let question = DnsMessage::from_vec(question).unwrap();
    let query = question.queries.first().unwrap().clone();
    let mut zone = zone.lock().unwrap();
    zone.asked.push(query.name().to_utf8());
    let is_asked = |record: &&Record| {
        record.name == *query.name() && record.data.record_type() == query.query_type()
    };
    let found: Vec<Record> = zone.records.iter().filter(is_asked).cloned().collect();
    let (id, op_code) = (question.metadata.id, question.metadata.op_code);
    let mut answer = match zone.fails {
        true => DnsMessage::error_msg(id, op_code, ResponseCode::ServFail),
        false => DnsMessage::response(id, op_code),
    };
    answer.add_query(query);
    if !zone.fails {
        answer.add_answers(found);
    }
    answer.to_vec().unwrap()
}

/// A record that holds for a second.
fn record(name: &str, data: RData) -> Record {
    Record::from_rdata(Name::from_str(name).unwrap(), 1, data)
}

fn naptr(services: &str, order: u16, replacement: &str) -> Record {
    let octets = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    let replacement = Name::from_str(replacement).unwrap();
    let flags = octets("s");
    let data = NAPTR::new(order, 50, flags, octets(services), octets(""), replacement);
    record("sip.test.", RData::NAPTR(data))
}

fn srv(priority: u16, weight: u16, server: &SipServer, host: &str) -> Record {
    let target = Name::from_str(host).unwrap();
    let port = server.address.port();
    let data = SRV::new(priority, weight, port, target);
    record("_sip._udp.sip.test.", RData::SRV(data))
}

fn loopback(host: &str) -> Record {
    record(host, RData::A(A(Ipv4Addr::LOCALHOST)))
}

/// NAPTR, SRV and A that lead to this server.
fn leading_to(server: &SipServer) -> Vec<Record> {
    vec![
        naptr("SIP+D2T", 10, "_sip._tcp.sip.test."),
        naptr("SIP+D2U", 20, "_sip._udp.sip.test."),
        srv(0, 0, server, "a.sip.test."),
        loopback("a.sip.test."),
    ]
}

/// A SIP server on a socket; what it is asked comes out of `requests`, answered already unless it is dead.
struct SipServer {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Message>,
}

impl SipServer {
    async fn start(lives: bool) -> Self {
        let socket = UdpSocket::bind(local()).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut buffer = [0; 65_535];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let request = Message::parse(buffer[..length].to_vec()).unwrap();
                if lives {
                    _ = socket.send_to(&yes(&request), from).await;
                }
                _ = sender.send(request);
            }
        });
        Self { address, requests }
    }

    /// The next request that is no question whether it lives.
    async fn next(&mut self) -> Message {
        loop {
            let next = timeout(PATIENCE, self.requests.recv()).await;
            let request = next.expect("no request").unwrap();
            if !request.is(&Method::Options) {
                return request;
            }
        }
    }

    /// Whether it has been asked for anything, not counting whether it lives.
    fn was_used(&mut self) -> bool {
        std::iter::from_fn(|| self.requests.try_recv().ok())
            .any(|request| !request.is(&Method::Options))
    }
}

fn yes(request: &Message) -> Vec<u8> {
    match request.is(&Method::Register) {
        true => ok(request),
        false => ResponseBuilder::new(request, 200, "OK")
            .to_tag("t")
            .build()
            .unwrap()
            .into_bytes(),
    }
}

/// An edge whose SIP server is `sip.test`.
async fn edge(dns: &Dns) -> Edge {
    let anything = Hop {
        transport: Transport::Udp,
        address: local(),
    };
    let (server, place) = (dns.address, named("sip.test"));
    Edge::start(anything, move |config| {
        config.upstreams = vec![Listed {
            place,
            priority: 0,
            weight: 1,
        }];
        config.dns = vec![server];
    })
    .await
}

fn named(host: &str) -> ListedPlace {
    ListedPlace::Name {
        host: host.into(),
        transport: None,
        port: None,
    }
}

/// Registers again and again until the edge knows a SIP server that answers; the last number used.
async fn registers(browser: &mut Browser, mut number: u32) -> u32 {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        number += 1;
        browser.send(register(number)).await;
        if browser.receive().await.status() == Some(200) {
            return number;
        }
        assert!(tokio::time::Instant::now() < deadline, "never registered");
    }
}

#[tokio::test]
async fn a_name_is_followed_to_where_it_leads_and_again_when_its_time_is_up() {
    let mut first = SipServer::start(true).await;
    let mut second = SipServer::start(true).await;
    let dns = Dns::start(leading_to(&first)).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let mut number = registers(&mut browser, 0).await;
    assert!(first.next().await.is(&Method::Register));
    assert!(!second.was_used());
    dns.says(leading_to(&second));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !second.was_used() {
        assert!(tokio::time::Instant::now() < deadline, "never followed");
        number = registers(&mut browser, number).await;
    }
}

#[tokio::test]
async fn what_dns_said_last_holds_when_it_fails() {
    let server = SipServer::start(true).await;
    let mut dns = Dns::start(leading_to(&server)).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let number = registers(&mut browser, 0).await;
    dns.fails(true);
    // Its time was up, and there was no answer, more than once.
    dns.is_asked(6).await;
    browser.send(register(number + 1)).await;
    assert_eq!(browser.receive().await.status(), Some(200));
}

#[tokio::test]
async fn an_edge_that_starts_before_dns_serves_when_dns_is_there() {
    let server = SipServer::start(true).await;
    let mut dns = Dns::start(leading_to(&server)).await;
    dns.fails(true);
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    browser.send(register(1)).await;
    assert_eq!(browser.receive().await.status(), Some(503));
    dns.is_asked(6).await;
    dns.fails(false);
    registers(&mut browser, 1).await;
}

#[tokio::test]
async fn without_naptr_and_srv_the_name_itself_is_looked_up() {
    let server = SipServer::start(true).await;
    let dns = Dns::start(vec![loopback("sip.test.")]).await;
    let port = Some(server.address.port());
    let place = ListedPlace::Name {
        host: "sip.test".into(),
        transport: Some(Transport::Udp),
        port,
    };
    let name_server = dns.address;
    let edge = Edge::start(Hop::udp(local()), move |config| {
        config.upstreams = vec![Listed {
            place,
            priority: 0,
            weight: 1,
        }];
        config.dns = vec![name_server];
    })
    .await;
    registers(&mut edge.browser().await, 0).await;
    let asked = dns.asked();
    assert!(asked.iter().all(|name| name == "sip.test."), "{asked:?}");
}

#[tokio::test]
async fn a_register_that_a_dead_first_server_does_not_answer_gets_one_answer_from_the_second() {
    let dead = SipServer::start(false).await;
    let mut second = SipServer::start(true).await;
    let records = vec![
        naptr("SIP+D2U", 10, "_sip._udp.sip.test."),
        srv(0, 1, &dead, "a.sip.test."),
        srv(1, 1, &second, "b.sip.test."),
        loopback("a.sip.test."),
        loopback("b.sip.test."),
    ];
    let dns = Dns::start(records).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let number = registers(&mut browser, 0).await;
    assert!(second.next().await.is(&Method::Register));
    // Now it is known to be down.
    browser.send(register(number + 1)).await;
    assert_eq!(browser.receive().await.status(), Some(200));
    second.next().await;
}

#[tokio::test]
async fn the_priority_of_srv_records_comes_before_their_weight() {
    let mut first = SipServer::start(true).await;
    let mut second = SipServer::start(true).await;
    let records = vec![
        srv(1, u16::MAX, &second, "a.sip.test."),
        srv(0, 1, &first, "a.sip.test."),
        loopback("a.sip.test."),
    ];
    let dns = Dns::start(records).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let number = registers(&mut browser, 0).await;
    for user in 1..=8 {
        let request = register(number + user).replace("alice", &format!("user{user}"));
        browser.send(request).await;
        assert_eq!(browser.receive().await.status(), Some(200));
    }
    assert!(first.was_used());
    assert!(!second.was_used());
}

/// RFC 5922: DNS can be forged, so that the name that counts is the one that the operator has written.
#[tokio::test]
async fn the_certificate_of_a_server_found_by_dns_is_for_the_configured_name_and_not_for_where_dns_led()
 {
    for (named_for, trusted) in [("sip.test", true), ("host.evil.test", false)] {
        let certificate = Certificate::of(named_for);
        let mut server = parts::SipServer::start(Some(certificate.server()));
        let target = Name::from_str("host.evil.test.").unwrap();
        let srv = SRV::new(0, 0, server.address.port(), target);
        let records = vec![
            record("_sips._tcp.sip.test.", RData::SRV(srv)),
            loopback("host.evil.test."),
        ];
        let dns = Dns::start(records).await;
        let anything = Hop {
            transport: Transport::Tls,
            address: local(),
        };
        let name_server = dns.address;
        let edge = Edge::start(anything, |config| {
            let place = ListedPlace::Name {
                host: "sip.test".into(),
                transport: Some(Transport::Tls),
                port: None,
            };
            config.upstreams = vec![Listed {
                place,
                priority: 0,
                weight: 1,
            }];
            config.dns = vec![name_server];
            config.tls.push((local(), certificate.server()));
            config.tls_upstream = Some(TlsUpstream {
                config: certificate.client(),
                names: HashMap::new(),
            });
        })
        .await;
        let mut browser = edge.browser().await;
        if trusted {
            tokio::spawn(async move {
                let mut talk = server.next().await;
                while let Some(request) = talk.receive().await {
                    talk.send(yes(&request)).await;
                }
            });
            registers(&mut browser, 0).await;
            continue;
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut number = 0;
        // Until DNS has answered there is nowhere to go; then there is, and nobody to be trusted.
        loop {
            number += 1;
            browser.send(register(number)).await;
            let refused = browser.receive().await;
            assert_eq!(refused.status(), Some(503));
            if refused.reason().unwrap().contains("Cannot Be Reached") {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "DNS never answered");
        }
        assert!(server.is_left_alone(), "no SIP is spoken to it");
    }
}

#[tokio::test]
async fn no_name_that_comes_in_a_message_is_looked_up() {
    let server = SipServer::start(true).await;
    let dns = Dns::start(leading_to(&server)).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let number = registers(&mut browser, 0).await;
    let strange = register(number + 1)
        .replace("a.invalid", "via.evil.test")
        .replace("REGISTER", "MESSAGE")
        .replace("sip:example.com", "sip:bob@uri.evil.test")
        .replace("Expires", "Route: <sip:route.evil.test;lr>\r\nExpires");
    browser.send(strange).await;
    assert_eq!(browser.receive().await.status(), Some(200));
    registers(&mut browser, number + 1).await;
    let asked = dns.asked();
    assert!(
        asked.iter().all(|name| name.ends_with("sip.test.")),
        "{asked:?}"
    );
}

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
