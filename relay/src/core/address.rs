//! Where a leg's peer is: what its SDP said, what was heard, and when the one may overrule the other.
//!
//! The rules that keep a stranger from taking a stream over (RTP bleed, CVE-2025-53399):
//! - before the peer's SDP is known, nobody is listened to;
//! - on a secure leg only a packet whose tag held ([`Authentic`]) is believed, and only the first one;
//! - on a plain leg the address in the SDP is believed. A phone behind NAT sends from another one: it is believed
//!   once, soon after signalling, after several packets in sequence, where its SDP has a private address or only
//!   the port is another; and never on a strict leg;
//! - whoever sends from the address in the SDP always wins, for good;
//! - after that only new signalling, or a new ICE pair, changes anything.
//!
//! A command may ask for other rules, see [`learning`](super::learning).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::Drop;
use super::authentic::Authentic;
use super::learning::{Learning, Strangers};

/// How long after an offer or answer a phone behind NAT may be learned. Whoever has not spoken by then speaks from
/// where its SDP says.
const LEARN_WITHIN: Duration = Duration::from_secs(30);

/// What the peer of one transport is known by.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerAddress {
    signalled: Option<SocketAddr>,
    /// The peer: nobody else is listened to on a plain leg.
    heard: Option<SocketAddr>,
    candidate: Option<Candidate>,
    learning: Learning,
    learn_until: Option<Instant>,
}

/// A stranger, who has sent this many packets in sequence.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    packets: u8,
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
            self.forget();
        }
    }

    /// How it is learned from now on.
    pub(super) fn obey(&mut self, learning: Learning) {
        self.learning = learning;
    }

    /// Forgets whatever was learned.
    pub(super) fn forget(&mut self) {
        self.heard = None;
        self.candidate = None;
    }

    /// An offer or answer has passed: the peer may speak for the first time from now on.
    pub(super) fn expect(&mut self, now: Instant) {
        self.learn_until = now.checked_add(LEARN_WITHIN);
    }

    /// Where packets for the peer go.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        let learned = self.heard.filter(|_| !self.learning.asymmetric);
        learned.or(self.signalled)
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
        now: Instant,
    ) -> Result<(), Drop> {
        let signalled = self.signalled.ok_or(Drop::NoRemoteDescription)?;
        if from == signalled {
            (self.heard, self.candidate) = (Some(from), None);
            return Ok(());
        }
        if self.heard == Some(from) {
            return Ok(());
        }
        let follows = self.learning.handover;
        let in_time = follows || self.learn_until.is_some_and(|until| now <= until);
        let may_be_it = match self.learning.from {
            Strangers::Nobody => false,
            Strangers::Likely => follows || may_be_behind_nat(signalled.ip(), from.ip()),
            Strangers::Anybody => true,
        };
        if strict || !in_time || !may_be_it || (self.heard.is_some() && !follows) {
            return Err(Drop::WrongSource);
        }
        self.consider(from, position)
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
        if from == signalled || self.heard == Some(from) {
            self.heard = Some(from);
            return Ok(());
        }
        let is_beside_rtp = rtp.heard.is_some_and(|rtp| rtp.ip() == from.ip());
        let is_free = self.heard.is_none() || self.learning.handover;
        if is_beside_rtp && is_free && !strict {
            self.heard = Some(from);
            return Ok(());
        }
        Err(Drop::WrongSource)
    }

    /// Takes the source of a packet whose tag held. The proof is what makes this safe to call.
    pub(super) fn learn<T>(&mut self, from: SocketAddr, _proof: &Authentic<T>) {
        if self.heard.is_none() || self.learning.handover || self.signalled == Some(from) {
            self.heard = Some(from);
        }
    }

    /// One more packet of a stranger. Who speaks from the address of the SDP, through another port, is not put off
    /// by others.
    fn consider(&mut self, from: SocketAddr, at: StreamPosition) -> Result<(), Drop> {
        let is_near = |address: SocketAddr| {
            self.signalled
                .is_some_and(|signalled| signalled.ip() == address.ip())
        };
        let packets = match self.candidate {
            Some(candidate)
                if candidate.from == from
                    && candidate.ssrc == at.ssrc
                    && at.sequence == candidate.sequence.wrapping_add(1) =>
            {
                candidate.packets.saturating_add(1)
            }
            Some(candidate) if is_near(candidate.from) && !is_near(from) => {
                return Err(Drop::WrongSource);
            }
            _ => 1,
        };
        if packets >= self.learning.packets {
            (self.heard, self.candidate) = (Some(from), None);
            return Ok(());
        }
        self.candidate = Some(Candidate {
            from,
            ssrc: at.ssrc,
            sequence: at.sequence,
            packets,
        });
        Err(Drop::WrongSource)
    }
}

/// A phone with a public address of its own sends from it, perhaps through another port.
fn may_be_behind_nat(signalled: IpAddr, from: IpAddr) -> bool {
    let private = match signalled {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || is_shared(v4.octets()),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    private || signalled == from
}

/// 100.64/10, what carriers put their customers behind (RFC 6598).
fn is_shared([a, b, ..]: [u8; 4]) -> bool {
    a == 100 && (64..128).contains(&b)
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
        signalled_as("192.168.1.2:4000")
    }

    fn signalled_as(text: &str) -> PeerAddress {
        let mut peer = PeerAddress::default();
        peer.signal(Some(address(text)));
        peer.expect(Instant::now());
        peer
    }

    #[test]
    fn a_phone_with_a_public_address_is_learned_only_at_that_address() {
        let mut peer = signalled_as("198.51.100.7:4000");
        for sequence in 0..100 {
            let from = address("203.0.113.9:31000");
            assert_eq!(
                peer.admit(from, at(sequence), false, Instant::now()),
                Err(Drop::WrongSource)
            );
        }
        let other_port = address("198.51.100.7:4400");
        for sequence in 0..5 {
            let _ = peer.admit(other_port, at(sequence), false, Instant::now());
        }
        assert_eq!(peer.destination(), Some(other_port));
    }

    #[test]
    fn nobody_is_learned_long_after_signalling() {
        let mut peer = signalled();
        let late = Instant::now() + LEARN_WITHIN + Duration::from_secs(1);
        for sequence in 0..100 {
            let from = address("203.0.113.9:31000");
            assert_eq!(
                peer.admit(from, at(sequence), false, late),
                Err(Drop::WrongSource)
            );
        }
        assert_eq!(
            peer.admit(address("192.168.1.2:4000"), at(1), false, late),
            Ok(())
        );
    }

    #[test]
    fn nobody_is_heard_before_the_sdp() {
        let mut peer = PeerAddress::default();
        for sequence in 0..100 {
            assert_eq!(
                peer.admit(
                    address("198.51.100.66:9"),
                    at(sequence),
                    false,
                    Instant::now()
                ),
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
            assert_eq!(
                peer.admit(nat, at(sequence), false, Instant::now()),
                Err(Drop::WrongSource)
            );
            assert_eq!(peer.destination(), Some(address("192.168.1.2:4000")));
        }
        assert_eq!(peer.admit(nat, at(14), false, Instant::now()), Ok(()));
        assert_eq!(peer.destination(), Some(nat));
        for sequence in 0..100 {
            assert_eq!(
                peer.admit(
                    address("198.51.100.66:9"),
                    at(sequence),
                    false,
                    Instant::now()
                ),
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
                peer.admit(
                    address("203.0.113.9:31000"),
                    at(sequence),
                    true,
                    Instant::now()
                ),
                Err(Drop::WrongSource)
            );
        }
        assert_eq!(peer.destination(), Some(address("192.168.1.2:4000")));
    }

    #[test]
    fn the_address_of_the_sdp_takes_its_stream_back() {
        let mut peer = signalled();
        for sequence in 0..5 {
            let _ = peer.admit(
                address("198.51.100.66:9"),
                at(sequence),
                false,
                Instant::now(),
            );
        }
        assert_eq!(peer.destination(), Some(address("198.51.100.66:9")));
        assert_eq!(
            peer.admit(address("192.168.1.2:4000"), at(70), false, Instant::now()),
            Ok(())
        );
        assert_eq!(peer.destination(), Some(address("192.168.1.2:4000")));
        for sequence in 5..50 {
            assert_eq!(
                peer.admit(
                    address("198.51.100.66:9"),
                    at(sequence),
                    false,
                    Instant::now()
                ),
                Err(Drop::WrongSource)
            );
        }
    }

    #[test]
    fn a_sprayer_with_random_sequence_numbers_is_not_learned() {
        let mut peer = signalled();
        for sequence in (0..1000).map(|i: u16| i.wrapping_mul(7919)) {
            assert_eq!(
                peer.admit(
                    address("198.51.100.66:9"),
                    at(sequence),
                    false,
                    Instant::now()
                ),
                Err(Drop::WrongSource)
            );
        }
    }

    #[test]
    fn the_same_sdp_again_keeps_what_was_learned_and_another_forgets_it() {
        let mut peer = signalled();
        let nat = address("203.0.113.9:31000");
        for sequence in 0..5 {
            let _ = peer.admit(nat, at(sequence), false, Instant::now());
        }
        peer.signal(Some(address("192.168.1.2:4000")));
        assert_eq!(peer.destination(), Some(nat));
        peer.signal(Some(address("192.168.1.2:4002")));
        assert_eq!(peer.destination(), Some(address("192.168.1.2:4002")));
    }

    fn learning(change: impl FnOnce(&mut Learning)) -> PeerAddress {
        let mut peer = signalled_as("198.51.100.7:4000");
        let mut learning = Learning::default();
        change(&mut learning);
        peer.obey(learning);
        peer
    }

    /// The packets of the stream that are let in.
    fn admitted(peer: &mut PeerAddress, from: &str, sequences: std::ops::Range<u16>) -> usize {
        let admit = |sequence: &u16| {
            peer.admit(address(from), at(*sequence), false, Instant::now())
                .is_ok()
        };
        sequences.filter(admit).count()
    }

    #[test]
    fn a_peer_that_is_asymmetric_is_heard_from_elsewhere_and_sent_to_as_it_said() {
        let mut peer = learning(|learning| {
            (learning.asymmetric, learning.from) = (true, Strangers::Anybody);
        });
        assert_eq!(admitted(&mut peer, "203.0.113.9:31000", 0..10), 6);
        assert_eq!(peer.destination(), Some(address("198.51.100.7:4000")));
        assert_eq!(admitted(&mut peer, "203.0.113.66:31000", 0..10), 0);
    }

    #[test]
    fn a_peer_that_moves_is_followed_only_where_that_was_asked_for() {
        for handover in [false, true] {
            let mut peer = learning(|learning| learning.handover = handover);
            assert_eq!(admitted(&mut peer, "198.51.100.7:4000", 0..10), 10);
            let moved = admitted(&mut peer, "203.0.113.9:31000", 10..20);
            assert_eq!(moved, if handover { 6 } else { 0 });
            let to = ["198.51.100.7:4000", "203.0.113.9:31000"][usize::from(handover)];
            assert_eq!(peer.destination(), Some(address(to)));
        }
    }

    #[test]
    fn immediate_takes_the_first_packet() {
        let mut peer = learning(|learning| {
            (learning.packets, learning.from) = (1, Strangers::Anybody);
        });
        assert_eq!(admitted(&mut peer, "203.0.113.9:31000", 0..10), 10);
        assert_eq!(admitted(&mut peer, "203.0.113.66:31000", 0..10), 0);
    }

    #[test]
    fn whoever_is_nearer_to_the_sdp_is_not_put_off_by_others() {
        let mut peer = learning(|learning| learning.from = Strangers::Anybody);
        for sequence in 0..5 {
            let _ = admitted(&mut peer, "198.51.100.7:4400", sequence..sequence + 1);
            let _ = admitted(&mut peer, "203.0.113.66:31000", sequence..sequence + 1);
        }
        assert_eq!(peer.destination(), Some(address("198.51.100.7:4400")));
    }

    #[test]
    fn what_was_learned_can_be_forgotten() {
        let mut peer = signalled();
        assert_eq!(admitted(&mut peer, "203.0.113.9:31000", 0..5), 1);
        peer.forget();
        assert_eq!(peer.destination(), Some(address("192.168.1.2:4000")));
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
            let _ = rtp.admit(
                address("203.0.113.9:31000"),
                at(sequence),
                false,
                Instant::now(),
            );
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
