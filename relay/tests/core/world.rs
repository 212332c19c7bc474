//! A shard with sockets that are entries of a table, and a clock that moves when told to.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use causeway_relay::core::{
    Advertise, Anchor, Bind, Config, Event, EventKind, HEADROOM, Handshakes, Identity, Interface,
    Output, Ports, Record, Shard, SocketId,
};
use control_proto::{
    Command, Dictionary, Dtls, Ice, Request, Response, TransportProtocol, Value, flag,
};
use testkit::Dice;

use crate::beside::Beside;
pub use crate::wire::Sent;
use crate::wire::Wire;

pub const PUBLIC: &str = "203.0.113.1";
pub const PRIVATE: &str = "10.0.0.4";

#[derive(Default)]
pub struct Sockets {
    pub open: BTreeMap<SocketId, SocketAddr>,
    /// Ports that some other program holds.
    pub taken: HashSet<u16>,
    /// Addresses on which nothing can be opened.
    pub refused: HashSet<IpAddr>,
    /// The TOS byte of those that were given one.
    pub tos: BTreeMap<SocketId, u8>,
}

impl Ports for Sockets {
    fn open(&mut self, id: SocketId, at: SocketAddr) -> bool {
        assert!(!self.open.contains_key(&id), "{id:?} is open");
        let free = !self.taken.contains(&at.port())
            && !self.refused.contains(&at.ip())
            && !self.open.values().any(|other| *other == at);
        if free {
            self.open.insert(id, at);
        }
        free
    }

    fn mark(&mut self, id: SocketId, tos: u8) {
        assert!(self.open.contains_key(&id), "{id:?} is not open");
        self.tos.insert(id, tos);
    }

    fn close(&mut self, id: SocketId) {
        self.tos.remove(&id);
        assert!(self.open.remove(&id).is_some(), "{id:?} is not open");
    }
}

pub struct World {
    pub shard: Shard,
    pub sockets: Sockets,
    pub now: Instant,
    pub start: Instant,
    pub sent: VecDeque<Sent>,
    pub events: Vec<EventKind>,
    pub records: Vec<Record>,
    /// The DTLS endpoints, where the shard has given them away: it hears of them only when time passes.
    pub elsewhere: Option<Handshakes>,
    /// Another shard with the same shared ports.
    pub beside: Option<Box<Beside>>,
    pub identity: Identity,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Sockets::default(), change)
    }

    /// On a machine where some sockets are open already.
    pub fn on(mut sockets: Sockets, change: impl FnOnce(&mut Config)) -> Self {
        let start = Instant::now();
        let mut config = config(start);
        change(&mut config);
        let identity = Identity::generate().unwrap();
        let mut shard = Shard::new(config, identity.clone(), random(1));
        shard.share_ports(&mut sockets).unwrap();
        Self {
            shard,
            sockets,
            now: start,
            start,
            sent: VecDeque::new(),
            events: Vec::new(),
            records: Vec::new(),
            elsewhere: None,
            beside: None,
            identity,
        }
    }

    pub fn command(&mut self, request: &Request) -> Response {
        let response = self.shard.command(request, self.now, &mut self.sockets);
        self.drain();
        response
    }

    /// The body that comes out; the command must succeed.
    pub fn sdp(&mut self, request: &Request) -> String {
        let response = self.command(request);
        assert!(response.is_ok(), "{response:?}");
        String::from_utf8(response.sdp.expect("a body")).unwrap()
    }

    /// A datagram comes in at `to`. What becomes of it stands in [`Self::sent`].
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.beside.is_some() {
            return self.send_to_one_of_two(from, to, bytes);
        }
        let Some((id, _)) = self.sockets.open.iter().find(|(_, at)| **at == to) else {
            return;
        };
        let mut buffer = with_headroom(bytes);
        let received = self
            .shard
            .receive(*id, from, &mut buffer, bytes.len(), self.now);
        if let Some(send) = received.sent() {
            let from = self.sockets.open[&send.socket];
            self.sent.push_back(Sent {
                from,
                to: send.to,
                bytes: buffer[..send.len].to_vec(),
            });
        }
        self.drain();
    }

    /// The same, for a packet that is passed on: the one datagram it becomes.
    pub fn pass(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Option<Sent> {
        assert!(self.sent.is_empty(), "not looked at: {:?}", self.sent);
        self.send(from, to, bytes);
        let sent = self.sent.pop_front();
        assert!(self.sent.is_empty());
        sent
    }

    /// Time passes, and every deadline on the way is kept.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        if self.beside.is_some() {
            return self.advance_both(end);
        }
        while let Some(deadline) = self.shard.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.shard.timeout(self.now, &mut self.sockets);
            self.drain();
            if self.shard.deadline() == Some(deadline) {
                panic!("the deadline {:?} is never over", deadline - self.start);
            }
        }
        self.now = end;
        self.hear();
    }

    /// The shard hears of its handshakes, where they are elsewhere.
    fn hear(&mut self) {
        if let Some(mut elsewhere) = self.elsewhere.take() {
            elsewhere.timeout(self.now);
            while let Some((id, news)) = elsewhere.poll() {
                self.shard.take_handshake(id, news, self.now);
            }
            self.elsewhere = Some(elsewhere);
            self.drain();
        }
    }

    /// How often a datagram was dropped for this reason, over all ports of the call.
    pub fn dropped(&mut self, call: &str, reason: &str) -> i64 {
        let response = self.command(&request(Command::Query, call));
        let mut count = 0;
        for_each_stream(&response, |stream| {
            let drops = stream.get("drops").and_then(Value::as_dictionary).unwrap();
            count += drops.get(reason).and_then(Value::as_integer).unwrap_or(0);
        });
        count
    }

    pub fn drain(&mut self) {
        if self.beside.is_some() {
            return self.drain_both();
        }
        while let Some(output) = self.shard.poll() {
            match output {
                Output::Datagram { socket, to, bytes } => {
                    let from = self.sockets.open[&socket];
                    self.sent.push_back(Sent { from, to, bytes });
                }
                Output::Event(Event { kind, .. }) => self.events.push(kind),
                Output::Record(record) => self.records.push(record),
                Output::Claim(claim) => panic!("it is alone: {claim:?}"),
                Output::Handshake { id, order } => {
                    let elsewhere = self.elsewhere.as_mut().unwrap();
                    elsewhere.take(id, order, self.now);
                }
            }
        }
    }
}

impl Wire for World {
    fn now(&self) -> Instant {
        self.now
    }

    fn address(&mut self, peer: u8, port: u16) -> SocketAddr {
        ([198, 51, 100, peer], 4000 + port).into()
    }

    fn body(&mut self, request: &Request) -> String {
        self.sdp(request)
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        World::send(self, from, to, bytes);
    }

    fn came(&mut self) -> &mut VecDeque<Sent> {
        &mut self.sent
    }

    fn wait(&mut self, at_most: Duration) {
        self.advance(at_most);
    }
}

/// With a public and a private side.
pub fn config(start: Instant) -> Config {
    let interface = |name: &str, address: &str| Interface {
        name: name.into(),
        bind: Bind(address.parse().unwrap()),
        advertise: Advertise(address.parse().unwrap()),
    };
    let anchor = Anchor {
        instant: start,
        unix: Duration::from_secs(1_800_000_000),
    };
    let mut config = Config::new(
        vec![interface("public", PUBLIC), interface("private", PRIVATE)],
        anchor,
    );
    config.delete_delay = Duration::ZERO;
    config
}

/// A datagram in a buffer as the core wants it.
pub fn with_headroom(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0xaa; HEADROOM]].concat()
}

/// Every stream of every party in the reply to `query`.
pub fn for_each_stream(response: &Response, mut see: impl FnMut(&Dictionary)) {
    let tags = response
        .other
        .get("tags")
        .and_then(Value::as_dictionary)
        .expect("tags");
    for (_, party) in tags.iter() {
        let medias = party
            .as_dictionary()
            .unwrap()
            .get("medias")
            .and_then(Value::as_list)
            .unwrap();
        for media in medias {
            let streams = media
                .as_dictionary()
                .unwrap()
                .get("streams")
                .and_then(Value::as_list)
                .unwrap();
            streams
                .iter()
                .for_each(|stream| see(stream.as_dictionary().unwrap()));
        }
    }
}

/// Different bytes for every call, the same in every run.
pub fn random(seed: u64) -> causeway_relay::core::Random {
    let mut dice = Dice::new(seed);
    Box::new(move |buffer| dice.fill(buffer))
}

pub fn request(command: Command, call: &str) -> Request {
    let mut request = Request::new(command);
    request.call_id = Some(call.into());
    request
}

/// A body on its way to a phone, as the proxy sends it.
pub fn offer_to_phone(call: &str, from: &str, to: Option<&str>, sdp: &str) -> Request {
    let mut offer = request(Command::Offer, call);
    offer.from_tag = Some(from.into());
    offer.to_tag = to.map(str::to_owned);
    offer.sdp = Some(sdp.as_bytes().to_vec());
    offer.transport_protocol = Some(TransportProtocol::RtpAvp);
    offer.ice = Some(Ice::Remove);
    offer.rtcp_mux.demux = true;
    offer.replace.origin = true;
    offer.direction = Some(["public".into(), "private".into()]);
    offer
}

/// A body on its way to a browser, as the proxy sends it.
pub fn offer_to_browser(call: &str, from: &str, to: Option<&str>, sdp: &str) -> Request {
    let mut offer = request(Command::Offer, call);
    offer.from_tag = Some(from.into());
    offer.to_tag = to.map(str::to_owned);
    offer.sdp = Some(sdp.as_bytes().to_vec());
    offer.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavpf);
    offer.ice = Some(Ice::Force);
    offer.rtcp_mux.require = true;
    offer.sdes.off = true;
    offer.flags.set(flag::GENERATE_MID);
    offer.direction = Some(["private".into(), "public".into()]);
    offer
}

/// A plain offer, without any wish.
pub fn plain_offer(call: &str, from: &str, sdp: &str) -> Request {
    let mut offer = request(Command::Offer, call);
    offer.from_tag = Some(from.into());
    offer.sdp = Some(sdp.as_bytes().to_vec());
    offer
}

pub fn answer(call: &str, from: &str, to: &str, sdp: &str) -> Request {
    let mut answer = request(Command::Answer, call);
    answer.from_tag = Some(from.into());
    answer.to_tag = Some(to.into());
    answer.sdp = Some(sdp.as_bytes().to_vec());
    answer.dtls = Some(Dtls::Passive);
    answer
}

/// Where the first medium of a body is to be sent to: RTP and RTCP.
pub fn addresses(sdp: &str) -> (SocketAddr, SocketAddr) {
    let session = sdp::Session::parse(sdp.as_bytes()).unwrap();
    let media = &session.media[0];
    (
        media.rtp_address().expect("an address"),
        media.rtcp_address().expect("an address"),
    )
}

pub fn lines<'a>(sdp: &'a str, prefix: &str) -> Vec<&'a str> {
    sdp.lines()
        .filter(|line| line.starts_with(prefix))
        .collect()
}

pub fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A receiver report without blocks, then whatever `more` is.
pub fn rtcp(ssrc: u32, more: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(more);
    packet
}

/// A picture loss indication.
pub fn pli(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x81, 206, 0, 2];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet
}
