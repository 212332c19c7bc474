//! One end of a witness call: it sends a packet every 20 ms and judges what comes.

use std::net::{Ipv4Addr, SocketAddrV4};

use peers::browser::{Browser, Identity, Signal};
use peers::clock::{self, SECOND};
use peers::kernel::{self, Inbox, Outbox};
use peers::packet::{LEN, Stream};
use peers::random;
use peers::seen::{Order, Seen};
use peers::srtp::Srtp;
use socket2::Socket;

use crate::field::{DEVICE, Place};

/// Between two packets.
const EVERY: u64 = SECOND / 50;
/// Between two consent checks.
const CONSENT_EVERY: u64 = 5 * SECOND;

/// One end.
pub(crate) struct End {
    address: SocketAddrV4,
    relay: SocketAddrV4,
    socket: Socket,
    inbox: Inbox,
    outbox: Outbox,
    pub(crate) stream: Stream,
    /// What the other end sends.
    theirs: Stream,
    outbound: Option<Srtp>,
    inbound: Option<Srtp>,
    pub(crate) browser: Option<Box<Browser>>,
    signals: Vec<Signal>,
    sent: u64,
    next: u64,
    next_consent: u64,
    seen: Seen,
    last: Option<Heard>,
    gap: u64,
    wrong: u64,
    /// The last packet that it sent, as it was on the wire.
    last_sent: Vec<u8>,
}

/// A packet that came: its number, and when it was sent and received.
#[derive(Clone, Copy)]
struct Heard {
    number: u64,
    sent: u64,
    at: u64,
}

impl End {
    pub(crate) fn new(place: &Place, ip: Ipv4Addr, port: u16, leg: u32) -> Result<Self, String> {
        let socket = place.within(|| {
            let socket = kernel::endpoints(DEVICE, port);
            socket.map_err(|error| format!("port {port} of a witness: {error}"))
        })?;
        let random = random::number();
        let stream = Stream {
            leg,
            ssrc: random as u32,
            first_sequence: (random >> 32) as u16 & 0x3fff,
            first_timestamp: (random >> 16) as u32,
        };
        Ok(Self {
            address: SocketAddrV4::new(ip, port),
            relay: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            socket,
            inbox: Inbox::new(),
            outbox: Outbox::new(16),
            stream,
            theirs: stream,
            outbound: None,
            inbound: None,
            browser: None,
            signals: Vec::new(),
            sent: 0,
            next: 0,
            next_consent: 0,
            seen: Seen::default(),
            last: None,
            gap: 0,
            wrong: 0,
            last_sent: Vec::new(),
        })
    }

    /// Its own address.
    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// The relay's port for it.
    pub(crate) fn relay(&self) -> SocketAddrV4 {
        self.relay
    }

    /// Where it sends to, what it hears, and with which keys unless DTLS gives them.
    pub(super) fn join(&mut self, relay: SocketAddrV4, theirs: Stream, keys: Option<(Srtp, Srtp)>) {
        self.relay = relay;
        self.theirs = theirs;
        (self.outbound, self.inbound) = keys.unzip();
    }

    /// Lets its browser check and shake hands.
    pub(super) fn shake(&mut self, identity: &Identity) {
        if let Some(browser) = &mut self.browser {
            browser.start(identity, clock::now());
        }
    }

    /// Whether it has its keys, or why it never will.
    pub(super) fn is_ready(&self) -> Result<bool, String> {
        match &self.browser {
            None => Ok(true),
            Some(browser) => match &browser.failed {
                Some(why) => Err(why.clone()),
                None => Ok(self.outbound.is_some()),
            },
        }
    }

    /// Begins to talk.
    pub(super) fn talk(&mut self) {
        self.next = clock::now();
        self.next_consent = self.next + CONSENT_EVERY;
    }

    /// Takes what has come and sends what is due.
    pub(super) fn tick(&mut self) {
        self.receive();
        let now = clock::now();
        if let Some(browser) = &mut self.browser {
            browser.tick(now, &mut self.signals);
            if self.next_consent != 0 && now >= self.next_consent {
                self.next_consent = now + CONSENT_EVERY;
                self.signals.extend(browser.consent());
            }
            if let Some(keys) = browser.take_keys() {
                self.outbound = Some(keys.outbound);
                self.inbound = Some(keys.inbound);
            }
        }
        for signal in self.signals.drain(..) {
            let room = &mut self.outbox.room()[..signal.bytes.len()];
            room.copy_from_slice(&signal.bytes);
            if self
                .outbox
                .push(signal.bytes.len(), *self.address.ip(), signal.to)
            {
                self.outbox.flush(&self.socket);
            }
        }
        if self.next != 0 && now >= self.next {
            // One that is late does not hurry: the pause is the sender's, and is told by the packet.
            self.next = (self.next + EVERY).max(now);
            self.send(now);
        }
        self.outbox.flush(&self.socket);
    }

    fn send(&mut self, now: u64) {
        let room = self.outbox.room();
        self.stream.write(self.sent, now, room);
        self.sent += 1;
        let len = match &mut self.outbound {
            Some(srtp) => srtp.protect(room, LEN).unwrap_or(0),
            None => LEN,
        };
        self.last_sent.clear();
        self.last_sent.extend_from_slice(&room[..len]);
        if self.outbox.push(len, *self.address.ip(), self.relay) {
            self.outbox.flush(&self.socket);
        }
    }

    /// Sends so many at once.
    pub(crate) fn burst(&mut self, count: u64) {
        for _ in 0..count {
            self.send(clock::now());
        }
        self.outbox.flush(&self.socket);
    }

    /// Takes what has come without looking at it; how many that were.
    pub(crate) fn drain(&mut self) -> u64 {
        self.inbox.fill(&self.socket) as u64
    }

    fn receive(&mut self) {
        for k in 0..self.inbox.fill(&self.socket) {
            let (arrival, bytes, len) = self.inbox.datagram(k);
            let datagram = &mut bytes[..len];
            if !matches!(datagram.first(), Some(128..=191)) {
                if let Some(browser) = &mut self.browser {
                    browser.receive(datagram, arrival.from, arrival.at, &mut self.signals);
                }
                continue;
            }
            if matches!(datagram.get(1), Some(200..=207)) {
                continue; // RTCP
            }
            let plain = match &mut self.inbound {
                Some(srtp) => srtp.unprotect(datagram),
                None => Some(len),
            };
            let read = plain.and_then(|len| self.theirs.read(&datagram[..len]));
            match read.filter(|_| arrival.from == self.relay) {
                Some((number, sent)) => {
                    let at = arrival.at;
                    hear(
                        &mut self.seen,
                        &mut self.last,
                        &mut self.gap,
                        &mut self.wrong,
                        Heard { number, sent, at },
                    );
                }
                None => self.wrong += 1,
            }
        }
    }

    /// Begins a stretch; how many it has sent so far.
    pub(super) fn mark(&mut self) -> u64 {
        (self.gap, self.wrong) = (0, 0);
        self.sent
    }

    /// Packets that it has sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether the other end's packet with this number has come.
    pub(super) fn has(&self, number: u64) -> bool {
        self.seen.has(number)
    }

    pub(super) fn gap(&self) -> u64 {
        self.gap
    }

    pub(super) fn wrong(&self) -> u64 {
        self.wrong
    }

    /// The last packet that it sent, as it was on the wire.
    pub(crate) fn last_sent(&self) -> &[u8] {
        &self.last_sent
    }
}

fn hear(seen: &mut Seen, last: &mut Option<Heard>, gap: &mut u64, wrong: &mut u64, heard: Heard) {
    match seen.note(heard.number) {
        Order::Next => {
            if let Some(last) = last.replace(heard) {
                *gap = (*gap).max(silence(last, heard));
            }
        }
        Order::Late => {}
        Order::Duplicate | Order::Absurd => *wrong += 1,
    }
}

/// How long nothing was heard before a packet, without what its sender was late.
fn silence(before: Heard, now: Heard) -> u64 {
    let due = (now.number - before.number) * EVERY;
    let late = now.sent.saturating_sub(before.sent).saturating_sub(due);
    now.at.saturating_sub(before.at).saturating_sub(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = SECOND / 1000;

    fn heard(number: u64, sent: u64, at: u64) -> Heard {
        let (sent, at) = (sent * MS, at * MS);
        Heard { number, sent, at }
    }

    #[test]
    fn a_gap_is_the_relays_and_not_the_senders() {
        let first = heard(5, 100, 101);
        assert_eq!(silence(first, heard(6, 120, 121)), 20 * MS);
        assert_eq!(silence(first, heard(6, 120, 171)), 70 * MS);
        assert_eq!(silence(first, heard(6, 170, 171)), 20 * MS, "sent late");
        assert_eq!(silence(first, heard(8, 160, 161)), 60 * MS, "two are lost");
    }

    #[test]
    fn what_comes_twice_is_wrong() {
        let (mut seen, mut last, mut gap, mut wrong) = (Seen::default(), None, 0, 0);
        for number in [0, 1, 3, 2, 1] {
            let at = heard(number, number * 20, number * 20 + 1);
            hear(&mut seen, &mut last, &mut gap, &mut wrong, at);
        }
        assert_eq!((gap, wrong), (40 * MS, 1));
    }
}
