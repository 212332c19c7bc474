//! A peer that speaks whatever it is told to: any of the six protocols, with ICE or without, on one port or on two.
//! It is as strict as a peer can be: it takes packets only from where the SDP told it to send.

use std::net::SocketAddr;
use std::time::Duration;

use control_proto::TransportProtocol;
use dtls::{Endpoint, Fingerprint, Hash, Identity, Role};
use ice::{Agent, Candidate, Credentials, Local};
use sdp::{Crypto, CryptoKey, Media, Session, Setup, Token};
use srtp::{Inbound, MasterKey, Outbound, Suite};

use crate::wire::{Sent, Wire};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// How a peer speaks.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub protocol: TransportProtocol,
    pub ice: bool,
    pub mux: bool,
}

impl Manner {
    pub fn is_secure(self) -> bool {
        self.protocol.word().contains("SAVP")
    }

    fn is_dtls(self) -> bool {
        self.protocol.word().starts_with("UDP/TLS")
    }
}

/// One side of a call.
pub struct Peer<'a> {
    manner: Manner,
    identity: &'a Identity,
    /// RTP, and RTCP unless it is multiplexed.
    ports: Vec<Port>,
    key: [u8; 30],
}

struct Port {
    at: SocketAddr,
    relay: Option<SocketAddr>,
    agent: Option<Agent>,
    dtls: Option<Endpoint>,
    keys: Option<(Outbound, Inbound)>,
}

impl<'a> Peer<'a> {
    /// `number` tells one peer from another: their addresses, credentials and keys differ by it.
    pub fn new(
        manner: Manner,
        number: u8,
        controls: bool,
        identity: &'a Identity,
        wire: &mut impl Wire,
    ) -> Self {
        let credentials = || {
            let mut random = [number; Credentials::RANDOM_BYTES];
            random
                .iter_mut()
                .zip(0..)
                .for_each(|(byte, i)| *byte = byte.wrapping_mul(31).wrapping_add(i));
            Credentials::from_random(&random)
        };
        let ports = (0..if manner.mux { 1 } else { 2 }).map(|i: u8| {
            let at = wire.address(number, u16::from(i));
            let agent = manner.ice.then(|| {
                let mut config = ice::Config::full(credentials(), controls, u64::from(number));
                config.component = i + 1;
                let mut agent = Agent::new(config);
                agent.add_local(Local::host(at)).unwrap();
                agent
            });
            Port {
                at,
                relay: None,
                agent,
                dtls: None,
                keys: None,
            }
        });
        Self {
            manner,
            identity,
            ports: ports.collect(),
            key: [number; 30],
        }
    }

    /// Its offer, or its answer to `offer`.
    pub fn body(&self, offer: Option<&str>) -> String {
        let rtp = self.ports[0].at;
        let mut body = format!(
            "v=0\r\no=- {number} 1 IN {family} {ip}\r\ns=-\r\nt=0 0\r\nm=audio {port} {protocol} 0\r\nc=IN {family} {ip}\r\n",
            family = if rtp.is_ipv4() { "IP4" } else { "IP6" },
            number = self.key[0],
            ip = rtp.ip(),
            port = rtp.port(),
            protocol = self.manner.protocol.word(),
        );
        if self.manner.mux {
            body += "a=rtcp-mux\r\n";
        }
        if self.manner.is_dtls() {
            let setup = if offer.is_some() { "active" } else { "actpass" };
            body += &format!(
                "a=setup:{setup}\r\na=fingerprint:{}\r\n",
                self.identity.fingerprint(Hash::Sha256)
            );
        } else if self.manner.is_secure() {
            let tag = offer.map_or(1, |offer| {
                let suite = SUITE.sdes_name();
                let offered = medium(offer).cryptos;
                offered
                    .iter()
                    .find(|line| line.suite.as_str() == suite)
                    .expect("our suite")
                    .tag
            });
            let line = Crypto {
                tag,
                suite: Token::new(SUITE.sdes_name()).unwrap(),
                keys: vec![CryptoKey::new(self.key.to_vec())],
                session_parameters: Vec::new(),
            };
            body += &format!("a=crypto:{line}\r\n");
        }
        for agent in self.ports.iter().filter_map(|port| port.agent.as_ref()) {
            agent
                .candidates()
                .iter()
                .for_each(|candidate| body += &format!("a=candidate:{candidate}\r\n"));
        }
        if let Some(agent) = &self.ports[0].agent {
            let credentials = agent.credentials();
            body += &format!(
                "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
                credentials.ufrag(),
                credentials.pwd()
            );
        }
        body
    }

    /// Takes the relay's answer, or its offer.
    pub fn take(&mut self, body: &str, wire: &impl Wire) {
        let media = medium(body);
        assert_eq!(media.protocol.as_str(), self.manner.protocol.word());
        assert_eq!(media.ice.ufrag.is_some(), self.manner.ice, "{body}");
        let told = [media.rtp_address(), media.rtcp_address()];
        for (port, relay) in self.ports.iter_mut().zip(told) {
            port.relay = relay;
            if let Some(agent) = &mut port.agent {
                take_ice(agent, &media, wire);
            }
        }
        if self.manner.is_dtls() {
            let role = match media.setup {
                Some(Setup::Active) => Role::Passive,
                _ => Role::Active,
            };
            let expected = Fingerprint::parse(&media.fingerprints[0].to_string()).unwrap();
            for port in &mut self.ports {
                port.dtls = Some(Endpoint::new(
                    self.identity,
                    role,
                    Some(vec![expected.clone()]),
                    wire.now(),
                ));
            }
        } else if self.manner.is_secure() {
            let line = media
                .cryptos
                .iter()
                .find(|line| line.suite.as_str() == SUITE.sdes_name());
            let theirs =
                MasterKey::from_inline(SUITE, &line.expect("our suite").keys[0].key_salt.0)
                    .unwrap();
            let ours = MasterKey::from_inline(SUITE, &self.key).unwrap();
            for port in &mut self.ports {
                port.keys = Some((Outbound::new(&ours), Inbound::new(&theirs)));
            }
        }
    }

    pub fn is_connected(&self) -> bool {
        self.ports.iter().all(|port| {
            port.agent
                .as_ref()
                .is_none_or(|agent| agent.selected().is_some())
                && (!self.manner.is_secure() || port.keys.is_some())
        })
    }

    /// Sends what ICE and DTLS want to send, and takes what came.
    pub fn step(&mut self, wire: &mut impl Wire) {
        self.ports.iter_mut().for_each(|port| port.step(wire));
    }

    /// Sends a plain packet in its own manner.
    pub fn send(&mut self, packet: &[u8], wire: &mut impl Wire) {
        let port = self.port_mut(packet);
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 40, 0);
        let len = match &mut port.keys {
            None => packet.len(),
            Some((outbound, _)) if is_rtcp(packet) => {
                outbound.protect_rtcp(&mut buffer, packet.len()).unwrap()
            }
            Some((outbound, _)) => outbound.protect(&mut buffer, packet.len()).unwrap(),
        };
        let to = port.destination().expect("somewhere to send");
        wire.send(port.at, to, &buffer[..len]);
    }

    /// The plain packet in what came, if it came from where it must and to where it must.
    pub fn hear(&mut self, mut sent: Sent) -> Option<Vec<u8>> {
        let port = self.port_mut(&sent.bytes);
        if (sent.to, Some(sent.from)) != (port.at, port.destination()) {
            return None;
        }
        let rtcp = is_rtcp(&sent.bytes);
        let len = match &mut port.keys {
            None => sent.bytes.len(),
            Some((_, inbound)) if rtcp => inbound.unprotect_rtcp(&mut sent.bytes).ok()?,
            Some((_, inbound)) => inbound.unprotect(&mut sent.bytes).ok()?,
        };
        sent.bytes.truncate(len);
        Some(sent.bytes)
    }

    fn port_mut(&mut self, packet: &[u8]) -> &mut Port {
        let last = if is_rtcp(packet) {
            self.ports.len() - 1
        } else {
            0
        };
        &mut self.ports[last]
    }
}

impl Port {
    fn destination(&self) -> Option<SocketAddr> {
        match &self.agent {
            Some(agent) => Some(agent.selected()?.remote),
            None => self.relay,
        }
    }

    fn step(&mut self, wire: &mut impl Wire) {
        let now = wire.now();
        if let Some(agent) = &mut self.agent {
            agent.timeout(now);
            while let Some(output) = agent.poll() {
                if let ice::Output::Send { to, bytes, .. } = output {
                    wire.send(self.at, to, &bytes);
                }
            }
        }
        let destination = self.destination();
        if let (Some(dtls), Some(to)) = (&mut self.dtls, destination) {
            dtls.start(now);
            dtls.timeout(now);
            while let Some(output) = dtls.poll() {
                match output {
                    dtls::Output::Send(bytes) => wire.send(self.at, to, &bytes),
                    dtls::Output::Connected(keys) => {
                        self.keys = Some((Outbound::new(&keys.local), Inbound::new(&keys.remote)));
                    }
                    dtls::Output::Closed => {}
                    dtls::Output::Failed(failure) => panic!("{failure}"),
                }
            }
        }
        let mut came = Vec::new();
        let is_ours = |sent: &Sent| {
            let kind = rtp::demux(&sent.bytes);
            sent.to == self.at && matches!(kind, rtp::Kind::Stun | rtp::Kind::Dtls)
        };
        while let Some(at) = wire.came().iter().position(is_ours) {
            came.extend(wire.came().remove(at));
        }
        for sent in came {
            match (rtp::demux(&sent.bytes), &mut self.agent, &mut self.dtls) {
                (rtp::Kind::Stun, Some(agent), _) => {
                    _ = agent.receive(self.at, sent.from, &sent.bytes, now)
                }
                (rtp::Kind::Dtls, _, Some(dtls)) => _ = dtls.receive(&sent.bytes, now),
                (kind, ..) => panic!("not expected: {kind:?}"),
            }
        }
    }
}

/// Both sides until they are connected, and that much longer; `false` when that is not so within seconds.
pub fn connect(a: &mut Peer<'_>, b: &mut Peer<'_>, settle: Duration, wire: &mut impl Wire) -> bool {
    let mut connected = false;
    for _ in 0..1000 {
        a.step(wire);
        b.step(wire);
        if connected && wire.came().is_empty() {
            return true;
        }
        connected = a.is_connected() && b.is_connected();
        wire.wait(if connected {
            settle
        } else {
            Duration::from_millis(10)
        });
    }
    false
}

fn take_ice(agent: &mut Agent, media: &Media, wire: &impl Wire) {
    let text = |token: &Option<Token>| token.as_ref().expect("an ICE line").to_string();
    agent.set_remote(
        Credentials::new(&text(&media.ice.ufrag), &text(&media.ice.pwd)).unwrap(),
        wire.now(),
    );
    for candidate in &media.ice.candidates {
        let candidate = Candidate::parse(&candidate.to_string()).unwrap();
        // Those of the other component are refused.
        let _ = agent.add_remote(&candidate, wire.now());
    }
}

fn medium(body: &str) -> Media {
    Session::parse(body.as_bytes())
        .unwrap()
        .media
        .swap_remove(0)
}

fn is_rtcp(packet: &[u8]) -> bool {
    rtp::demux(packet) == rtp::Kind::Rtcp
}
