//! Session keys from the master key (RFC 3711 section 4.3, RFC 6188 section 3, RFC 7714 section 11). The key
//! derivation rate is always zero: nobody offers another, and RFC 4568 lets us refuse it.

use crate::MasterKey;
use crate::ctr::Ctr;

/// What a session key is for. With [`Part`] it makes RFC 3711 section 4.3.1's labels.
#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    Rtp,
    Rtcp,
}

/// The part of the session's keys.
#[derive(Clone, Copy)]
enum Part {
    Cipher,
    Mac,
    Salt,
}

/// The session's encryption key; `N` is 16 or 32 as the suite has it. `None`: see [`Ctr::new`]; so for all.
pub(crate) fn cipher_key<const N: usize>(
    master: &MasterKey,
    protocol: Protocol,
) -> Option<[u8; N]> {
    derive(master, protocol, Part::Cipher)
}

/// The session's HMAC-SHA1 key.
pub(crate) fn mac_key(master: &MasterKey, protocol: Protocol) -> Option<[u8; 20]> {
    derive(master, protocol, Part::Mac)
}

/// The session's salt; `N` is 14 or 12 as the suite has it.
pub(crate) fn salt<const N: usize>(master: &MasterKey, protocol: Protocol) -> Option<[u8; N]> {
    derive(master, protocol, Part::Salt)
}

fn derive<const N: usize>(master: &MasterKey, protocol: Protocol, part: Part) -> Option<[u8; N]> {
    let label: u8 = match (protocol, part) {
        (Protocol::Rtp, Part::Cipher) => 0,
        (Protocol::Rtp, Part::Mac) => 1,
        (Protocol::Rtp, Part::Salt) => 2,
        (Protocol::Rtcp, Part::Cipher) => 3,
        (Protocol::Rtcp, Part::Mac) => 4,
        (Protocol::Rtcp, Part::Salt) => 5,
    };
    // The keystream under x * 2^16, where x = key_id XOR master_salt. A salt of 12 bytes stands to the left, too
    // (RFC 7714 section 11). The label is the eighth byte of sixteen, since the index r is six bytes of zero.
    let mut salt = [0; 16];
    for (to, from) in salt.iter_mut().zip(master.salt()) {
        *to = *from;
    }
    let counter = u128::from_be_bytes(salt) ^ u128::from(label) << 64;
    let mut out = [0; N];
    Ctr::new(master.key())?.apply(counter, &mut out);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Suite;
    use crate::vectors::hex;

    #[test]
    fn rfc_3711_appendix_b_3() {
        let master = MasterKey::new(
            Suite::AesCm128HmacSha1_80,
            &hex::<16>("E1F97A0D3E018BE0D64FA32C06DE4139"),
            &hex::<14>("0EC675AD498AFEEBB6960B3AABE6"),
        )
        .unwrap();
        assert_eq!(
            cipher_key::<16>(&master, Protocol::Rtp).unwrap(),
            hex("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(
            salt::<14>(&master, Protocol::Rtp).unwrap(),
            hex("30CBBC08863D8C85D49DB34A9AE1")
        );
        // The RFC lists 94 bytes of it; HMAC-SHA1 takes the first 20.
        assert_eq!(
            mac_key(&master, Protocol::Rtp).unwrap(),
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
        );
        assert_eq!(
            derive::<94>(&master, Protocol::Rtp, Part::Mac).unwrap()[64..80],
            hex::<16>("6D6E919A48B610EF17C2041E47403576")[..]
        );
    }

    #[test]
    fn rfc_6188_section_7_2() {
        let master = MasterKey::new(
            Suite::AesCm256HmacSha1_80,
            &hex::<32>("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6"),
            &hex::<14>("3b04803de51ee7c96423ab5b78d2"),
        )
        .unwrap();
        assert_eq!(
            cipher_key::<32>(&master, Protocol::Rtp).unwrap(),
            hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4")
        );
        assert_eq!(
            salt::<14>(&master, Protocol::Rtp).unwrap(),
            hex("fa31791685ca444a9e07c6c64e93")
        );
        assert_eq!(
            mac_key(&master, Protocol::Rtp).unwrap(),
            hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05")
        );
    }
}
