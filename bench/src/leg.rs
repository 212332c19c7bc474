//! One end of a call: where it is, what it sends, and which of its peer's packets have come.

use std::net::{Ipv4Addr, SocketAddrV4};

use peers::browser::Browser;
use peers::packet::Stream;
use peers::random;
use peers::seen::Seen;
use peers::srtp::Srtp;

/// Calls at most: as many as there are addresses for in 127.1.0.0/16.
pub(crate) const MAX_CALLS: usize = 60_000;

/// One end of a call. Legs 2n and 2n+1 are the two of call n.
pub(crate) struct Leg {
    pub(crate) ip: Ipv4Addr,
    /// Where the relay's description said to send, which is also where the relay sends from.
    pub(crate) relay: SocketAddrV4,
    pub(crate) stream: Stream,
    pub(crate) outbound: Option<Srtp>,
    pub(crate) inbound: Option<Srtp>,
    /// Packets sent so far: the number of the next one.
    pub(crate) sent: u64,
    pub(crate) seen: Seen,
    pub(crate) browser: Option<Box<Browser>>,
}

impl Leg {
    /// `first_sequence` is random, and far from the wrap, unless it is given.
    pub(crate) fn new(number: usize, first_sequence: Option<u16>) -> Self {
        let random = random::number();
        Self {
            ip: address(number),
            relay: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            stream: Stream {
                leg: number as u32,
                ssrc: random as u32,
                first_sequence: first_sequence.unwrap_or((random >> 32) as u16 & 0x3fff),
                first_timestamp: (random >> 16) as u32,
            },
            outbound: None,
            inbound: None,
            sent: 0,
            seen: Seen::default(),
            browser: None,
        }
    }

    /// Writes the next packet to `room`; its length.
    #[inline]
    pub(crate) fn next_packet(&mut self, now: u64, room: &mut [u8]) -> usize {
        self.stream.write(self.sent, now, room);
        self.sent += 1;
        match &mut self.outbound {
            Some(srtp) => srtp.protect(room, peers::packet::LEN).unwrap_or(0),
            None => peers::packet::LEN,
        }
    }

    /// Takes the keys that DTLS has given since it was last asked.
    pub(crate) fn take_keys(&mut self) {
        if let Some(keys) = self.browser.as_mut().and_then(|b| b.take_keys()) {
            self.outbound = Some(keys.outbound);
            self.inbound = Some(keys.inbound);
        }
    }
}

/// The address of a leg: 127.1.x.y for the plain ones, 127.2.x.y for the others.
fn address(leg: usize) -> Ipv4Addr {
    let (call, side) = (leg / 2, leg % 2);
    Ipv4Addr::new(
        127,
        1 + side as u8,
        (call / 250) as u8,
        1 + (call % 250) as u8,
    )
}

/// The leg with an address.
pub(crate) fn leg_at(ip: Ipv4Addr) -> Option<usize> {
    let [net, side, high, low] = ip.octets();
    if net != 127 || !(1..=2).contains(&side) || low == 0 {
        return None;
    }
    let call = usize::from(high) * 250 + usize::from(low) - 1;
    Some(call * 2 + usize::from(side) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_leg_has_its_own_address() {
        for leg in [0, 1, 2, 499, 500, 501, 2 * MAX_CALLS - 1] {
            assert_eq!(leg_at(address(leg)), Some(leg));
        }
        assert_eq!(leg_at(Ipv4Addr::LOCALHOST), None);
    }
}
