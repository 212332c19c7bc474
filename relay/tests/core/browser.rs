//! A browser's media side out of the same crates: a full ICE agent, DTLS, SRTP.

use std::net::SocketAddr;
use std::time::Duration;

use dtls::{Endpoint, Fingerprint, Hash, Identity, Role};
use ice::{Agent, Candidate, Credentials, Local};
use sdp::Session;
use srtp::{Inbound, Outbound};

use crate::world::World;

pub struct Browser {
    pub at: SocketAddr,
    pub agent: Agent,
    identity: Identity,
    pub dtls: Option<Endpoint>,
    pub outbound: Option<Outbound>,
    inbound: Option<Inbound>,
    /// Where the relay's SDP told to send.
    pub relay: Option<SocketAddr>,
    /// What came, decrypted.
    pub heard: Vec<Vec<u8>>,
    /// Datagrams that were neither STUN, DTLS nor valid SRTP.
    pub junk: Vec<Vec<u8>>,
    extra: u8,
}

impl Browser {
    /// It controls: its peer, the relay, is ICE-lite (RFC 8445 section 6.1.1).
    pub fn new(at: &str) -> Self {
        Self::with_role(at, true)
    }

    pub fn with_role(at: &str, controlling: bool) -> Self {
        let at: SocketAddr = at.parse().unwrap();
        let mut agent = Agent::new(ice::Config::full(credentials(1), controlling, 7));
        agent.add_local(Local::host(at)).unwrap();
        Self {
            at,
            agent,
            identity: Identity::generate().unwrap(),
            dtls: None,
            outbound: None,
            inbound: None,
            relay: None,
            heard: Vec::new(),
            junk: Vec::new(),
            extra: 1,
        }
    }

    /// Takes new credentials, for the next body: an ICE restart.
    pub fn restart_ice(&mut self) {
        self.extra += 1;
        self.agent.restart(credentials(self.extra));
    }

    /// A body of this browser; `setup` is `actpass` in an offer.
    pub fn body(&self, setup: &str, version: u32) -> String {
        let candidates: String = self
            .agent
            .candidates()
            .iter()
            .map(|candidate| format!("a=candidate:{candidate}\r\n"))
            .collect();
        format!(
            "v=0\r\no=- 4611731400430051336 {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
             a=group:BUNDLE 0\r\n\
             m=audio {port} UDP/TLS/RTP/SAVPF 0 8 101\r\nc=IN IP4 {ip}\r\n\
             a=rtcp:9 IN IP4 0.0.0.0\r\n{candidates}\
             a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n\
             a=fingerprint:{fingerprint}\r\na=setup:{setup}\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=ssrc:1234 cname:browser\r\n",
            port = self.at.port(),
            ip = self.at.ip(),
            ufrag = self.agent.credentials().ufrag(),
            pwd = self.agent.credentials().pwd(),
            fingerprint = self.identity.fingerprint(Hash::Sha256),
        )
    }

    /// Takes the relay's answer, or its offer: which DTLS role is left is ours.
    pub fn take(&mut self, body: &str, world: &World) {
        let session = Session::parse(body.as_bytes()).unwrap();
        let media = &session.media[0];
        let text = |token: &Option<sdp::Token>| token.as_ref().expect("an ICE line").to_string();
        let theirs = Credentials::new(&text(&media.ice.ufrag), &text(&media.ice.pwd)).unwrap();
        if self.agent.remote_credentials() != Some(&theirs) {
            self.agent.set_remote(theirs, world.now);
        }
        for candidate in &media.ice.candidates {
            let candidate = Candidate::parse(&candidate.to_string()).unwrap();
            self.agent.add_remote(&candidate, world.now).unwrap();
        }
        self.relay = media.rtp_address();
        if self.dtls.is_none() {
            let role = if media.setup == Some(sdp::Setup::Active) {
                Role::Passive
            } else {
                Role::Active
            };
            let fingerprint = Fingerprint::parse(&media.fingerprints[0].to_string()).unwrap();
            self.dtls = Some(Endpoint::new(
                &self.identity,
                role,
                Some(vec![fingerprint]),
                world.now,
            ));
        }
    }

    /// Until DTLS has given keys.
    pub fn connect(&mut self, world: &mut World) {
        self.until(world, |browser| browser.outbound.is_some());
    }

    pub fn until(&mut self, world: &mut World, done: impl Fn(&Self) -> bool) {
        for _ in 0..500 {
            self.step(world);
            if done(self) {
                return self.step(world);
            }
            world.advance(Duration::from_millis(10));
        }
        panic!(
            "not within 5 s: {:?} {:?}",
            self.agent.selected(),
            self.dtls
        );
    }

    /// Sends what is to be sent and takes what has come, until all is quiet.
    pub fn step(&mut self, world: &mut World) {
        self.agent.timeout(world.now);
        if let Some(dtls) = &mut self.dtls {
            dtls.timeout(world.now);
        }
        loop {
            let mut quiet = true;
            while let Some(output) = self.agent.poll() {
                quiet = false;
                match output {
                    ice::Output::Send { to, bytes, .. } => world.send(self.at, to, &bytes),
                    ice::Output::Selected(_) => {
                        if let Some(dtls) = &mut self.dtls {
                            dtls.start(world.now);
                        }
                    }
                    ice::Output::Validated(_) | ice::Output::Disconnected => {}
                }
            }
            while let Some(output) = self.dtls.as_mut().and_then(Endpoint::poll) {
                quiet = false;
                match output {
                    dtls::Output::Send(bytes) => {
                        let to = self.agent.selected().unwrap().remote;
                        world.send(self.at, to, &bytes);
                    }
                    dtls::Output::Connected(keys) => {
                        self.outbound = Some(Outbound::new(&keys.local));
                        self.inbound = Some(Inbound::new(&keys.remote));
                    }
                    dtls::Output::Closed => {}
                    dtls::Output::Failed(failure) => panic!("{failure}"),
                }
            }
            while let Some(at) = world.sent.iter().position(|sent| sent.to == self.at) {
                quiet = false;
                let sent = world.sent.remove(at).unwrap();
                self.receive(sent.from, sent.bytes, world);
            }
            if quiet {
                return;
            }
        }
    }

    /// Protects an RTP packet and sends it.
    pub fn send_rtp(&mut self, world: &mut World, packet: &[u8]) -> Vec<u8> {
        let protected = self.protect(packet);
        world.send(self.at, self.agent.selected().unwrap().remote, &protected);
        protected
    }

    pub fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 20, 0);
        let len = self
            .outbound
            .as_mut()
            .expect("keys")
            .protect(&mut buffer, packet.len())
            .unwrap();
        buffer.truncate(len);
        buffer
    }

    pub fn send_rtcp(&mut self, world: &mut World, packet: &[u8]) {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 20, 0);
        let len = self
            .outbound
            .as_mut()
            .expect("keys")
            .protect_rtcp(&mut buffer, packet.len())
            .unwrap();
        world.send(
            self.at,
            self.agent.selected().unwrap().remote,
            &buffer[..len],
        );
    }

    fn receive(&mut self, from: SocketAddr, mut bytes: Vec<u8>, world: &World) {
        let len = match (rtp::demux(&bytes), &mut self.inbound, &mut self.dtls) {
            (rtp::Kind::Stun, _, _) => {
                self.agent.receive(self.at, from, &bytes, world.now);
                return;
            }
            (rtp::Kind::Dtls, _, Some(dtls)) => {
                dtls.receive(&bytes, world.now);
                return;
            }
            (rtp::Kind::Rtp, Some(inbound), _) => inbound.unprotect(&mut bytes).ok(),
            (rtp::Kind::Rtcp, Some(inbound), _) => inbound.unprotect_rtcp(&mut bytes).ok(),
            _ => None,
        };
        match len {
            Some(len) => self.heard.push(bytes[..len].to_vec()),
            None => self.junk.push(bytes),
        }
    }
}

fn credentials(seed: u8) -> Credentials {
    let mut random = [seed; Credentials::RANDOM_BYTES];
    for (i, byte) in random.iter_mut().enumerate() {
        *byte = byte.wrapping_mul(31).wrapping_add(i as u8 * 7);
    }
    Credentials::from_random(&random)
}
