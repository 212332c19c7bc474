//! Where a leg's peer is: what its SDP said, what was heard, and when the one may overrule the other.
//!
//! The rules that keep a stranger from taking a stream over (RTP bleed, CVE-2025-53399):
//! - before the peer's SDP is known, nobody is listened to;
//! - on a secure leg only a packet whose tag held ([`Authentic`]) is believed, and only the first one;
//! - on a plain leg the address in the SDP is believed. A phone behind NAT sends from another one: it is believed
//!   once, after several packets in sequence, and never on a strict leg;
//! - whoever sends from the address in the SDP always wins, for good;
//! - after that only new signalling, or a new ICE pair, changes anything.

use std::net::SocketAddr;

use super::Drop;
use super::authentic::Authentic;

/// Packets in sequence from one stranger before a plain leg takes it for its phone behind NAT: 100 ms of speech.
const LEARN_AFTER: u8 = 5;

/// What the peer of one transport is known by.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerAddress {
    signalled: Option<SocketAddr>,
    heard: Heard,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Heard {
    #[default]
    Nobody,
    /// A stranger, who has sent this many packets in sequence.
    Candidate {
        from: SocketAddr,
        ssrc: u32,
        sequence: u16,
        packets: u8,
    },
    /// The peer: nobody else is listened to on a plain leg.
    Peer(SocketAddr),
}

/// The parts of an RTP header that tell one stream from another.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamPosition {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
}

impl PeerAddress {
    /// Takes the address of a new SDP. The same address again changes nothing, so that a re-offer keeps what was
    /// learned.
    pub(super) fn signal(&mut self, address: Option<SocketAddr>) {
        if self.signalled != address {
            self.signalled = address;
            self.heard = Heard::Nobody;
        }
    }

    /// Where packets for the peer go.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        match self.heard {
            Heard::Peer(address) => Some(address),
            Heard::Nobody | Heard::Candidate { .. } => self.signalled,
        }
    }

    /// What its SDP said.
    pub(super) fn signalled(&self) -> Option<SocketAddr> {
        self.signalled
    }

    /// Whether this is where the peer is expected: for what comes before anything can be verified (DTLS without
    /// ICE).
    pub(super) fn is_expected(&self, from: SocketAddr) -> bool {
        self.destination() == Some(from) || self.signalled == Some(from)
    }

    /// Decides whether an RTP packet on a plain leg is the peer's: there is nothing to go by but its source.
    pub(super) fn admit(
        &mut self,
        from: SocketAddr,
        position: StreamPosition,
        strict: bool,
    ) -> Result<(), Drop> {
        let signalled = self.signalled.ok_or(Drop::NoRemoteDescription)?;
        if from == signalled {
            self.heard = Heard::Peer(from);
            return Ok(());
        }
        match self.heard {
            Heard::Peer(peer) if peer == from => Ok(()),
            Heard::Peer(_) => Err(Drop::WrongSource),
            Heard::Nobody | Heard::Candidate { .. } if strict => Err(Drop::WrongSource),
            Heard::Nobody | Heard::Candidate { .. } => self.consider(from, position),
        }
    }

    /// The same for RTCP on its own port: `rtp` is what the RTP of the same leg is known by. Its address must be the
    /// same; its port may be another behind NAT.
    pub(super) fn admit_rtcp(
        &mut self,
        from: SocketAddr,
        rtp: &PeerAddress,
        strict: bool,
    ) -> Result<(), Drop> {
        let signalled = self
            .signalled
            .or(rtp.signalled)
            .ok_or(Drop::NoRemoteDescription)?;
        if from == signalled {
            self.heard = Heard::Peer(from);
            return Ok(());
        }
        match (&self.heard, &rtp.heard) {
            (Heard::Peer(peer), _) if *peer == from => Ok(()),
            (Heard::Peer(_), _) => Err(Drop::WrongSource),
            (_, Heard::Peer(peer)) if peer.ip() == from.ip() && !strict => {
                self.heard = Heard::Peer(from);
                Ok(())
            }
            _ => Err(Drop::WrongSource),
        }
    }

    /// Takes the source of a packet whose tag held. The proof is what makes this safe to call.
    pub(super) fn learn<T>(&mut self, from: SocketAddr, _proof: &Authentic<T>) {
        if !matches!(self.heard, Heard::Peer(_)) || self.signalled == Some(from) {
            self.heard = Heard::Peer(from);
        }
    }

    fn consider(&mut self, from: SocketAddr, at: StreamPosition) -> Result<(), Drop> {
        let packets = match self.heard {
            Heard::Candidate {
                from: candidate,
                ssrc,
                sequence,
                packets,
            } if candidate == from
                && ssrc == at.ssrc
                && at.sequence == sequence.wrapping_add(1) =>
            {
                packets.saturating_add(1)
            }
            _ => 1,
        };
        if packets >= LEARN_AFTER {
            self.heard = Heard::Peer(from);
            return Ok(());
        }
        self.heard = Heard::Candidate {
            from,
            ssrc: at.ssrc,
            sequence: at.sequence,
            packets,
        };
        Err(Drop::WrongSource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u16) -> StreamPosition {
        StreamPosition { ssrc: 1, sequence }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn signalled() -> PeerAddress {
        let mut peer = PeerAddress::default();
        peer.signal(Some(address("192.168.1.2:4000")));
        peer
    }

    #[test]
    fn nobody_is_heard_before_the_sdp() {
        let mut peer = PeerAddress::default();
        for sequence in 0..100 {
            assert_eq!(
                peer.admit(address("198.51.100.66:9"), at(sequence), false),
                Err(Drop::NoRemoteDescription)
            );
        }
        assert_eq!(peer.destination(), None);
    }

    #[test]
    fn a_phone_behind_nat_is_learned_once_and_a_second_stranger_never() {
        let mut peer = signalled();
        let nat = address("203.0.113.9:31000");
        for sequence in 10..14 {
            assert_eq!(peer.admit(nat, at(sequence), false), Err(Drop::WrongSource));
            assert_eq!(peer.destination(), Some(address("192.168.1.2:4000")));
        }
        assert_eq!(peer.admit(nat, at(14), false), Ok(()));
        assert_eq!(peer.destination(), Some(nat));
        for sequence in 0..100 {
            assert_eq!(
                peer.admit(address("198.51.100.66:9"), at(sequence), false),
                Err(Drop::WrongSource)
            );
        }
        assert_eq!(peer.destination(), Some(nat));
    }

    #[test]
    fn a_strict_leg_learns_from_nobody() {
        let mut peer = signalled();
        for sequence in 0..100 {
            assert_eq!(
                peer.admit(address("203.0.113.9:31000"), at(sequence), true),
                Err(Drop::WrongSource)
            );
        }
        assert_eq!(peer.destination(), Some(address("192.168.1.2:4000")));
    }

    #[test]
    fn the_address_of_the_sdp_takes_its_stream_back() {
        let mut peer = signalled();
        for sequence in 0..5 {
            let _ = peer.admit(address("198.51.100.66:9"), at(sequence), false);
        }
        assert_eq!(peer.destination(), Some(address("198.51.100.66:9")));
        assert_eq!(
            peer.admit(address("192.168.1.2:4000"), at(70), false),
            Ok(())
        );
        assert_eq!(peer.destination(), Some(address("192.168.1.2:4000")));
        for sequence in 5..50 {
            assert_eq!(
                peer.admit(address("198.51.100.66:9"), at(sequence), false),
                Err(Drop::WrongSource)
            );
        }
    }

    #[test]
    fn a_sprayer_with_random_sequence_numbers_is_not_learned() {
        let mut peer = signalled();
        for sequence in (0..1000).map(|i: u16| i.wrapping_mul(7919)) {
            assert_eq!(
                peer.admit(address("198.51.100.66:9"), at(sequence), false),
                Err(Drop::WrongSource)
            );
        }
    }

    #[test]
    fn the_same_sdp_again_keeps_what_was_learned_and_another_forgets_it() {
        let mut peer = signalled();
        let nat = address("203.0.113.9:31000");
        for sequence in 0..5 {
            let _ = peer.admit(nat, at(sequence), false);
        }
        peer.signal(Some(address("192.168.1.2:4000")));
        assert_eq!(peer.destination(), Some(nat));
        peer.signal(Some(address("192.168.1.2:4002")));
        assert_eq!(peer.destination(), Some(address("192.168.1.2:4002")));
    }

    #[test]
    fn rtcp_follows_the_address_of_rtp_but_may_have_its_own_port() {
        let (mut rtp, mut rtcp) = (signalled(), PeerAddress::default());
        rtcp.signal(Some(address("192.168.1.2:4001")));
        assert_eq!(
            rtcp.admit_rtcp(address("203.0.113.9:31001"), &rtp, false),
            Err(Drop::WrongSource)
        );
        for sequence in 0..5 {
            let _ = rtp.admit(address("203.0.113.9:31000"), at(sequence), false);
        }
        assert_eq!(
            rtcp.admit_rtcp(address("198.51.100.66:9"), &rtp, false),
            Err(Drop::WrongSource)
        );
        assert_eq!(
            rtcp.admit_rtcp(address("203.0.113.9:31001"), &rtp, false),
            Ok(())
        );
        assert_eq!(rtcp.destination(), Some(address("203.0.113.9:31001")));
    }
}
