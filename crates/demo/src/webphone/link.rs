//! The WebSocket of the web phone, plain or over TLS, with the subprotocol `sip` (RFC 7118).

use std::io;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use super::Error;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An open WebSocket. Dropping it cuts the connection without a close frame, as a browser that dies does.
pub(super) struct Link(WebSocketStream<Box<dyn Stream>>);

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    is_secure: bool,
    host: &'a str,
    port: u16,
}

impl Link {
    /// Opens a `ws:` or `wss:` URL. A demo's certificate is made on the spot, so any certificate is taken: nothing
    /// that goes over this link is secret.
    pub(super) async fn open(url: &str) -> Result<Self, Error> {
        let target = Target::parse(url).ok_or_else(|| Error::BadUrl(url.to_owned()))?;
        let lost = |error: io::Error| Error::Unreachable(url.to_owned(), error.to_string());
        let tcp = TcpStream::connect((target.host, target.port))
            .await
            .map_err(lost)?;
        tcp.set_nodelay(true).map_err(lost)?;
        let stream: Box<dyn Stream> = if target.is_secure {
            Box::new(secure(tcp, target.host).await.map_err(lost)?)
        } else {
            Box::new(tcp)
        };
        let refused =
            |error: &dyn std::fmt::Display| Error::Unreachable(url.to_owned(), error.to_string());
        let builder = ClientBuilder::new()
            .uri(url)
            .map_err(|error| refused(&error))?
            .add_header(
                "sec-websocket-protocol"
                    .parse()
                    .map_err(|_| Error::BadUrl(url.to_owned()))?,
                "sip".parse().map_err(|_| Error::BadUrl(url.to_owned()))?,
            )
            .map_err(|error| refused(&error))?;
        let (link, _) = builder
            .connect_on(stream)
            .await
            .map_err(|error| refused(&error))?;
        Ok(Link(link))
    }

    /// Sends one SIP message, as browsers do in a text frame if it is text.
    pub(super) async fn send(&mut self, message: Vec<u8>) -> Result<(), Error> {
        let frame = match String::from_utf8(message) {
            Ok(text) => Message::text(text),
            Err(bytes) => Message::binary(bytes.into_bytes()),
        };
        self.0.send(frame).await.map_err(|_| Error::Disconnected)
    }

    /// The next message; `None` when the server has gone.
    pub(super) async fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            let frame = self.0.next().await?.ok()?;
            if frame.is_text() || frame.is_binary() {
                return Some(frame.as_payload().to_vec());
            }
            if frame.is_close() {
                return None;
            }
        }
    }
}

impl<'a> Target<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_secure = match scheme {
            "ws" => false,
            "wss" => true,
            _ => return None,
        };
        let authority = rest.split(['/', '?']).next()?;
        let default = if is_secure { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, default),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then_some(Target {
            is_secure,
            host,
            port,
        })
    }
}

async fn secure(tcp: TcpStream, host: &str) -> io::Result<impl Stream + use<>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// Takes whatever certificate the server shows, but holds it to having the key of it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_browsers_read_them() {
        let target = |is_secure, host, port| {
            Some(Target {
                is_secure,
                host,
                port,
            })
        };
        assert_eq!(
            Target::parse("ws://127.0.0.1:8088/"),
            target(false, "127.0.0.1", 8088)
        );
        assert_eq!(
            Target::parse("wss://sbc.example.com"),
            target(true, "sbc.example.com", 443)
        );
        assert_eq!(
            Target::parse("wss://[::1]:8089/ws"),
            target(true, "::1", 8089)
        );
        assert_eq!(Target::parse("ws://[::1]"), target(false, "::1", 80));
        assert_eq!(Target::parse("http://example.com"), None);
        assert_eq!(Target::parse("ws://:80"), None);
    }
}
