//! SRTP and SRTCP: junk changes nothing, and what is protected comes out once, as it went in, and not with a bit
//! changed.

use srtp::{Inbound, MAX_OVERHEAD, MasterKey, Outbound, Source, Suite};

use crate::Reached;
use crate::pieces::pieces;

struct Scene {
    outbound: Outbound,
    inbound: Inbound,
    is_rtcp: bool,
}

pub(super) fn rtp(input: &[u8]) -> Reached {
    Scene::play(input, false)
}

pub(super) fn rtcp(input: &[u8]) -> Reached {
    Scene::play(input, true)
}

impl Scene {
    /// The first byte names the suite; each piece after it comes first as it is and then protected.
    fn play(input: &[u8], is_rtcp: bool) -> Reached {
        let Some((&number, rest)) = input.split_first() else {
            return Reached::Refused;
        };
        let suite = Suite::ALL[usize::from(number) % Suite::ALL.len()];
        let key: Vec<u8> = (0..suite.key_len() + suite.salt_len())
            .map(|at| (at as u8).wrapping_mul(37) ^ 0x5a)
            .collect();
        let key = MasterKey::from_inline(suite, &key).unwrap();
        let mut scene = Self {
            outbound: Outbound::new(&key),
            inbound: Inbound::new(&key),
            is_rtcp,
        };
        let mut taken = false;
        for piece in pieces(rest) {
            scene.refuses(piece);
            taken |= scene.passes(piece);
        }
        Reached::taken(taken)
    }

    fn refuses(&mut self, packet: &[u8]) {
        let before = self.known();
        let length = self.unprotect(&mut packet.to_vec());
        assert_eq!(length, None, "nobody has the key");
        assert_eq!(self.known(), before, "nothing is changed by it");
    }

    /// The sources and how far each has come, whichever was heard last.
    fn known(&self) -> [Vec<Source>; 2] {
        let state = self.inbound.export();
        [state.rtp, state.rtcp].map(|mut sources| {
            sources.sort_unstable_by_key(|source| source.ssrc);
            sources
        })
    }

    fn passes(&mut self, plain: &[u8]) -> bool {
        let mut buffer = [plain, &[0xee; MAX_OVERHEAD]].concat();
        let Some(length) = self.protect(&mut buffer, plain.len()) else {
            return false;
        };
        buffer.truncate(length);
        let mut spoilt = buffer.clone();
        let at = usize::from(plain[plain.len() - 1]) % length;
        spoilt[at] ^= 0x20;
        self.refuses(&spoilt);
        let protected = buffer.clone();
        let length = self.unprotect(&mut buffer).expect("it was protected");
        assert_eq!(&buffer[..length], plain);
        self.refuses(&protected);
        true
    }

    fn protect(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        if self.is_rtcp {
            self.outbound.protect_rtcp(buffer, length).ok()
        } else {
            self.outbound.protect(buffer, length).ok()
        }
    }

    fn unprotect(&mut self, packet: &mut [u8]) -> Option<usize> {
        if self.is_rtcp {
            self.inbound.unprotect_rtcp(packet).ok()
        } else {
            self.inbound.unprotect(packet).ok()
        }
    }
}
