//! The browser's side of a call: a full ICE agent for one candidate and a DTLS endpoint. Sans-IO: datagrams and the
//! time come in, [`Signal`]s go out.

mod dtls;
#[cfg(test)]
mod tests;

use std::net::SocketAddrV4;

pub use dtls::Identity;
use dtls::{Dtls, Step};

use crate::clock::SECOND;
use crate::random;
use crate::sdp::Media;
use crate::srtp::Srtp;
use crate::stun::{self, Message, Transaction, Writer};

/// A check that is not answered is repeated after this.
const CHECK_EVERY: u64 = SECOND / 10;
/// ICE and DTLS together are given up after this.
const GIVE_UP: u64 = 15 * SECOND;
/// A host candidate's, as a peer-reflexive one (RFC 8445 section 5.1.2.1).
const PRIORITY: u32 = 1_862_270_975;

/// A datagram that an endpoint sends beside its media.
#[derive(Debug)]
pub struct Signal {
    /// Number of the leg whose address it leaves from.
    pub leg: usize,
    /// Where it goes.
    pub to: SocketAddrV4,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The keys of both directions.
pub struct Keys {
    /// For what the browser sends.
    pub outbound: Srtp,
    /// For what comes to it.
    pub inbound: Srtp,
}

/// When things were done, in nanoseconds since 1970; 0 is not yet.
#[derive(Debug, Default, Clone, Copy)]
pub struct Times {
    /// It began to check.
    pub start: u64,
    /// A pair was chosen.
    pub ice: u64,
    /// The handshake began.
    pub dtls: u64,
    /// There are keys.
    pub keys: u64,
}

/// One browser.
pub struct Browser {
    leg: usize,
    /// Its user name fragment.
    pub ufrag: String,
    /// Its ICE password.
    pub password: String,
    peer: Peer,
    controlling: bool,
    tie_breaker: [u8; 8],
    /// Of the next check. Its last byte counts: an answer to an earlier check is as good.
    check: Transaction,
    next_check: u64,
    valid: bool,
    nominated: bool,
    dtls: Option<Dtls>,
    /// Whether it is the DTLS client.
    pub client: bool,
    /// How far it has come.
    pub times: Times,
    /// Why it will never have keys.
    pub failed: Option<String>,
    keys: Option<Keys>,
    /// STUN whose integrity was wrong.
    pub bad_stun: u64,
}

/// What the relay's description says.
#[derive(Default)]
struct Peer {
    at: Option<SocketAddrV4>,
    ufrag: String,
    password: String,
    fingerprint: String,
}

impl Browser {
    /// One with credentials of its own, which does nothing yet.
    pub fn new(leg: usize) -> Self {
        Self {
            leg,
            ufrag: random::token(4),
            password: random::token(24),
            peer: Peer::default(),
            controlling: false,
            tie_breaker: random::bytes(),
            check: random::bytes(),
            next_check: 0,
            valid: false,
            nominated: false,
            dtls: None,
            client: true,
            times: Times::default(),
            failed: None,
            keys: None,
            bad_stun: 0,
        }
    }

    /// Takes the relay's description; from here on its checks are answered.
    pub fn take(&mut self, media: &Media, client: bool) {
        self.peer = Peer {
            at: media.candidate.or(media.address),
            ufrag: media.ufrag.clone(),
            password: media.password.clone(),
            fingerprint: media.fingerprint.clone(),
        };
        self.controlling = media.ice_lite;
        self.client = client;
    }

    /// Begins to check, and to shake hands once a pair is chosen.
    pub fn start(&mut self, identity: &Identity, now: u64) {
        self.times.start = now;
        self.next_check = now;
        self.dtls = Some(Dtls::new(identity, self.client));
    }

    /// It has keys, or will never have.
    pub fn is_done(&self) -> bool {
        self.times.keys != 0 || self.failed.is_some()
    }

    /// The keys, once.
    pub fn take_keys(&mut self) -> Option<Keys> {
        self.keys.take()
    }

    /// A consent check (RFC 7675).
    pub fn consent(&mut self) -> Option<Signal> {
        let to = self.peer.at?;
        let bytes = self.write_check();
        Some(Signal {
            leg: self.leg,
            to,
            bytes,
        })
    }

    /// A datagram that is no media.
    pub fn receive(
        &mut self,
        datagram: &[u8],
        from: SocketAddrV4,
        now: u64,
        out: &mut Vec<Signal>,
    ) {
        match datagram.first() {
            Some(0..=3) => self.stun(datagram, from, now, out),
            Some(20..=63) => {
                if self.times.dtls == 0 {
                    self.times.dtls = now;
                }
                if let Some(dtls) = &mut self.dtls {
                    let step = dtls.receive(datagram);
                    self.stepped(step, now, out);
                }
            }
            _ => {}
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: u64, out: &mut Vec<Signal>) {
        if self.is_done() || self.times.start == 0 {
            return;
        }
        if now.saturating_sub(self.times.start) > GIVE_UP {
            self.failed = Some(format!(
                "no keys in time (ICE valid {}, nominated {}, DTLS begun {})",
                self.valid,
                self.nominated,
                self.times.dtls != 0
            ));
            return;
        }
        if self.times.ice == 0 && now >= self.next_check {
            self.next_check = now + CHECK_EVERY;
            out.extend(self.consent());
        }
        // A client begins once ICE has chosen; a server has its peer's flight by then, or waits for it.
        if (self.client && self.times.ice != 0 || self.times.dtls != 0)
            && let Some(dtls) = &mut self.dtls
        {
            if self.times.dtls == 0 {
                self.times.dtls = now;
            }
            let step = dtls.tick();
            self.stepped(step, now, out);
        }
    }

    fn stun(&mut self, datagram: &[u8], from: SocketAddrV4, now: u64, out: &mut Vec<Signal>) {
        let is_request = datagram.starts_with(&stun::REQUEST.to_be_bytes());
        let password = if is_request {
            &self.password
        } else {
            &self.peer.password
        };
        let Some(message) = Message::parse(datagram, password) else {
            return;
        };
        if is_request {
            self.checked(&message, from, now, out);
        } else if message.transaction.first_chunk::<11>() == self.check.first_chunk() {
            self.answered(&message, now);
        }
        if self.valid && self.nominated && self.times.ice == 0 && self.times.start != 0 {
            self.times.ice = now;
        }
        self.tick(now, out);
    }

    /// The relay has sent a check.
    fn checked(&mut self, message: &Message, from: SocketAddrV4, now: u64, out: &mut Vec<Signal>) {
        let is_for_us = message.username.split_once(':').map(|(to, _)| to) == Some(&self.ufrag);
        if !(message.integrity && message.fingerprint && is_for_us) {
            self.bad_stun += 1;
            return;
        }
        let mut answer = Writer::new(stun::SUCCESS, &message.transaction);
        answer.mapped_address(from);
        out.push(Signal {
            leg: self.leg,
            to: from,
            bytes: answer.finish(&self.password),
        });
        if message.use_candidate && !self.controlling {
            self.nominated = true;
        }
        if !self.valid {
            self.next_check = now; // a triggered check
        }
    }

    /// The relay has answered our check.
    fn answered(&mut self, message: &Message, now: u64) {
        match (message.kind, message.error) {
            (stun::SUCCESS, _) if !message.integrity => self.bad_stun += 1,
            (stun::SUCCESS, _) => {
                if self.controlling && self.valid {
                    self.nominated = true;
                } else if self.controlling {
                    self.next_check = now;
                }
                self.valid = true;
            }
            (stun::ERROR, 487) => {
                self.controlling = !self.controlling;
                self.next_check = now;
            }
            _ => {}
        }
    }

    fn write_check(&mut self) -> Vec<u8> {
        self.check[11] = self.check[11].wrapping_add(1);
        let mut check = Writer::new(stun::REQUEST, &self.check);
        let username = format!("{}:{}", self.peer.ufrag, self.ufrag);
        check.attribute(stun::USERNAME, username.as_bytes());
        check.attribute(stun::PRIORITY, &PRIORITY.to_be_bytes());
        if self.controlling {
            check.attribute(stun::ICE_CONTROLLING, &self.tie_breaker);
            if self.valid {
                check.attribute(stun::USE_CANDIDATE, &[]);
            }
        } else {
            check.attribute(stun::ICE_CONTROLLED, &self.tie_breaker);
        }
        check.finish(&self.peer.password)
    }

    fn stepped(&mut self, step: Result<Step, String>, now: u64, out: &mut Vec<Signal>) {
        let step = match step {
            Ok(step) => step,
            Err(_) if self.is_done() => return,
            Err(error) => {
                self.failed = Some(format!("DTLS: {error}"));
                return;
            }
        };
        if let Some(to) = self.peer.at {
            let leg = self.leg;
            out.extend(step.send.into_iter().map(|bytes| Signal { leg, to, bytes }));
        }
        if let Some(fingerprint) = step.fingerprint
            && fingerprint != self.peer.fingerprint
        {
            let told = &self.peer.fingerprint;
            self.failed = Some(format!("the certificate is {fingerprint}, and not {told}"));
        }
        if let Some(keys) = step.keys
            && self.failed.is_none()
        {
            self.keys = Some(keys);
            self.times.keys = now;
        }
    }
}
