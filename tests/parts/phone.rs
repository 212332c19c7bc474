//! A telephone's two sockets and what it writes: RTP on an even port, RTCP on the next.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Longer than anything on loopback takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Phone {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    /// Where the relay wants its RTP; RTCP goes to the next port.
    pub(crate) relay: Option<SocketAddr>,
}

impl Phone {
    pub(crate) async fn new() -> Self {
        loop {
            let rtp = UdpSocket::bind("127.0.0.3:0").await.unwrap();
            let port = rtp.local_addr().unwrap().port();
            if port.is_multiple_of(2)
                && let Ok(rtcp) = UdpSocket::bind(("127.0.0.3", port + 1)).await
            {
                return Self {
                    rtp,
                    rtcp,
                    relay: None,
                };
            }
        }
    }

    /// What it offers or answers.
    pub(crate) fn sdp(&self) -> String {
        let address = self.rtp.local_addr().unwrap();
        let (ip, port) = (address.ip(), address.port());
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
        )
    }

    /// Takes the other side's description: one audio medium in plain RTP/AVP, nothing of a browser's.
    pub(crate) fn take(&mut self, sdp: &str) {
        for word in [
            "SAVP",
            "ice-",
            "candidate",
            "fingerprint",
            "crypto",
            "rtcp-mux",
        ] {
            assert!(!sdp.contains(word), "{word} in {sdp}");
        }
        let session = sdp::Session::parse(sdp.as_bytes()).unwrap();
        self.relay = session.media[0].rtp_address();
        assert!(
            self.relay.is_some_and(|it| it.port() > 0),
            "no port in {sdp}"
        );
    }

    pub(crate) async fn send(&self, packet: &[u8]) {
        self.rtp.send_to(packet, self.relay.unwrap()).await.unwrap();
    }

    pub(crate) async fn send_rtcp(&self, packet: &[u8]) {
        let relay = self.relay.unwrap();
        let to = SocketAddr::new(relay.ip(), relay.port() + 1);
        self.rtcp.send_to(packet, to).await.unwrap();
    }

    /// The next RTP packet; it must be from where the description said.
    pub(crate) async fn hear(&self) -> Vec<u8> {
        let (packet, from) = receive(&self.rtp).await;
        assert_eq!(Some(from), self.relay);
        packet
    }

    /// The next RTCP packet.
    pub(crate) async fn hear_rtcp(&self) -> Vec<u8> {
        receive(&self.rtcp).await.0
    }
}

pub(crate) async fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let received = timeout(PATIENCE, socket.recv_from(&mut buffer)).await;
    let (length, from) = received.expect("nothing came").unwrap();
    buffer.truncate(length);
    (buffer, from)
}

/// 20 ms of G.711 whose payload tells its number.
pub(crate) fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload(ssrc, sequence));
    packet
}

/// What [`rtp`] carries.
pub(crate) fn payload(ssrc: u32, sequence: u16) -> Vec<u8> {
    (0..160_u16)
        .map(|at| (at ^ sequence ^ ssrc as u16) as u8)
        .collect()
}

/// How [`sender_report`] is named in reports about it: the middle of its time (RFC 3550 section 6.4.1, LSR).
pub(crate) const REPORTED: u32 = 0x5678_9abc;

/// A sender report that claims so many packets.
pub(crate) fn sender_report(ssrc: u32, packets: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    for word in [ssrc, 0x1234_5678, 0x9abc_def0, 0, packets, packets * 160] {
        packet.extend(word.to_be_bytes());
    }
    packet
}
