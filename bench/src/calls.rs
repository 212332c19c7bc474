//! All calls of a run, and the judgement of what comes: every received packet is authenticated, decrypted and compared
//! with what was sent, byte by byte.

use std::net::Ipv4Addr;

use peers::browser::Signal;
use peers::histogram::Histogram;
use peers::kernel::Arrival;
use peers::packet::LEN;
use peers::seen::Order;

use crate::leg::{Leg, leg_at};

/// What has come of the datagrams so far.
#[derive(Default, Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Packets that the kernel did not take from us.
    pub(crate) refused: u64,
    pub(crate) received: u64,
    pub(crate) duplicate: u64,
    pub(crate) reordered: u64,
    /// Not what was sent.
    pub(crate) corrupt: u64,
    /// SRTP that is not authentic.
    pub(crate) undecryptable: u64,
    /// Not from the port that this leg was told.
    pub(crate) wrong_source: u64,
    /// For no leg, or neither RTP nor STUN nor DTLS.
    pub(crate) stray: u64,
}

impl Counts {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            refused: self.refused - before.refused,
            received: self.received - before.received,
            duplicate: self.duplicate - before.duplicate,
            reordered: self.reordered - before.reordered,
            corrupt: self.corrupt - before.corrupt,
            undecryptable: self.undecryptable - before.undecryptable,
            wrong_source: self.wrong_source - before.wrong_source,
            stray: self.stray - before.stray,
        }
    }

    /// Packets that should never be.
    pub(crate) fn bad(self) -> u64 {
        self.corrupt + self.undecryptable + self.wrong_source
    }
}

/// The calls.
pub(crate) struct Calls {
    pub(crate) legs: Vec<Leg>,
    pub(crate) counts: Counts,
    /// From just before our send call to the kernel's stamp, for packets sent within `window`.
    pub(crate) latency: Histogram,
    pub(crate) window: std::ops::Range<u64>,
    /// One packet in so many is decrypted; of the others only the numbers are followed.
    verify_every: u64,
    verified: u64,
}

impl Calls {
    pub(crate) fn new(count: usize, first_sequence: Option<u16>, verify_every: u64) -> Self {
        Self {
            legs: (0..count * 2)
                .map(|number| Leg::new(number, first_sequence))
                .collect(),
            counts: Counts::default(),
            latency: Histogram::new(),
            window: 0..0,
            verify_every: verify_every.max(1),
            verified: 0,
        }
    }

    /// A datagram has come, `buffer[..len]`.
    #[inline]
    pub(crate) fn arrived(
        &mut self,
        arrival: Arrival,
        buffer: &mut [u8],
        len: usize,
        out: &mut Vec<Signal>,
    ) {
        let Some(number) = self.leg(arrival.to) else {
            self.counts.stray += 1;
            return;
        };
        let packet = &mut buffer[..len];
        match packet {
            [0..64, ..] => self.signal(number, arrival, packet, out),
            // RTCP's types are 192 to 223; what looks like them is none of ours.
            [128..=191, kind, ..] if *kind & 0x7f < 64 && len > 12 => {
                self.media(number, arrival, packet);
            }
            _ => self.counts.stray += 1,
        }
    }

    fn leg(&self, ip: Ipv4Addr) -> Option<usize> {
        leg_at(ip).filter(|number| *number < self.legs.len())
    }

    fn signal(&mut self, leg: usize, arrival: Arrival, datagram: &[u8], out: &mut Vec<Signal>) {
        let leg = &mut self.legs[leg];
        if let Some(browser) = &mut leg.browser {
            browser.receive(datagram, arrival.from, arrival.at, out);
            leg.take_keys();
        }
    }

    fn media(&mut self, number: usize, arrival: Arrival, packet: &mut [u8]) {
        let stream = self.legs[number ^ 1].stream;
        let leg = &mut self.legs[number];
        if arrival.from != leg.relay {
            self.counts.wrong_source += 1;
        }
        self.verified += 1;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let skipped = !self.verified.is_multiple_of(self.verify_every);
        let place = match &mut leg.inbound {
            Some(srtp) if skipped => {
                srtp.pass(sequence);
                leg.seen.number(&stream, sequence)
            }
            inbound => {
                let len = match inbound {
                    Some(srtp) => srtp.unprotect(packet),
                    None => Some(packet.len()),
                };
                let Some(len) = len else {
                    self.counts.undecryptable += 1;
                    return;
                };
                let Some((place, sent)) = packet.get(..len).and_then(|p| stream.read(p)) else {
                    self.counts.corrupt += 1;
                    return;
                };
                if self.window.contains(&sent) {
                    self.latency.add(arrival.at.saturating_sub(sent));
                }
                place
            }
        };
        match leg.seen.note(place) {
            Order::Next => {}
            Order::Late => self.counts.reordered += 1,
            Order::Duplicate => {
                self.counts.duplicate += 1;
                return;
            }
            Order::Absurd => {
                self.counts.corrupt += 1;
                return;
            }
        }
        self.counts.received += 1;
    }
}

const _: () = assert!(LEN + 16 <= peers::kernel::ROOM);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddrV4;

    const RELAY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 30_000);

    fn call() -> Calls {
        let mut calls = Calls::new(1, Some(65_530), 1);
        calls.legs[1].relay = RELAY;
        calls.window = 0..u64::MAX;
        calls
    }

    fn packet(calls: &mut Calls, at: u64) -> Vec<u8> {
        let mut room = [0; 400];
        let len = calls.legs[0].next_packet(at, &mut room);
        room[..len].to_vec()
    }

    fn give(calls: &mut Calls, mut bytes: Vec<u8>, from: SocketAddrV4) {
        let arrival = Arrival {
            from,
            to: calls.legs[1].ip,
            at: 150,
        };
        let len = bytes.len();
        calls.arrived(arrival, &mut bytes, len, &mut Vec::new());
    }

    #[test]
    fn whole_packets_count_and_give_their_latency() {
        let mut calls = call();
        for _ in 0..20 {
            let bytes = packet(&mut calls, 100);
            give(&mut calls, bytes, RELAY);
        }
        assert_eq!((calls.counts.received, calls.counts.bad()), (20, 0));
        assert_eq!(calls.latency.percentile(50.0), 50);
    }

    #[test]
    fn wrong_bytes_wrong_sources_and_wrong_orders_are_counted() {
        let mut calls = call();
        let [a, b, mut c] = [1, 2, 3].map(|at| packet(&mut calls, at));
        c[50] ^= 1;
        for bytes in [b.clone(), a, b, c] {
            give(&mut calls, bytes, RELAY);
        }
        let d = packet(&mut calls, 4);
        give(&mut calls, d, SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));
        let counts = calls.counts;
        assert_eq!((counts.received, counts.reordered), (3, 1));
        assert_eq!(
            (counts.duplicate, counts.corrupt, counts.wrong_source),
            (1, 1, 1)
        );
    }
}
