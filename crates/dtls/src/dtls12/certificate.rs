//! The key in a peer's certificate, and what it has signed. Nothing else of a certificate is believed: it is self-signed,
//! and known by its fingerprint.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

use super::wire::Reader;

/// With which our own key signs: `ecdsa_secp256r1_sha256`.
pub(crate) const OURS: u16 = 0x0403;

/// The signatures that are accepted, in the order of preference (RFC 8446 section 4.2.3; all of them may be used in
/// 1.2). Neither SHA-1 nor MD5, no RSA key shorter than 2048 bits.
pub(crate) const SCHEMES: [u16; 9] = [
    OURS, 0x0503, 0x0603, // ECDSA with SHA-256, 384, 512
    0x0804, 0x0805, 0x0806, // RSA-PSS with the same
    0x0401, 0x0501, 0x0601, // RSA PKCS #1 with the same
];

/// The scheme is one of RSA's.
pub(crate) fn is_rsa(scheme: u16) -> bool {
    SCHEMES.contains(&scheme) && scheme & 0xff != 3
}

/// The holder of the certificate's key has signed `message`.
pub(crate) fn has_signed(
    certificate: &[u8],
    scheme: u16,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let Some(key) = public_key(certificate) else {
        return false;
    };
    // In 1.2 a hash goes with any curve; the key knows its own and refuses another.
    algorithms(scheme).iter().any(|algorithm| {
        UnparsedPublicKey::new(*algorithm, key)
            .verify(message, signature)
            .is_ok()
    })
}

fn algorithms(scheme: u16) -> &'static [&'static dyn VerificationAlgorithm] {
    match scheme {
        0x0403 => &[
            &ECDSA_P256_SHA256_ASN1,
            &ECDSA_P384_SHA256_ASN1,
            &ECDSA_P521_SHA256_ASN1,
        ],
        0x0503 => &[
            &ECDSA_P256_SHA384_ASN1,
            &ECDSA_P384_SHA384_ASN1,
            &ECDSA_P521_SHA384_ASN1,
        ],
        0x0603 => &[
            &ECDSA_P256_SHA512_ASN1,
            &ECDSA_P384_SHA512_ASN1,
            &ECDSA_P521_SHA512_ASN1,
        ],
        0x0804 => &[&RSA_PSS_2048_8192_SHA256],
        0x0805 => &[&RSA_PSS_2048_8192_SHA384],
        0x0806 => &[&RSA_PSS_2048_8192_SHA512],
        0x0401 => &[&RSA_PKCS1_2048_8192_SHA256],
        0x0501 => &[&RSA_PKCS1_2048_8192_SHA384],
        0x0601 => &[&RSA_PKCS1_2048_8192_SHA512],
        _ => &[],
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;

/// The SubjectPublicKeyInfo of an X.509 certificate (RFC 5280 section 4.1), as it stands.
fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let mut outer = Reader::new(certificate);
    let mut signed = Reader::new(element(&mut outer, SEQUENCE)?.content);
    let mut fields = Reader::new(element(&mut signed, SEQUENCE)?.content);
    let mut ahead = fields;
    if element(&mut ahead, VERSION).is_some() {
        fields = ahead;
    }
    element(&mut fields, INTEGER)?; // serial number
    for _ in ["signature", "issuer", "validity", "subject"] {
        element(&mut fields, SEQUENCE)?;
    }
    Some(element(&mut fields, SEQUENCE)?.whole)
}

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

/// One element of DER with this tag.
fn element<'a>(reader: &mut Reader<'a>, tag: u8) -> Option<Element<'a>> {
    let mut whole = *reader;
    if reader.u8()? != tag {
        return None;
    }
    let (head, length) = match reader.u8()? {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(reader.u8()?)),
        0x82 => (4, usize::from(reader.u16()?)),
        _ => return None, // nothing in a handshake message is longer
    };
    let content = reader.take(length)?;
    let whole = whole.take(length.checked_add(head)?)?;
    Some(Element { whole, content })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};

    use super::*;
    use crate::Identity;

    #[test]
    fn a_signature_counts_only_for_its_key_scheme_and_message() {
        let (ours, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, ours.private_key()).unwrap();
        let signature = key.sign(&SystemRandom::new(), b"abc").unwrap();
        let signature = signature.as_ref();
        assert!(has_signed(ours.certificate(), OURS, b"abc", signature));
        assert!(!has_signed(ours.certificate(), OURS, b"abd", signature));
        assert!(!has_signed(other.certificate(), OURS, b"abc", signature));
        for scheme in [0x0503, 0x0804, 0x0401, 0x0201, 0x0101, 0] {
            assert!(!has_signed(ours.certificate(), scheme, b"abc", signature));
        }
    }

    #[test]
    fn a_certificate_cut_or_spoilt_anywhere_has_no_key_or_one_that_signed_nothing() {
        let ours = Identity::generate().unwrap();
        for cut in 0..ours.certificate().len() {
            let mut spoilt = ours.certificate().to_vec();
            spoilt[cut] ^= 0x80;
            assert!(!has_signed(&spoilt, OURS, b"abc", b"no signature"));
            spoilt.truncate(cut);
            assert_eq!(public_key(&spoilt), None);
        }
    }

    #[test]
    fn old_hashes_and_old_keys_are_not_offered() {
        assert!(SCHEMES.iter().all(|scheme| !algorithms(*scheme).is_empty()));
        for old in [0x0101, 0x0201, 0x0203] {
            assert!(algorithms(old).is_empty());
            assert!(!is_rsa(old));
        }
        assert!(is_rsa(0x0401) && is_rsa(0x0806) && !is_rsa(OURS));
    }
}
