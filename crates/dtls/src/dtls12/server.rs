//! The server's side: a ClientHello answered with flight 4, a client's flight 5 judged.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::rand;
use srtp::Suite;

use super::certificate::{OURS, SCHEMES, has_signed};
use super::hello::{ClientHello, ServerHello};
use super::parameters::{Cipher, ECDSA_SUITES, GROUPS, group};
use super::reassembly::Message;
use super::secrets::{Randoms, Secrets};
use super::transcript::Transcript;
use super::wire::{Reader, put_numbers, put_u24, put_vector8, put_vector16};
use super::{Agreed, Refusal, kind};
use crate::Identity;

/// "DOWNGRD" and 1: a client that can do 1.3, whose hello somebody has cut down, ends here (RFC 8446 section 4.1.3).
const NOT_13: [u8; 8] = [0x44, 0x4f, 0x57, 0x4e, 0x47, 0x52, 0x44, 1];
/// Types of certificate that are asked for: ecdsa_sign, rsa_sign.
const CERTIFICATE_TYPES: [u8; 2] = [64, 1];
pub(crate) const NAMED_CURVE: u8 = 3;

/// What has been agreed to in flight 4.
pub(super) struct Waiting {
    cipher: Cipher,
    randoms: Randoms,
    profile: Option<Suite>,
    key: PrivateKey,
}

/// Messages without numbers: kinds and bodies.
type Unsaid = Vec<(u8, Vec<u8>)>;

/// Flight 4 for a ClientHello.
pub(super) fn answer(
    flight: &[Message],
    identity: &Identity,
) -> Result<(Waiting, Unsaid), Refusal> {
    let [message] = flight else {
        return Err("more than a ClientHello");
    };
    if message.kind != kind::CLIENT_HELLO {
        return Err("not a ClientHello");
    }
    let hello = ClientHello::parse(&message.body).ok_or("a malformed ClientHello")?;
    let offered = |suite: &&(u16, Cipher)| hello.suites.contains(&suite.0);
    let (suite, cipher) = *ECDSA_SUITES.iter().find(offered).ok_or("no cipher suite")?;
    if !hello.has_extended_master_secret {
        return Err("no extended master secret");
    }
    // Without a list, SHA-1 is meant.
    if !hello.schemes.contains(&OURS) {
        return Err("no signature of ours is accepted");
    }
    let offered = |code: &&u16| hello.groups.contains(code);
    let code = *GROUPS.iter().find(offered).ok_or("no group")?;
    let key = PrivateKey::generate(group(code).ok_or("no group")?).map_err(|_| "no key")?;
    let waiting = Waiting {
        cipher,
        randoms: Randoms {
            client: hello.random,
            server: server_random()?,
        },
        profile: hello.profile(),
        key,
    };
    let server_hello = ServerHello {
        random: waiting.randoms.server,
        suite,
        profile: waiting.profile,
        has_extended_master_secret: true,
    };
    let flight = vec![
        (kind::SERVER_HELLO, server_hello.write(&hello)),
        (kind::CERTIFICATE, certificate(identity)),
        (
            kind::SERVER_KEY_EXCHANGE,
            key_exchange(code, &waiting, identity)?,
        ),
        (kind::CERTIFICATE_REQUEST, certificate_request()),
        (kind::SERVER_HELLO_DONE, Vec::new()),
    ];
    Ok((waiting, flight))
}

/// Judges a flight 5 as far as it has come: Certificate, ClientKeyExchange, CertificateVerify. `None` when there is
/// more to come.
pub(super) fn take(
    waiting: &Waiting,
    flight: &[Message],
    transcript: &Transcript,
) -> Result<Option<Agreed>, Refusal> {
    const KINDS: [u8; 3] = [
        kind::CERTIFICATE,
        kind::CLIENT_KEY_EXCHANGE,
        kind::CERTIFICATE_VERIFY,
    ];
    if flight
        .iter()
        .zip(KINDS)
        .any(|(message, kind)| message.kind != kind)
    {
        return Err("a message out of order");
    }
    let [certificate, exchange, proof] = flight else {
        return Ok(None);
    };
    let certificate = first_certificate(&certificate.body).ok_or("no certificate")?;
    let signed = transcript.with(flight.get(..2).unwrap_or_default());
    let (scheme, signature) = signature(&proof.body).ok_or("a malformed CertificateVerify")?;
    if !has_signed(certificate, scheme, &signed, signature) {
        return Err("the certificate's key has not signed the handshake");
    }
    let mut reader = Reader::new(&exchange.body);
    let point = reader.vector8().ok_or("a malformed ClientKeyExchange")?;
    let secrets = secrets(
        &waiting.key,
        point,
        waiting.cipher,
        waiting.randoms,
        &signed,
    )?;
    Ok(Some(Agreed {
        secrets,
        profile: waiting.profile,
        certificate: certificate.to_vec(),
    }))
}

/// What both keys make; the library refuses points that are not on the curve, or that would make nothing.
pub(super) fn secrets(
    ours: &PrivateKey,
    theirs: &[u8],
    cipher: Cipher,
    randoms: Randoms,
    transcript: &[u8],
) -> Result<Secrets, Refusal> {
    let theirs = UnparsedPublicKey::new(ours.algorithm(), theirs);
    agree(ours, theirs, "a bad public key", |premaster| {
        Ok(Secrets::new(cipher, randoms, premaster, transcript))
    })
}

/// Our certificate as a message.
pub(super) fn certificate(identity: &Identity) -> Vec<u8> {
    let der = identity.certificate();
    let mut out = Vec::new();
    put_u24(&mut out, der.len().saturating_add(3));
    put_u24(&mut out, der.len());
    out.extend(der);
    out
}

/// The certificate of the one who speaks; those of its chain prove nothing to us.
pub(super) fn first_certificate(body: &[u8]) -> Option<&[u8]> {
    let mut list = Reader::new(Reader::new(body).vector24()?);
    list.vector24()
}

/// A scheme and a signature, and nothing behind them.
pub(super) fn signature(body: &[u8]) -> Option<(u16, &[u8])> {
    let mut reader = Reader::new(body);
    let signature = (reader.u16()?, reader.vector16()?);
    reader.end()?;
    Some(signature)
}

/// What the signature of a ServerKeyExchange covers.
pub(super) fn signed_parameters(randoms: &Randoms, parameters: &[u8]) -> Vec<u8> {
    [&randoms.client[..], &randoms.server, parameters].concat()
}

/// Our signature as it stands in messages.
pub(super) fn put_signature(
    out: &mut Vec<u8>,
    identity: &Identity,
    message: &[u8],
) -> Result<(), Refusal> {
    let signature = identity.sign(message).ok_or("our key does not sign")?;
    out.extend(OURS.to_be_bytes());
    put_vector16(out, |out| out.extend(signature));
    Ok(())
}

fn key_exchange(group: u16, waiting: &Waiting, identity: &Identity) -> Result<Vec<u8>, Refusal> {
    let point = waiting.key.compute_public_key().map_err(|_| "no key")?;
    let mut out = vec![NAMED_CURVE];
    out.extend(group.to_be_bytes());
    put_vector8(&mut out, point.as_ref());
    let signed = signed_parameters(&waiting.randoms, &out);
    put_signature(&mut out, identity, &signed)?;
    Ok(out)
}

fn certificate_request() -> Vec<u8> {
    let mut out = Vec::new();
    put_vector8(&mut out, &CERTIFICATE_TYPES);
    put_vector16(&mut out, |out| put_numbers(out, SCHEMES));
    put_vector16(&mut out, |_| {}); // of any authority, or of none
    out
}

fn server_random() -> Result<[u8; 32], Refusal> {
    let mut random = [0; 32];
    rand::fill(&mut random).map_err(|_| "no randomness")?;
    let tail = random.iter_mut().rev().zip(NOT_13.iter().rev());
    tail.for_each(|(to, from)| *to = *from);
    Ok(random)
}
