//! Sign-in by token on real sockets: the issuer's keys fetched by HTTPS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop on the first surprise

#[allow(dead_code)] // what only the tests of streams need
mod parts;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use causeway_proxy::core::{Hop, Issuer, KnownUsers, SignIn, Transport};
use causeway_proxy::server::KeysAt;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use net::ws;
use parts::{Certificate, Edge, SipServer, ok, register};
use serde_json::json;
use sip::ResponseBuilder;
use sip::digest::{Challenge, Credentials, Request};
use tokio::sync::mpsc;

const ISSUER: &str = "https://login.example.com/";

struct Signer {
    key: rcgen::KeyPair,
    name: String,
}

impl Signer {
    fn new(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let name = name.to_owned();
        Self { key, name }
    }

    fn set(&self) -> Vec<u8> {
        let point = self.key.public_key_raw();
        let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        let key =
            json!({"kty": "EC", "crv": "P-256", "kid": self.name, "x": part(1), "y": part(33)});
        json!({ "keys": [key] }).to_string().into_bytes()
    }

    fn token(&self) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.name.clone());
        let claims = json!({"iss": ISSUER, "aud": "sip", "sub": "u7", "exp": get_current_timestamp() + 3600});
        let key = EncodingKey::from_ec_der(&self.key.serialize_der());
        encode(&header, &claims, &key).unwrap()
    }
}

/// A page by HTTPS; its URL.
async fn page(certificate: &Certificate, text: Vec<u8>) -> String {
    let options = ws::Options {
        tls: Some(certificate.server()),
        pages: Some(Arc::new(move |path: &str| {
            let page = ("application/json", Cow::Owned(text.clone()));
            (path == "/keys").then_some(page)
        })),
        ..ws::Options::default()
    };
    let listener = ws::Listener::bind(parts::local(), options).await.unwrap();
    let port = listener.local_addr().port();
    let (events, mut unheard) = mpsc::channel(1);
    tokio::spawn(listener.run(events));
    tokio::spawn(async move { while unheard.recv().await.is_some() {} });
    format!("https://localhost:{port}/keys")
}

fn bearing(number: u32, token: &str) -> String {
    let header = format!("Authorization: Bearer {token}\r\nContent-Length");
    register(number).replace("Content-Length", &header)
}

#[tokio::test]
async fn a_browser_with_a_token_registers_where_the_sip_server_wants_a_password() {
    let certificate = Certificate::of("localhost");
    let signer = Signer::new("first");
    let url = page(&certificate, signer.set()).await;
    let mut server = SipServer::start(None);
    let (transport, address) = (Transport::Tcp, server.address);
    let edge = Edge::start(Hop { transport, address }, |config| {
        config.keys = Some(KeysAt::Url(url, certificate.client()));
        config.core.sign_in = Some(Arc::new(SignIn {
            issuer: Issuer {
                issuer: ISSUER.to_owned(),
                audience: "sip".to_owned(),
                claim: "sub".to_owned(),
            },
            known: Some(Arc::new(KnownUsers::parse("u7 alice open sesame").unwrap())),
            realm: "example.com".to_owned(),
        }));
    })
    .await;
    let mut browser = edge.browser().await;
    let mut number = 0;
    // Until the keys are here he is asked to come again.
    let answers = async {
        loop {
            number += 1;
            browser.send(bearing(number, &signer.token())).await;
            let answer = browser.receive().await;
            match answer.status() {
                Some(503) => tokio::task::yield_now().await,
                _ => return answer,
            }
        }
    };
    let sip_server = async {
        let mut talk = server.next().await;
        let bare = talk.receive().await.unwrap();
        assert!(!bare.has("Authorization"), "the token stays at the edge");
        let challenge = Challenge::new("example.com", "nonce").to_string();
        let asked = ResponseBuilder::new(&bare, 401, "Unauthorized")
            .to_tag("t")
            .header("WWW-Authenticate", challenge);
        talk.send(asked.build().unwrap().into_bytes()).await;
        let proven = talk.receive().await.unwrap();
        let given = Credentials::parse(&proven.header("Authorization").unwrap()).unwrap();
        let request = Request {
            method: proven.method().unwrap(),
            uri: proven.uri_text().unwrap(),
            body: b"",
        };
        assert!(given.verify("example.com", "open sesame", &request));
        talk.send(ok(&proven)).await;
    };
    let (answer, ()) = tokio::join!(answers, sip_server);
    assert_eq!(answer.status(), Some(200));
}
