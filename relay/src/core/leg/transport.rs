//! One port of a leg with all that is keyed to it.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use srtp::{Inbound, MasterKey, Outbound, Refused, Rejected, Suite};

use super::handshake::Handshake;
use super::mki::Mki;
use super::numbering::Numbering;

use crate::core::address::PeerAddress;
use crate::core::ports::Bound;
use crate::core::{Counters, SocketId};

/// One port of a leg: its socket, its peer, and what runs between them.
pub(crate) struct Transport {
    /// The socket that the SDP names.
    pub(crate) bound: Bound,
    /// With ICE: sockets on the other addresses of the interface, each a candidate.
    pub(crate) beside: Vec<Beside>,
    /// Where packets leave: the socket of the selected pair, or else the one that the SDP names.
    pub(crate) out: SocketId,
    /// The TOS byte that the sockets were given.
    pub(crate) tos: u8,
    pub(crate) peer: PeerAddress,
    /// ICE, where it is used: then it alone decides who is heard and where to send.
    pub(crate) agent: Option<Box<ice::Agent>>,
    /// Whose checks pass through us, where ICE is the two sides' own.
    pub(crate) witness: Option<Box<ice::Witness>>,
    pub(crate) dtls: Box<Handshake>,
    /// Who spoke DTLS last, of those that ICE has verified, and on which socket.
    pub(crate) dtls_peer: Option<(SocketId, SocketAddr)>,
    /// Keys of this port alone: those of a DTLS association for RTCP without multiplexing (RFC 5764 section 3).
    /// All others are the leg's.
    pub(crate) keys: Option<Box<Keys>>,
    pub(crate) received: Counters,
    pub(crate) sent: Counters,
    /// When something valid last came in: media, a STUN check.
    pub(crate) last_heard: Option<Instant>,
    /// The SSRC heard last.
    pub(crate) ssrc: Option<u32>,
}

/// A socket on another address than the one that the SDP names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    pub(crate) bound: Bound,
    /// The address that the peer is told.
    pub(crate) shown: IpAddr,
}

/// The two SRTP contexts of one association. Each is kept as long as its own key stays, since roll-over counters and
/// SRTCP indices may not start anew: an index used twice under one key gives two packets away.
pub(crate) struct Keys {
    inbound: Inbound,
    outbound: Outbound,
    /// What we write into each packet, and what the peer writes.
    mki: (Option<Mki>, Option<Mki>),
    numbering: Numbering,
    kept: Box<Kept>,
}

/// What no packet asks for.
struct Kept {
    ours: MasterKey,
    theirs: MasterKey,
    /// What we sent with under keys that are not in use now. A fork that takes turns among the lines that we offered
    /// comes back to one.
    laid_by: Vec<(MasterKey, Outbound)>,
}

/// Keys laid by at most: as many as there are suites to offer.
const MAX_LAID_BY: usize = Suite::ALL.len();

impl Transport {
    pub(crate) fn new(bound: Bound) -> Self {
        Self {
            bound,
            beside: Vec::new(),
            out: bound.id,
            tos: 0,
            peer: PeerAddress::default(),
            agent: None,
            witness: None,
            dtls: Box::default(),
            dtls_peer: None,
            keys: None,
            received: Counters::default(),
            sent: Counters::default(),
            last_heard: None,
            ssrc: None,
        }
    }

    /// All its sockets, that of the SDP first.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = Bound> {
        let beside = self.beside.iter().map(|beside| beside.bound);
        std::iter::once(self.bound).chain(beside)
    }

    /// The address of one of its sockets.
    pub(crate) fn local(&self, socket: SocketId) -> SocketAddr {
        let found = self.sockets().find(|bound| bound.id == socket);
        found.unwrap_or(self.bound).at
    }

    /// The socket at one of its addresses.
    pub(crate) fn socket(&self, local: SocketAddr) -> SocketId {
        let found = self.sockets().find(|bound| bound.at == local);
        found.unwrap_or(self.bound).id
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let agent = self.agent.as_deref().and_then(ice::Agent::deadline);
        let witness = self.witness.as_deref().and_then(ice::Witness::deadline);
        agent.into_iter().chain(witness).min()
    }
}

impl Keys {
    pub(crate) fn new(ours: MasterKey, theirs: MasterKey) -> Self {
        Self {
            inbound: Inbound::new(&theirs),
            outbound: Outbound::new(&ours),
            mki: (None, None),
            numbering: Numbering::default(),
            kept: Box::new(Kept {
                ours,
                theirs,
                laid_by: Vec::new(),
            }),
        }
    }

    /// Puts these keys in place of what was there. A key that stays keeps its context.
    pub(crate) fn install(place: &mut Option<Self>, ours: MasterKey, theirs: MasterKey) {
        let Some(keys) = place else {
            *place = Some(Self::new(ours, theirs));
            return;
        };
        keys.mki = (None, None);
        if keys.kept.theirs != theirs {
            keys.inbound = Inbound::new(&theirs);
            keys.kept.theirs = theirs;
        }
        if keys.kept.ours != ours {
            keys.send_under(ours);
        }
    }

    /// Each packet says which key it is under.
    pub(crate) fn identify(&mut self, ours: Option<Mki>, theirs: Option<Mki>) {
        self.mki = (ours, theirs);
    }

    /// Verifies and decrypts an SRTP packet in place; the length of the RTP packet it held.
    pub(crate) fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let len = self.without_mki(false, packet)?;
        let packet = packet.get_mut(..len).ok_or(Rejected::TooShort)?;
        self.inbound.unprotect(packet)
    }

    /// The same for SRTCP.
    pub(crate) fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let len = self.without_mki(true, packet)?;
        let packet = packet.get_mut(..len).ok_or(Rejected::TooShort)?;
        self.inbound.unprotect_rtcp(packet)
    }

    fn without_mki(&self, rtcp: bool, packet: &mut [u8]) -> Result<usize, Rejected> {
        match self.mki.1 {
            Some(mki) => mki.take_out(self.kept.theirs.suite(), rtcp, packet),
            None => Ok(packet.len()),
        }
    }

    fn with_mki(&self, rtcp: bool, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        match self.mki.0 {
            Some(mki) => mki.put_in(self.kept.ours.suite(), rtcp, buffer, len),
            None => Ok(len),
        }
    }

    /// Protects the RTCP packet in the first `len` bytes of `buffer`; the length of the protected one.
    pub(crate) fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        let len = self.outbound.protect_rtcp(buffer, len)?;
        self.with_mki(true, buffer, len)
    }

    /// Protects the RTP packet in the first `len` bytes of `buffer`; the length of the protected one.
    pub(crate) fn protect(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        let packet = buffer.get_mut(..len).ok_or(Refused::NoRoom)?;
        self.numbering.apply(packet);
        let done = match self.outbound.protect(buffer, len) {
            Err(Refused::Stale) => {
                let highest = |ssrc| self.outbound.highest(ssrc);
                let packet = buffer.get_mut(..len).ok_or(Refused::NoRoom)?;
                if !self.numbering.was_late(packet, highest) {
                    return Err(Refused::Stale);
                }
                self.outbound.protect(buffer, len)
            }
            done => done,
        };
        self.with_mki(false, buffer, done?)
    }

    /// Whether any source was renumbered on its way out.
    pub(crate) fn has_moved(&self) -> bool {
        self.numbering.is_in_use()
    }

    /// What was added to the sequence numbers of a source on its way out.
    pub(crate) fn moved_by(&self, ssrc: u32) -> u16 {
        self.numbering.moved_by(ssrc)
    }

    pub(crate) fn suite(&self) -> Suite {
        self.kept.ours.suite()
    }

    fn send_under(&mut self, ours: MasterKey) {
        let kept = &mut *self.kept;
        let known = kept.laid_by.iter().position(|(key, _)| *key == ours);
        let context =
            known.map_or_else(|| Outbound::new(&ours), |at| kept.laid_by.swap_remove(at).1);
        let before = std::mem::replace(&mut self.outbound, context);
        if kept.laid_by.len() >= MAX_LAID_BY {
            kept.laid_by.remove(0);
        }
        let was_ours = std::mem::replace(&mut kept.ours, ours);
        kept.laid_by.push((was_ours, before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::new(Suite::AeadAes128Gcm, &[byte; 16], &[byte; 12]).unwrap()
    }

    /// The SRTCP index under which the next report leaves.
    fn next_index(keys: &mut Keys) -> u32 {
        let mut report = [0; 40];
        report[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 7]);
        let len = keys.outbound.protect_rtcp(&mut report, 8).unwrap();
        u32::from_be_bytes(*report[..len].last_chunk().unwrap()) & 0x7fff_ffff
    }

    #[test]
    fn no_index_is_used_twice_under_one_key_whatever_the_peer_does_with_its_own() {
        let mut place = None;
        Keys::install(&mut place, key(1), key(10));
        assert_eq!(next_index(place.as_mut().unwrap()), 0);
        for (ours, theirs, index) in [(1, 10, 1), (1, 11, 2), (2, 11, 0), (1, 12, 3), (2, 10, 1)] {
            Keys::install(&mut place, key(ours), key(theirs));
            let used = next_index(place.as_mut().unwrap());
            assert_eq!(used, index, "under key {ours} when the peer has {theirs}");
        }
    }
}
