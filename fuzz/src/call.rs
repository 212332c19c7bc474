//! One call through one relay core: a browser's media side and a phone's, and the strangers between them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use control_proto::{Command, Dtls, Ice, Request, Response, TransportProtocol};
use dtls::{Endpoint, Fingerprint, Hash, Role};
use relay::core::{EventKind, HEADROOM, Output, Shard};
use rtp::Kind;
use sdp::Session;
use srtp::{Inbound, Outbound};

use crate::sign;
use crate::sockets::{Sockets, shard};
use crate::world::{at, credentials, identities, start};

pub(crate) const STRANGER: &str = "192.0.2.66:6666";
const BROWSER: &str = "198.51.100.7:50000";
const PHONE: [&str; 2] = ["198.51.100.20:4000", "198.51.100.20:4001"];
const PHONE_BODY: &str = "v=0\r\no=phone 1 1 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// Bytes that one datagram may cause besides itself: a flight of DTLS with its repetition.
const MAX_OUTPUT: usize = 8 * 1024;

pub(crate) struct Call {
    shard: Shard,
    sockets: Sockets,
    now: Instant,
    endpoint: Endpoint,
    keys: Option<(Outbound, Inbound)>,
    /// The relay's port towards the browser, and its password.
    relay: SocketAddr,
    /// Its ports towards the phone: RTP, RTCP.
    private: [SocketAddr; 2],
    ufrag: String,
    password: String,
    /// What came to the browser and is neither STUN nor media.
    flights: Vec<Vec<u8>>,
}

impl Call {
    /// Offered by the browser, answered by the phone; no packet yet.
    pub(crate) fn new(shares: bool) -> Self {
        let mut sockets = Sockets::default();
        let mut shard = shard(&mut sockets, shares);
        let mut ask =
            |request: &Request| -> Response { shard.command(request, start(), &mut sockets) };
        let offered = ask(&offer());
        let to_phone = Session::parse(offered.sdp.as_deref().expect("a body")).unwrap();
        let to_phone = &to_phone.media[0];
        let answered = ask(&answer());
        let body = Session::parse(answered.sdp.as_deref().expect("a body")).unwrap();
        let media = &body.media[0];
        let expected = Fingerprint::parse(&media.fingerprints[0].to_string()).unwrap();
        let text = |token: &Option<sdp::Token>| token.as_ref().unwrap().to_string();
        Self {
            relay: media.rtp_address().unwrap(),
            private: [
                to_phone.rtp_address().unwrap(),
                to_phone.rtcp_address().unwrap(),
            ],
            ufrag: text(&media.ice.ufrag),
            password: text(&media.ice.pwd),
            endpoint: Endpoint::new(
                &identities()[1],
                Role::Active,
                Some(vec![expected]),
                start(),
            ),
            shard,
            sockets,
            now: start(),
            keys: None,
            flights: Vec::new(),
        }
    }

    /// A check, a handshake, keys.
    pub(crate) fn connect(&mut self) {
        self.browser_checks(&[]);
        self.endpoint.start(self.now);
        while self.keys.is_none() {
            while let Some(output) = self.endpoint.poll() {
                match output {
                    dtls::Output::Send(datagram) => _ = self.browser_sends(&datagram),
                    dtls::Output::Connected(keys) => {
                        self.keys = Some((Outbound::new(&keys.local), Inbound::new(&keys.remote)));
                    }
                    other => panic!("{other:?}"),
                }
            }
            for flight in std::mem::take(&mut self.flights) {
                self.endpoint.receive(&flight, self.now);
            }
        }
    }

    /// Anybody to any port. Whether it was passed on.
    pub(crate) fn send(&mut self, from: SocketAddr, port: usize, bytes: &[u8]) -> bool {
        let Some(&socket) = self.sockets.open.keys().cycle().nth(port) else {
            return false;
        };
        let mut buffer = [bytes, &[0xaa; HEADROOM]].concat();
        let sent = self
            .shard
            .receive(socket, from, &mut buffer, bytes.len(), self.now);
        let sent = sent.sent();
        if let Some(sent) = sent {
            assert!(self.sockets.open.contains_key(&sent.socket));
            self.heard(sent.to, &buffer[..sent.len]);
        }
        self.drain();
        sent.is_some()
    }

    pub(crate) fn browser_sends(&mut self, bytes: &[u8]) -> bool {
        self.send(at(BROWSER), self.sockets.index(self.relay), bytes)
    }

    /// RTP or RTCP that bears a good tag, whatever it says.
    pub(crate) fn browser_protects(&mut self, plain: &[u8]) -> bool {
        let Some((outbound, _)) = &mut self.keys else {
            return self.browser_sends(plain);
        };
        let mut buffer = [plain, &[0; HEADROOM]].concat();
        let length = match rtp::demux(plain) {
            Kind::Rtcp => outbound.protect_rtcp(&mut buffer, plain.len()),
            _ => outbound.protect(&mut buffer, plain.len()),
        };
        length.is_ok_and(|length| self.browser_sends(&buffer[..length]))
    }

    /// A check that knows the password, and says this besides.
    pub(crate) fn browser_checks(&mut self, more: &[u8]) -> bool {
        let check = self.check(more, &self.password);
        self.browser_sends(&check)
    }

    /// A check that knows the names and not the password.
    pub(crate) fn stranger_checks(&mut self, more: &[u8]) -> bool {
        let check = self.check(more, credentials(1).pwd());
        self.send(at(STRANGER), self.sockets.index(self.relay), &check)
    }

    pub(crate) fn phone_sends(&mut self, component: usize, bytes: &[u8]) -> bool {
        let port = self.sockets.index(self.private[component]);
        self.send(at(PHONE[component]), port, bytes)
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.shard.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.shard.timeout(self.now, &mut self.sockets);
            self.drain();
            assert_ne!(
                self.shard.deadline(),
                Some(due),
                "a deadline that is never over"
            );
        }
        self.now = end;
    }

    /// What the browser says after all that is heard by the phone.
    pub(crate) fn speaks(&mut self) {
        self.browser_checks(&[]);
        let mut packet = vec![0x80, 0, 0x77, 0x77, 0, 0, 0, 160, 0xf0, 0x0d, 0xca, 0xfe];
        packet.extend(*b"still there");
        let mut buffer = [&packet[..], &[0; HEADROOM]].concat();
        let (outbound, _) = self.keys.as_mut().expect("connected");
        let Ok(length) = outbound.protect(&mut buffer, packet.len()) else {
            return; // the script has used up what it needs
        };
        assert!(self.browser_sends(&buffer[..length]), "the call goes on");
    }

    /// The call is deleted and nothing of it is left.
    pub(crate) fn ends(mut self) {
        assert_eq!(self.shard.calls(), 1);
        let mut delete = Request::new(Command::Delete);
        delete.call_id = Some("c".into());
        delete.from_tag = Some("a".into());
        delete.delete_delay = Some(Duration::ZERO);
        assert!(
            self.shard
                .command(&delete, self.now, &mut self.sockets)
                .is_ok()
        );
        self.pass(Duration::from_secs(1));
        let shared = self.shard.shared_ports().count();
        assert_eq!((self.shard.calls(), self.sockets.open.len()), (0, shared));
    }

    fn check(&self, more: &[u8], password: &str) -> Vec<u8> {
        let mut attributes = sign::check(&self.ufrag, credentials(1).ufrag());
        attributes.extend(more);
        sign::message(sign::BINDING_REQUEST, [9; 12], &attributes, password)
    }

    fn drain(&mut self) {
        let mut bytes_out = 0;
        while let Some(output) = self.shard.poll() {
            match output {
                Output::Datagram { socket, to, bytes } => {
                    assert!(self.sockets.open.contains_key(&socket));
                    bytes_out += bytes.len();
                    self.heard(to, &bytes);
                }
                Output::Event(event) => {
                    let is_news = matches!(
                        event.kind,
                        EventKind::DtlsConnected | EventKind::Deleted | EventKind::Soundless(_)
                    );
                    assert!(is_news, "{event:?}");
                }
                Output::Record(record) => panic!("nobody asked for {record:?}"),
                Output::Claim(claim) => panic!("it is alone: {claim:?}"),
                Output::Handshake { .. } => panic!("the shard does its handshakes itself"),
            }
        }
        assert!(bytes_out <= MAX_OUTPUT, "{bytes_out} bytes");
    }

    fn heard(&mut self, to: SocketAddr, bytes: &[u8]) {
        assert_ne!(to, at(STRANGER), "a stranger hears nothing");
        if to != at(BROWSER) {
            return assert!(PHONE.map(at).contains(&to), "{to}");
        }
        let mut bytes = bytes.to_vec();
        let opened = match (rtp::demux(&bytes), &mut self.keys) {
            (Kind::Stun, _) => true,
            (Kind::Dtls, _) => {
                self.flights.push(bytes);
                true
            }
            (Kind::Rtp, Some((_, inbound))) => inbound.unprotect(&mut bytes).is_ok(),
            (Kind::Rtcp, Some((_, inbound))) => inbound.unprotect_rtcp(&mut bytes).is_ok(),
            _ => false,
        };
        assert!(opened, "nothing leaves in the clear");
    }
}

fn offer() -> Request {
    let own = credentials(1);
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 50000 UDP/TLS/RTP/SAVPF 0 101\r\n\
         c=IN IP4 198.51.100.7\r\na=candidate:1 1 udp 2122260223 198.51.100.7 50000 typ host\r\n\
         a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:{}\r\na=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\n\
         a=rtpmap:101 telephone-event/8000\r\n",
        own.ufrag(),
        own.pwd(),
        identities()[1].fingerprint(Hash::Sha256),
    );
    let mut offer = Request::new(Command::Offer);
    offer.call_id = Some("c".into());
    offer.from_tag = Some("a".into());
    offer.sdp = Some(body.into_bytes());
    offer.transport_protocol = Some(TransportProtocol::RtpAvp);
    offer.ice = Some(Ice::Remove);
    offer.rtcp_mux.demux = true;
    offer.direction = Some(["public".into(), "private".into()]);
    offer
}

fn answer() -> Request {
    let mut answer = Request::new(Command::Answer);
    answer.call_id = Some("c".into());
    answer.from_tag = Some("a".into());
    answer.to_tag = Some("b".into());
    answer.sdp = Some(PHONE_BODY.into());
    answer.dtls = Some(Dtls::Passive);
    answer
}
