//! Secrets of a connection (RFC 5246 section 8, RFC 7627): the master secret and what follows from it.

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::parameters::Cipher;
use super::record::Protection;

/// Length of a master secret.
const MASTER: usize = 48;
/// Length of what a Finished proves with.
pub(crate) const VERIFY_DATA: usize = 12;
/// The part of the nonce that both know and nobody sends (RFC 5288 section 3).
const SALT: usize = 4;

/// The randoms of both hellos.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Randoms {
    pub(crate) client: [u8; 32],
    pub(crate) server: [u8; 32],
}

/// Whose Finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Client,
    Server,
}

impl Party {
    pub(crate) fn peer(self) -> Self {
        match self {
            Party::Client => Party::Server,
            Party::Server => Party::Client,
        }
    }
}

/// The master secret with what it was made for.
pub(crate) struct Secrets {
    master: Zeroizing<[u8; MASTER]>,
    cipher: Cipher,
    randoms: Randoms,
}

impl Secrets {
    /// The extended master secret (RFC 7627 section 4) over the messages up to the ClientKeyExchange.
    pub(crate) fn new(
        cipher: Cipher,
        randoms: Randoms,
        premaster: &[u8],
        transcript: &[u8],
    ) -> Self {
        let session = digest::digest(cipher.hash(), transcript);
        let mut master = Zeroizing::new([0; MASTER]);
        let label = b"extended master secret";
        prf(cipher, premaster, label, &[session.as_ref()], &mut *master);
        Secrets {
            master,
            cipher,
            randoms,
        }
    }

    /// The keys of one direction, none if the library refuses them.
    pub(crate) fn protection(&self, of: Party) -> Option<Protection> {
        let key = self.cipher.aead().key_len();
        let mut block = Zeroizing::new(vec![0; key.saturating_add(SALT).saturating_mul(2)]);
        let Randoms { client, server } = &self.randoms;
        let seed: [&[u8]; 2] = [server, client];
        prf(
            self.cipher,
            &*self.master,
            b"key expansion",
            &seed,
            &mut block,
        );
        let (keys, salts) = block.split_at_checked(key.saturating_mul(2))?;
        let (client_key, server_key) = keys.split_at_checked(key)?;
        let (client_salt, server_salt) = salts.split_at_checked(SALT)?;
        let (key, salt) = match of {
            Party::Client => (client_key, client_salt),
            Party::Server => (server_key, server_salt),
        };
        Protection::new(self.cipher.aead(), key, salt.try_into().ok()?)
    }

    /// What this party's Finished must say after these messages.
    pub(crate) fn verify_data(&self, of: Party, transcript: &[u8]) -> [u8; VERIFY_DATA] {
        let label: &[u8] = match of {
            Party::Client => b"client finished",
            Party::Server => b"server finished",
        };
        let hash = digest::digest(self.cipher.hash(), transcript);
        let mut data = [0; VERIFY_DATA];
        prf(
            self.cipher,
            &*self.master,
            label,
            &[hash.as_ref()],
            &mut data,
        );
        data
    }

    /// Keying material for SRTP (RFC 5705, RFC 5764 section 4.2).
    pub(crate) fn exported(&self, length: usize) -> Vec<u8> {
        let mut material = vec![0; length];
        let Randoms { client, server } = &self.randoms;
        let seed: [&[u8]; 2] = [client, server];
        let label = b"EXTRACTOR-dtls_srtp";
        prf(self.cipher, &*self.master, label, &seed, &mut material);
        material
    }
}

/// The pseudo-random function of TLS 1.2 (RFC 5246 section 5).
fn prf(cipher: Cipher, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let key = hmac::Key::new(cipher.hmac(), secret);
    let sign = |before: Option<&hmac::Tag>, with_seed: bool| {
        let mut context = hmac::Context::with_key(&key);
        if let Some(before) = before {
            context.update(before.as_ref());
        }
        if with_seed {
            context.update(label);
            seed.iter().for_each(|part| context.update(part));
        }
        context.sign()
    };
    let mut round = sign(None, true);
    for chunk in out.chunks_mut(cipher.hash().output_len()) {
        let block = sign(Some(&round), true);
        for (byte, made) in chunk.iter_mut().zip(block.as_ref()) {
            *byte = *made;
        }
        round = sign(Some(&round), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of TLS 1.2's PRF that the IETF's TLS working group published for SHA-256.
    #[test]
    fn the_pseudo_random_function_is_tls_12s() {
        let secret = hex("9bbe436ba940f017b17652849a71db35");
        let seed = hex("a0ba9f936cda311827a6f796ffd5198c");
        let mut out = [0; 100];
        let label = b"test label";
        prf(Cipher::Aes128GcmSha256, &secret, label, &[&seed], &mut out);
        assert_eq!(out[..16], hex("e3f229ba727be17b8d122620557cd453"));
        assert_eq!(out[96..], hex("87347b66"));
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }
}
