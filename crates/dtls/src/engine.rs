//! What an endpoint asks of a DTLS implementation, and dimpl in that role.

use std::collections::VecDeque;
use std::time::Instant;

use dimpl::{Dtls, SrtpProfile};
use srtp::Suite;

use crate::Identity;

/// One handshake with one peer. It judges no certificate: the endpoint does.
pub trait Engine: Send {
    /// Takes one datagram.
    ///
    /// # Errors
    /// When this handshake cannot go on. The engine is then dropped and nothing more is asked of it.
    fn receive(&mut self, datagram: &[u8], now: Instant) -> Result<(), EngineError>;

    /// Time has passed; also starts the handshake of an active engine.
    ///
    /// # Errors
    /// When the peer has not answered for too long. The engine is then dropped.
    fn timeout(&mut self, now: Instant) -> Result<(), EngineError>;

    /// The next event; asked after each of the above until there is none.
    fn poll(&mut self) -> Option<Event>;

    /// When [`Engine::timeout`] is due.
    fn deadline(&self) -> Option<Instant>;

    /// Says good-bye with a close_notify.
    fn close(&mut self);
}

/// What an engine has to tell.
#[derive(Debug)]
pub enum Event {
    /// A datagram to send.
    Send(Vec<u8>),
    /// The peer's certificate in DER, its signature over the handshake checked, nothing else.
    PeerCertificate(Vec<u8>),
    /// The handshake is complete.
    Connected,
    /// What the exporter `EXTRACTOR-dtls_srtp` gave (RFC 5764 section 4.2), and the suite that was agreed.
    Material(Suite, Vec<u8>),
    /// The peer said good-bye, in a record that it signed.
    Closed,
}

/// Why a handshake cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The peer did not answer in time.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// The peer sent what cannot be accepted.
    #[error("{0}")]
    Refused(String),
}

impl From<dimpl::Error> for EngineError {
    fn from(error: dimpl::Error) -> Self {
        match error {
            dimpl::Error::Timeout(_) => EngineError::TimedOut,
            other => EngineError::Refused(other.to_string()),
        }
    }
}

/// Records are at most this long before dimpl says that it needs more.
const BUFFER: usize = 2048;

/// dimpl as a server, for DTLS 1.2 and 1.3.
pub(crate) struct Dimpl {
    dtls: Dtls,
    buffer: Vec<u8>,
    events: VecDeque<Event>,
    deadline: Option<Instant>,
}

impl Dimpl {
    pub(crate) fn new(identity: &Identity, now: Instant) -> Self {
        let (config, certificate) = (identity.config(), identity.dtls_certificate());
        Dimpl::over(Dtls::new_auto(config, certificate, now))
    }

    pub(crate) fn over(dtls: Dtls) -> Self {
        Dimpl {
            dtls,
            buffer: vec![0; BUFFER],
            events: VecDeque::new(),
            deadline: None,
        }
    }

    fn drain(&mut self) {
        loop {
            let event = match self.dtls.poll_output(&mut self.buffer) {
                dimpl::Output::Packet(bytes) => Event::Send(bytes.to_vec()),
                dimpl::Output::PeerCert(der) => Event::PeerCertificate(der.to_vec()),
                dimpl::Output::Connected => Event::Connected,
                dimpl::Output::KeyingMaterial(material, profile) => match suite(profile) {
                    Some(suite) => Event::Material(suite, material.to_vec()),
                    None => continue,
                },
                dimpl::Output::CloseNotify => Event::Closed,
                dimpl::Output::Timeout(at) => {
                    self.deadline = Some(at);
                    return;
                }
                dimpl::Output::BufferTooSmall { needed } => {
                    self.buffer.resize(needed, 0);
                    continue;
                }
                _ => continue,
            };
            self.events.push_back(event);
        }
    }
}

fn suite(profile: SrtpProfile) -> Option<Suite> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(Suite::AesCm128HmacSha1_80),
        SrtpProfile::AEAD_AES_128_GCM => Some(Suite::AeadAes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(Suite::AeadAes256Gcm),
        _ => None,
    }
}

impl Engine for Dimpl {
    fn receive(&mut self, datagram: &[u8], now: Instant) -> Result<(), EngineError> {
        self.timeout(now)?;
        self.dtls.handle_packet(datagram)?;
        self.drain();
        Ok(())
    }

    fn timeout(&mut self, now: Instant) -> Result<(), EngineError> {
        self.dtls.handle_timeout(now)?;
        self.drain();
        Ok(())
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn close(&mut self) {
        if self.dtls.close().is_ok() {
            self.drain();
        }
    }
}
