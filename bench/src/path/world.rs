//! One call in a shard, its two peers, and nothing between them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use peers::browser::{self, Browser};
use peers::clock::SECOND;
use peers::random::Same;
use peers::scenario::{Scenario, answer};
use peers::sdp::{self, Media};
use relay::core::{
    Advertise, Anchor, Bind, Config, Identity, Interface, Output, Ports, Send, Shard, SocketId,
};

use crate::leg::Leg;
use peers::answer::{Answer, browser_body};

/// The relay's own address: its peers are on loopback, and it sends there from nowhere else.
const RELAY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// UDP port of both peers.
const PORT: u16 = 4000;
/// A handshake is over within this many milliseconds.
const PATIENCE: u32 = 5000;

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Phone,
    Other,
}

/// A call that stands.
pub(super) struct Call {
    pub(super) shard: Shard,
    pub(super) now: Instant,
    sockets: Sockets,
    /// The phone's and the other's.
    legs: [Leg; 2],
    first: Instant,
}

/// Which address each of the shard's sockets has.
#[derive(Default)]
struct Sockets(HashMap<SocketId, SocketAddr>);

impl Ports for Sockets {
    fn open(&mut self, id: SocketId, at: SocketAddr) -> bool {
        self.0.insert(id, at);
        true
    }

    fn mark(&mut self, _: SocketId, _: u8) {}

    fn close(&mut self, id: SocketId) {
        self.0.remove(&id);
    }
}

impl Call {
    pub(super) fn new(scenario: Scenario) -> Result<Self, String> {
        let now = Instant::now();
        let identity = Identity::generate().map_err(|error| error.to_string())?;
        let mut call = Self {
            shard: Shard::new(config(now), identity, random()),
            now,
            sockets: Sockets::default(),
            legs: [0, 1].map(|number| Leg::new(number, Some(1000))),
            first: now,
        };
        call.legs[0].stream.ssrc = 0xf0e;
        call.legs[1].stream.ssrc = 0xb0b;
        call.set_up(scenario)?;
        Ok(call)
    }

    /// Writes the next packet of a side to `buffer`; the socket that it comes to, whence, and its length.
    pub(super) fn packet(
        &mut self,
        from: Side,
        buffer: &mut [u8],
    ) -> (SocketId, SocketAddr, usize) {
        let leg = &mut self.legs[from as usize];
        let len = leg.next_packet(0, buffer);
        let (at, to) = (SocketAddr::from((leg.ip, PORT)), leg.relay);
        (self.socket(to.into()), at, len)
    }

    /// Whether what is sent on goes to the other side, and is what came, in its keys.
    pub(super) fn judge(&mut self, sent: &Send, buffer: &mut [u8]) -> Result<(), String> {
        let to = self.legs.iter().position(|leg| sent.to.ip() == leg.ip);
        let to = to.ok_or("it goes to nobody")?;
        let stream = self.legs[1 - to].stream;
        let packet = buffer.get_mut(..sent.len).ok_or("it has no such length")?;
        let len = match &mut self.legs[to].inbound {
            Some(keys) => keys.unprotect(packet).ok_or("it is not authentic")?,
            None => sent.len,
        };
        let read = packet.get(..len).and_then(|packet| stream.read(packet));
        read.map(|_| ()).ok_or_else(|| "it was changed".to_owned())
    }

    fn set_up(&mut self, scenario: Scenario) -> Result<(), String> {
        let [phone, other] = [0, 1].map(|k| SocketAddrV4::new(self.legs[k].ip, PORT));
        let offered = self.ask(&scenario.offer("call", sdp::phone(phone)))?;
        let identity = browser::Identity::generate()?;
        let mut ours = Answer::new(scenario, &offered)?;
        let body = if scenario.is_dtls() {
            let mut browser = Browser::new(1);
            browser.take(&offered, true);
            let body = browser_body(&browser, other, &identity);
            self.legs[1].browser = Some(Box::new(browser));
            body
        } else {
            ours.body_at(other, &offered)
        };
        let answered = self.ask(&answer("call", body))?;
        self.legs[0].relay = answered.address.ok_or("no address for the phone")?;
        self.legs[1].relay = offered.address.ok_or("no address for the other")?;
        (self.legs[1].outbound, self.legs[1].inbound) = ours.take_keys().unzip();
        if let Some(browser) = &mut self.legs[1].browser {
            browser.start(&identity, SECOND);
            self.shake()?;
        }
        Ok(())
    }

    fn ask(&mut self, request: &control_proto::Request) -> Result<Media, String> {
        let reply = self.shard.command(request, self.now, &mut self.sockets);
        peers::ng::body_of(&reply).map(|body| Media::parse(&body))
    }

    /// Until the browser has keys, and the relay nothing more to say.
    fn shake(&mut self) -> Result<(), String> {
        for _ in 0..PATIENCE {
            self.now += Duration::from_millis(1);
            let at = SECOND + self.now.duration_since(self.first).as_nanos() as u64;
            let mut out = Vec::new();
            if let Some(browser) = &mut self.legs[1].browser {
                browser.tick(at, &mut out);
            }
            self.deliver(out, at);
            if self.shard.deadline().is_some_and(|due| due <= self.now) {
                self.shard.timeout(self.now, &mut self.sockets);
            }
            self.deliver(Vec::new(), at);
            self.legs[1].take_keys();
            if self.legs[1].outbound.is_some() {
                return Ok(());
            }
        }
        Err("the handshake does not end".to_owned())
    }

    /// The browser's datagrams to the relay, and the relay's to the browser, until both are quiet.
    fn deliver(&mut self, mut out: Vec<browser::Signal>, at: u64) {
        loop {
            for signal in out.drain(..) {
                let from = SocketAddr::from((self.legs[1].ip, PORT));
                let (to, mut bytes) = (self.socket(signal.to.into()), signal.bytes);
                let len = bytes.len();
                self.shard.receive(to, from, &mut bytes, len, self.now);
            }
            while let Some(output) = self.shard.poll() {
                if let Output::Datagram { bytes, socket, .. } = output
                    && let Some(SocketAddr::V4(from)) = self.sockets.0.get(&socket)
                    && let Some(browser) = &mut self.legs[1].browser
                {
                    browser.receive(&bytes, *from, at, &mut out);
                }
            }
            if out.is_empty() {
                return;
            }
        }
    }

    fn socket(&self, at: SocketAddr) -> SocketId {
        let found = self.sockets.0.iter().find(|(_, address)| **address == at);
        found.map_or(SocketId(u32::MAX), |(id, _)| *id)
    }
}

fn config(now: Instant) -> Config {
    let interface = Interface {
        name: "default".to_owned(),
        bind: Bind(RELAY),
        advertise: Advertise(RELAY),
    };
    let anchor = Anchor {
        instant: now,
        unix: Duration::from_secs(1_800_000_000),
    };
    Config::new(vec![interface], anchor)
}

/// The same bytes in every run.
fn random() -> relay::core::Random {
    let mut same = Same(0x5eed);
    Box::new(move |buffer| {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&same.number().to_le_bytes()[..chunk.len()]);
        }
    })
}
