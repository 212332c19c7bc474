//! An issuer of bearer tokens with his keys, and an edge that believes him.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sip::Message;

use super::super::*;
use super::bench::*;

/// What the calendar says when a bench begins.
pub(super) const TIME: u64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://login.example.com/";

/// Who signs: his key by its name.
pub(super) struct Signer {
    pub(super) key: rcgen::KeyPair,
    name: &'static str,
}

impl Signer {
    pub(super) fn new(name: &'static str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        Self { key, name }
    }

    pub(super) fn jwk(&self) -> Value {
        let point = self.key.public_key_raw();
        let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.name, "x": part(1), "y": part(33)})
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.name.to_owned());
        let key = EncodingKey::from_ec_der(&self.key.serialize_der());
        encode(&header, claims, &key).unwrap()
    }

    /// A good token for so many seconds.
    pub(super) fn good(&self, user: &str, seconds: u64) -> String {
        self.token(&claims(user, seconds))
    }
}

pub(super) fn claims(user: &str, seconds: u64) -> Value {
    json!({"iss": ISSUER, "aud": ["sip", "web"], "sub": user, "exp": TIME + seconds})
}

pub(super) fn keys(signers: &[&Signer]) -> Keys {
    let set = json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()});
    Keys::parse(set.to_string().as_bytes()).unwrap()
}

pub(super) fn sign_in(accounts: Option<&str>) -> Arc<SignIn> {
    Arc::new(SignIn {
        issuer: Issuer {
            issuer: ISSUER.to_owned(),
            audience: "sip".to_owned(),
            claim: "sub".to_owned(),
        },
        known: accounts.map(|text| Arc::new(KnownUsers::parse(text).unwrap())),
        realm: "example.com".to_owned(),
    })
}

/// An edge as an operator has it, with accounts for `u-alice` and `u-bob`.
pub(super) fn edge(signer: &Signer, change: impl FnOnce(&mut Config)) -> Bench {
    let mut bench = Bench::guarded(|config| {
        config.sign_in = Some(sign_in(Some(
            "u-alice alice secret\nu-bob bob secret-bob\n",
        )));
        change(config);
    });
    let news = IssuerNews {
        keys: Some(keys(&[signer])),
        time: TIME,
    };
    bench.input(Input::Issuer(news));
    bench
}

pub(super) fn with(request: Vec<u8>, header: &'static str, token: &str) -> Vec<u8> {
    let mut request = Message::parse(request).unwrap();
    request.append(header, format!("Bearer {token}")).unwrap();
    request.into_bytes()
}

/// An issuer, an edge that believes him, and a browser on it.
pub(super) fn scene() -> (Signer, Bench, FlowId) {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |_| {});
    let flow = bench.open(1);
    (signer, bench, flow)
}

impl Bench {
    /// A browser sends this with this token.
    pub(super) fn bears(&mut self, flow: FlowId, request: Vec<u8>, token: &str) {
        self.browser_sends(flow, with(request, "Authorization", token));
    }
}

/// The SIP server takes a registration as it stands.
pub(super) fn granted(request: &Message) -> Vec<u8> {
    let contact = request.header("Contact").unwrap().into_owned();
    reply(request, 200, &[("Contact", &contact)], "")
}
