//! The proof that a packet comes from the leg's own peer.

use srtp::Rejected;

use super::Drop;
use super::leg::Keys;

/// Something that is known to come from the leg's peer. It is made here and nowhere else: by SRTP or SRTCP
/// verification. Whatever changes state because of a packet asks for one.
#[derive(Debug)]
pub(super) struct Authentic<T>(T);

impl<T> Authentic<T> {
    /// What was proved.
    pub(super) fn get(&self) -> &T {
        &self.0
    }
}

/// Verifies and decrypts an SRTP packet in place; the length of the RTP packet it held.
pub(super) fn srtp(keys: &mut Keys, packet: &mut [u8]) -> Result<Authentic<usize>, Drop> {
    keys.unprotect(packet).map(Authentic).map_err(reason)
}

/// Verifies and decrypts an SRTCP packet in place; the length of the compound packet it held.
pub(super) fn srtcp(keys: &mut Keys, packet: &mut [u8]) -> Result<Authentic<usize>, Drop> {
    keys.unprotect_rtcp(packet).map(Authentic).map_err(reason)
}

fn reason(rejected: Rejected) -> Drop {
    match rejected {
        Rejected::TooShort | Rejected::Malformed => Drop::Malformed,
        Rejected::Replayed | Rejected::Stale => Drop::Replayed,
        Rejected::Unauthentic => Drop::Unauthentic,
    }
}
