//! One attempt at a handshake: an engine and what it has told so far.

use std::time::Instant;

use srtp::DtlsKeys;

use crate::engine::{Engine, EngineError, Event};

pub(crate) struct Attempt {
    engine: Box<dyn Engine>,
    /// The random of the ClientHello that began it, when that is known: its name.
    pub(crate) random: Option<[u8; 32]>,
    /// It has sent something: the ClientHello was whole and acceptable.
    pub(crate) has_answered: bool,
    pub(crate) certificate: Option<Vec<u8>>,
    pub(crate) keys: Option<DtlsKeys>,
    pub(crate) is_complete: bool,
    pub(crate) is_closed: bool,
    outgoing: Vec<Vec<u8>>,
}

impl Attempt {
    pub(crate) fn new(engine: Box<dyn Engine>, random: Option<[u8; 32]>) -> Self {
        Attempt {
            engine,
            random,
            has_answered: false,
            certificate: None,
            keys: None,
            is_complete: false,
            is_closed: false,
            outgoing: Vec::new(),
        }
    }

    pub(crate) fn receive(&mut self, datagram: &[u8], now: Instant) -> Result<(), EngineError> {
        self.engine.receive(datagram, now)?;
        self.collect()
    }

    pub(crate) fn timeout(&mut self, now: Instant) -> Result<(), EngineError> {
        self.engine.timeout(now)?;
        self.collect()
    }

    pub(crate) fn close(&mut self) {
        self.engine.close();
        // Nothing can go wrong any more that would matter.
        let _ = self.collect();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.engine.deadline()
    }

    /// What is to be sent, once.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.outgoing)
    }

    fn collect(&mut self) -> Result<(), EngineError> {
        while let Some(event) = self.engine.poll() {
            match event {
                Event::Send(bytes) => {
                    self.has_answered = true;
                    self.outgoing.push(bytes);
                }
                Event::PeerCertificate(der) => self.certificate = Some(der),
                Event::Connected => self.is_complete = true,
                Event::Material(suite, material) => {
                    let keys = DtlsKeys::from_material(suite, &material);
                    self.keys =
                        Some(keys.map_err(|error| EngineError::Refused(error.to_string()))?);
                }
                Event::Closed => self.is_closed = true,
            }
        }
        Ok(())
    }
}
