//! A WebSocket's client side (RFC 6455) over WS or WSS, for subprotocol `sip`: whole text messages in and out, pings
//! answered. Its own framing, so that an error of the edge's library does not hide behind the same error here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Octets of one message; an edge's are some thousand.
const MAX_MESSAGE: usize = 64 * 1024;

/// A key that says nothing: masking is for browsers whose pages do not choose what is sent (RFC 6455 section 10.3).
const MASK: [u8; 4] = [0; 4];

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Where and how clients connect.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<TlsConnector>,
}

impl Target {
    pub(crate) fn new(address: SocketAddr, secure: bool) -> Result<Self, String> {
        let tls = match secure {
            true => Some(connector().map_err(|error| format!("TLS: {error}"))?),
            false => None,
        };
        Ok(Self { address, tls })
    }
}

/// TLS as a browser begins it for the first time: nothing is resumed. Certificates are not looked at, which costs the
/// generator and not the edge.
fn connector() -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A WebSocket that is open.
pub(crate) struct Socket {
    stream: Box<dyn Stream>,
    received: Vec<u8>,
}

impl Socket {
    /// Connects, and is upgraded.
    pub(crate) async fn connect(target: &Target) -> io::Result<Self> {
        let tcp = TcpStream::connect(target.address).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &target.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::from(target.address.ip());
                Box::new(tls.connect(name, tcp).await?)
            }
        };
        let mut socket = Self::over(stream);
        socket.upgrade(target.address).await?;
        Ok(socket)
    }

    /// Over a stream that is a WebSocket already.
    pub(crate) fn over(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    async fn upgrade(&mut self, host: SocketAddr) -> io::Result<()> {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\
             User-Agent: causeway-bench\r\nUpgrade: websocket\r\nOrigin: https://{host}\r\nSec-WebSocket-Version: 13\r\n\
             Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let end = loop {
            let found = self.received.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(at) = found {
                break at + 4;
            }
            self.read().await?;
        };
        let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
        self.received.drain(..end);
        // The key is that of RFC 6455 section 1.3, and so is the answer.
        if head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
            Ok(())
        } else {
            let line = head.lines().next().unwrap_or_default();
            Err(io::Error::other(format!("the upgrade got: {line}")))
        }
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, text: &str) -> io::Result<()> {
        self.frame(TEXT, text.as_bytes()).await
    }

    /// The next message; an error where the connection ends. Nothing is lost when the future is dropped.
    pub(crate) async fn receive(&mut self) -> io::Result<String> {
        loop {
            let Some((opcode, payload)) = self.take_frame()? else {
                self.read().await?;
                continue;
            };
            match opcode {
                TEXT | BINARY => {
                    return String::from_utf8(payload).map_err(io::Error::other);
                }
                PING => self.frame(PONG, &payload).await?,
                PONG => {}
                CLOSE => return Err(io::ErrorKind::ConnectionAborted.into()),
                other => return Err(io::Error::other(format!("a frame of kind {other}"))),
            }
        }
    }

    /// Leaves as a browser does whose tab is closed.
    pub(crate) async fn leave(mut self) {
        // 1001, going away. Whoever is gone already needs no farewell.
        _ = self.frame(CLOSE, &1001u16.to_be_bytes()).await;
        _ = self.stream.shutdown().await;
    }

    async fn frame(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(payload.len() + 14);
        frame.push(0x80 | opcode);
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short), _) if short < 126 => frame.push(0x80 | short),
            (_, Ok(length)) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            _ => return Err(io::Error::other("a message over 64 KiB")),
        }
        frame.extend(MASK);
        frame.extend(payload);
        self.stream.write_all(&frame).await?;
        self.stream.flush().await
    }

    /// A whole frame, if there is one. Servers do not mask and need not break messages into several.
    fn take_frame(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let (&[first, second, ..], rest) = (self.received.as_slice(), self.received.get(2..))
        else {
            return Ok(None);
        };
        let rest = rest.unwrap_or_default();
        let (length, head) = match second {
            126 => match rest.first_chunk() {
                Some(octets) => (usize::from(u16::from_be_bytes(*octets)), 4),
                None => return Ok(None),
            },
            0..126 => (usize::from(second), 2),
            _ => return Err(io::Error::other("a frame that is masked, or too long")),
        };
        if first & 0xf0 != 0x80 || length > MAX_MESSAGE {
            return Err(io::Error::other("a frame that is not a whole message"));
        }
        let Some(payload) = self.received.get(head..head + length) else {
            return Ok(None);
        };
        let frame = (first & 0x0f, payload.to_vec());
        self.received.drain(..head + length);
        if self.received.is_empty() {
            self.received = Vec::new();
        }
        Ok(Some(frame))
    }

    async fn read(&mut self) -> io::Result<()> {
        self.received.reserve(2048);
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Takes any certificate.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
