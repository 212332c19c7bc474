//! ICE, DTLS and SRTP of one call in one piece: datagrams and the time in, datagrams and plain RTP out. No socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use dtls::{Endpoint, Identity, Role};
use rtp::Kind;
use srtp::{Inbound, Outbound, Suite};

use super::description::Description;

pub(super) struct Transport {
    local: SocketAddr,
    identity: Identity,
    ice: ice::Agent,
    dtls: Endpoint,
    /// The DTLS role is agreed.
    is_agreed: bool,
    srtp: Option<(Inbound, Outbound)>,
    sends: VecDeque<(SocketAddr, Vec<u8>)>,
    events: VecDeque<Event>,
}

/// What the call should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// ICE has a pair.
    Connected,
    /// ICE has lost the peer.
    Disconnected,
    /// Media can flow, under this suite.
    Keys(Suite),
    /// It never will.
    Failed(dtls::Failure),
}

/// Plain media at the start of the buffer that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Rtp(usize),
    Rtcp(usize),
}

impl Transport {
    pub(super) fn new(
        local: SocketAddr,
        identity: Identity,
        credentials: ice::Credentials,
        tie_breaker: u64,
        is_offerer: bool,
        now: Instant,
    ) -> Result<Self, ice::Error> {
        let mut ice = ice::Agent::new(ice::Config::full(credentials, is_offerer, tie_breaker));
        ice.add_local(ice::Local::host(local))?;
        // Until the answer tells: whoever speaks first is the client. A hello may come before the answer does.
        let dtls = Endpoint::new(&identity, Role::Passive, None, now);
        Ok(Transport {
            local,
            identity,
            ice,
            dtls,
            is_agreed: false,
            srtp: None,
            sends: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// The value of our `a=candidate`.
    pub(super) fn candidate(&self) -> String {
        self.ice
            .candidates()
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Media can be sent.
    pub(super) fn is_ready(&self) -> bool {
        self.srtp.is_some() && self.ice.selected().is_some()
    }

    /// Takes what the peer's SDP says; `active` is our DTLS role by the offer and the answer together.
    pub(super) fn agree(&mut self, peer: &Description, active: bool, now: Instant) {
        if peer.is_lite {
            self.ice.face_lite_peer();
        }
        if self.ice.remote_credentials() != Some(&peer.credentials) {
            self.ice.set_remote(peer.credentials.clone(), now);
        }
        for candidate in &peer.candidates {
            // One that cannot be used is no loss while another can.
            let _ = self.ice.add_remote(candidate, now);
        }
        if !std::mem::replace(&mut self.is_agreed, true) {
            if active {
                let fingerprints = Some(peer.fingerprints.clone());
                self.dtls = Endpoint::new(&self.identity, Role::Active, fingerprints, now);
            } else {
                self.dtls.expect(peer.fingerprints.clone());
            }
        }
        self.drain(now);
    }

    /// The peer restarts ICE: these are our new credentials.
    pub(super) fn restart(&mut self, credentials: ice::Credentials) {
        self.ice.restart(credentials);
    }

    /// Takes a datagram, and decrypts it in place if it is media.
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        datagram: &mut [u8],
        now: Instant,
    ) -> Option<Media> {
        let media = match rtp::demux(datagram) {
            Kind::Stun => {
                self.ice.receive(self.local, from, datagram, now);
                None
            }
            Kind::Dtls if self.ice.validated(from) => {
                self.dtls.receive(datagram, now);
                None
            }
            Kind::Rtp => {
                let (inbound, _) = self.srtp.as_mut()?;
                inbound.unprotect(datagram).ok().map(Media::Rtp)
            }
            Kind::Rtcp => {
                let (inbound, _) = self.srtp.as_mut()?;
                inbound.unprotect_rtcp(datagram).ok().map(Media::Rtcp)
            }
            _ => None,
        };
        self.drain(now);
        media
    }

    /// Protects and queues an RTP packet; says whether it could.
    pub(super) fn send_rtp(&mut self, packet: &[u8]) -> bool {
        self.send(packet, Outbound::protect)
    }

    /// Protects and queues a compound RTCP packet.
    pub(super) fn send_rtcp(&mut self, packet: &[u8]) -> bool {
        self.send(packet, Outbound::protect_rtcp)
    }

    fn send(
        &mut self,
        packet: &[u8],
        protect: fn(&mut Outbound, &mut [u8], usize) -> Result<usize, srtp::Refused>,
    ) -> bool {
        let (Some(pair), Some((_, outbound))) = (self.ice.selected(), &mut self.srtp) else {
            return false;
        };
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + srtp::MAX_OVERHEAD, 0);
        let Ok(length) = protect(outbound, &mut buffer, packet.len()) else {
            return false;
        };
        buffer.truncate(length);
        self.sends.push_back((pair.remote, buffer));
        true
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ice
            .deadline()
            .into_iter()
            .chain(self.dtls.deadline())
            .min()
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        if self.ice.deadline().is_some_and(|at| at <= now) {
            self.ice.timeout(now);
        }
        if self.dtls.deadline().is_some_and(|at| at <= now) {
            self.dtls.timeout(now);
        }
        self.drain(now);
    }

    /// Says good-bye to the peer's DTLS.
    pub(super) fn close(&mut self, now: Instant) {
        self.dtls.close();
        self.drain(now);
    }

    pub(super) fn poll_send(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.sends.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.ice.poll() {
            match output {
                ice::Output::Send { to, bytes, .. } => self.sends.push_back((to, bytes)),
                ice::Output::Validated(_) => {}
                ice::Output::Selected(_) => self.events.push_back(Event::Connected),
                ice::Output::Disconnected => self.events.push_back(Event::Disconnected),
            }
        }
        if self.is_agreed && self.ice.selected().is_some() {
            self.dtls.start(now);
        }
        while let Some(output) = self.dtls.poll() {
            match output {
                dtls::Output::Send(bytes) => {
                    // Before the nomination an answer goes where the question came from: there is one peer only.
                    if let Some(pair) = self.ice.selected() {
                        self.sends.push_back((pair.remote, bytes));
                    }
                }
                dtls::Output::Connected(keys) => {
                    self.srtp = Some((Inbound::new(&keys.remote), Outbound::new(&keys.local)));
                    self.events.push_back(Event::Keys(keys.suite));
                }
                dtls::Output::Failed(failure) => self.events.push_back(Event::Failed(failure)),
                dtls::Output::Closed => {}
            }
        }
    }
}
