//! The client's side: a ClientHello, a server's flight 4 judged, our flight 5.

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::rand;

use super::certificate::{has_signed, is_rsa as is_rsa_scheme};
use super::hello::{self, ServerHello};
use super::parameters::{Cipher, group, is_rsa, suites};
use super::reassembly::Message;
use super::secrets::Randoms;
use super::server::{
    NAMED_CURVE, certificate, first_certificate, put_signature, secrets, signature,
    signed_parameters,
};
use super::transcript::Transcript;
use super::wire::{Reader, put_vector8};
use super::{Agreed, Refusal, kind};
use crate::Identity;

/// What our ClientHello was made of.
pub(super) struct Waiting {
    random: [u8; 32],
}

impl Waiting {
    pub(super) fn new() -> Result<Self, Refusal> {
        let mut random = [0; 32];
        rand::fill(&mut random).map_err(|_| "no randomness")?;
        Ok(Waiting { random })
    }

    /// The ClientHello, the same each time but for the cookie (RFC 6347 section 4.2.1).
    pub(super) fn hello(&self, cookie: &[u8]) -> Vec<u8> {
        hello::client_hello(self.random, cookie)
    }
}

/// What has come of flight 4.
pub(super) enum Taken {
    /// There is more to come.
    Part,
    /// The hello is to be sent again with this.
    Cookie(Vec<u8>),
    /// All of it, and good.
    Flight(Answer),
}

/// What a good flight 4 says.
pub(super) struct Answer {
    cipher: Cipher,
    hello: ServerHello,
    certificate: Vec<u8>,
    group: u16,
    point: Vec<u8>,
    wants_certificate: bool,
}

/// Judges a flight as far as it has come: ServerHello, Certificate, ServerKeyExchange, CertificateRequest if the server
/// wants one, ServerHelloDone; or a HelloVerifyRequest alone.
pub(super) fn take(waiting: &Waiting, flight: &[Message]) -> Result<Taken, Refusal> {
    if let [only] = flight
        && only.kind == kind::HELLO_VERIFY_REQUEST
    {
        let cookie = hello::cookie(&only.body).ok_or("a malformed HelloVerifyRequest")?;
        return Ok(Taken::Cookie(cookie.to_vec()));
    }
    const KINDS: [&[u8]; 5] = [
        &[kind::SERVER_HELLO],
        &[kind::CERTIFICATE],
        &[kind::SERVER_KEY_EXCHANGE],
        &[kind::CERTIFICATE_REQUEST, kind::SERVER_HELLO_DONE],
        &[kind::SERVER_HELLO_DONE],
    ];
    if flight.len() > KINDS.len()
        || flight
            .iter()
            .zip(KINDS)
            .any(|(message, kinds)| !kinds.contains(&message.kind))
    {
        return Err("a message out of order");
    }
    let [hello, certificate, exchange, .., done] = flight else {
        return Ok(Taken::Part);
    };
    if done.kind != kind::SERVER_HELLO_DONE {
        return Ok(Taken::Part);
    }
    let mut answer = read(waiting, &hello.body, &certificate.body, &exchange.body)?;
    answer.wants_certificate = flight.len() == KINDS.len();
    Ok(Taken::Flight(answer))
}

fn read(
    waiting: &Waiting,
    hello: &[u8],
    certificate: &[u8],
    exchange: &[u8],
) -> Result<Answer, Refusal> {
    let hello = ServerHello::parse(hello).ok_or("a malformed ServerHello")?;
    let (_, cipher) = suites()
        .find(|(code, _)| *code == hello.suite)
        .ok_or("a cipher suite that was not offered")?;
    if !hello.has_extended_master_secret {
        return Err("no extended master secret");
    }
    let certificate = first_certificate(certificate).ok_or("no certificate")?;
    let exchange = exchange_of(exchange).ok_or("a malformed ServerKeyExchange")?;
    if is_rsa(hello.suite) != is_rsa_scheme(exchange.scheme) {
        return Err("a signature of another kind than the cipher suite's");
    }
    let signed = signed_parameters(&waiting.randoms(&hello), exchange.parameters);
    if !has_signed(certificate, exchange.scheme, &signed, exchange.signature) {
        return Err("the certificate's key has not signed the key exchange");
    }
    Ok(Answer {
        cipher,
        certificate: certificate.to_vec(),
        group: exchange.group,
        point: exchange.point.to_vec(),
        wants_certificate: false,
        hello,
    })
}

impl Waiting {
    fn randoms(&self, hello: &ServerHello) -> Randoms {
        Randoms {
            client: self.random,
            server: hello.random,
        }
    }
}

impl Answer {
    /// Our flight 5 up to the Finished, said in the transcript.
    pub(super) fn complete(
        self,
        waiting: &Waiting,
        identity: &Identity,
        transcript: &mut Transcript,
    ) -> Result<(Vec<Message>, Agreed), Refusal> {
        let group = group(self.group).ok_or("a group that was not offered")?;
        let key = PrivateKey::generate(group).map_err(|_| "no key")?;
        let point = key.compute_public_key().map_err(|_| "no key")?;
        let mut messages = Vec::new();
        if self.wants_certificate {
            messages.push(transcript.say(kind::CERTIFICATE, certificate(identity)));
        }
        let mut exchange = Vec::new();
        put_vector8(&mut exchange, point.as_ref());
        messages.push(transcript.say(kind::CLIENT_KEY_EXCHANGE, exchange));
        let randoms = waiting.randoms(&self.hello);
        let secrets = secrets(&key, &self.point, self.cipher, randoms, transcript.bytes())?;
        if self.wants_certificate {
            let mut proof = Vec::new();
            put_signature(&mut proof, identity, transcript.bytes())?;
            messages.push(transcript.say(kind::CERTIFICATE_VERIFY, proof));
        }
        let agreed = Agreed {
            secrets,
            profile: self.hello.profile,
            certificate: self.certificate,
        };
        Ok((messages, agreed))
    }
}

struct Exchange<'a> {
    parameters: &'a [u8],
    group: u16,
    point: &'a [u8],
    scheme: u16,
    signature: &'a [u8],
}

fn exchange_of(body: &[u8]) -> Option<Exchange<'_>> {
    let mut reader = Reader::new(body);
    reader.u8().filter(|kind| *kind == NAMED_CURVE)?;
    let (group, point) = (reader.u16()?, reader.vector8()?);
    let length = point.len().checked_add(4)?;
    let (parameters, rest) = body.split_at_checked(length)?;
    let (scheme, signature) = signature(rest)?;
    Some(Exchange {
        parameters,
        group,
        point,
        scheme,
        signature,
    })
}
