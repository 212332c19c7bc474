//! One call's media: a socket, a task, and [`Transport`] between them and plain RTP.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rtp::rtcp::Compound;
use rtp::{Header, Packet, Reception};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, interval_at, sleep_until};

use super::description::Description;
use super::progress::Progress;
use super::transport::{Event, Media as Plain, Transport};
use crate::phone::Voice;
use crate::phone::digits::{self, Event as Key};
use crate::phone::sound::{FRAME, RATE, Sound};
use crate::reports;

const PACKET_TIME: Duration = Duration::from_millis(20);
const REPORTS: Duration = Duration::from_secs(1);
/// Nothing is due for that long when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

/// A call's media. Says goodbye and ends when dropped.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) address: SocketAddr,
    /// The value of our `a=candidate`.
    pub(super) candidate: String,
    pub(super) ssrc: u32,
    orders: mpsc::UnboundedSender<Order>,
}

/// What both bodies came to.
#[derive(Debug)]
pub(super) struct Agreement {
    pub(super) peer: Description,
    /// We are the DTLS client.
    pub(super) active: bool,
    /// Our new credentials, when the peer restarts ICE.
    pub(super) restart: Option<ice::Credentials>,
    pub(super) sends: bool,
}

#[derive(Debug)]
enum Order {
    Agree(Box<Agreement>),
    Digits(String),
}

/// What a call's media begins with.
pub(super) struct Beginning {
    pub(super) ip: IpAddr,
    pub(super) identity: dtls::Identity,
    pub(super) credentials: ice::Credentials,
    pub(super) is_offerer: bool,
    pub(super) voice: Voice,
    pub(super) progress: Progress,
}

impl Media {
    /// Takes a port and waits for an [`Agreement`].
    pub(super) async fn start(begin: Beginning) -> io::Result<Self> {
        let socket = UdpSocket::bind((begin.ip, 0)).await?;
        let address = socket.local_addr()?;
        let mut random = [0; 20];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let [tie_breaker @ .., _, _, _, _, _, _, _, _, _, _, _, _] = random;
        let [_, _, _, _, _, _, _, _, start @ ..] = random;
        let next = first_header(start);
        let transport = Transport::new(
            address,
            begin.identity,
            begin.credentials,
            u64::from_be_bytes(tie_breaker),
            begin.is_offerer,
            Instant::now(),
        )
        .map_err(io::Error::other)?;
        let candidate = transport.candidate();
        let (orders, inbox) = mpsc::unbounded_channel();
        let stream = Stream {
            socket,
            transport,
            progress: begin.progress,
            voice: begin.voice,
            sound: Sound::new(begin.voice),
            peer: None,
            sends: false,
            next,
            sent: (0, 0),
            keys: VecDeque::new(),
            reception: None,
            last_key: None,
        };
        tokio::spawn(stream.run(inbox));
        Ok(Media {
            address,
            candidate,
            ssrc: next.ssrc,
            orders,
        })
    }

    pub(super) fn agree(&self, agreement: Agreement) {
        let _ = self.orders.send(Order::Agree(Box::new(agreement)));
    }

    pub(super) fn digits(&self, digits: String) {
        let _ = self.orders.send(Order::Digits(digits));
    }
}

struct Stream {
    socket: UdpSocket,
    transport: Transport,
    progress: Progress,
    voice: Voice,
    sound: Sound,
    peer: Option<Description>,
    sends: bool,
    next: Header,
    sent: (u32, u32),
    keys: VecDeque<Key>,
    reception: Option<Reception>,
    last_key: Option<u32>,
}

impl Stream {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut datagram = [0; 2048];
        let mut frames = interval(PACKET_TIME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut reports = interval_at(tokio::time::Instant::now() + REPORTS, REPORTS);
        loop {
            let due = self
                .transport
                .deadline()
                .unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => break,
                },
                received = self.socket.recv_from(&mut datagram) => {
                    if let Ok((len, from)) = received {
                        self.receive(from, datagram.get_mut(..len).unwrap_or_default());
                    }
                }
                _ = sleep_until(due.into()) => self.transport.timeout(Instant::now()),
                _ = frames.tick() => self.speak(),
                _ = reports.tick() => self.report(),
            }
            self.flush().await;
        }
        self.transport.close(Instant::now());
        self.flush().await;
    }

    fn order(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Agree(agreement) => {
                if let Some(credentials) = agreement.restart {
                    self.transport.restart(credentials);
                }
                self.transport.agree(&agreement.peer, agreement.active, now);
                self.sends = agreement.sends;
                self.peer = Some(agreement.peer);
            }
            Order::Digits(keys) => self.keys.extend(keys.chars().flat_map(digits::press)),
        }
    }

    fn receive(&mut self, from: SocketAddr, datagram: &mut [u8]) {
        match self.transport.receive(from, datagram, Instant::now()) {
            Some(Plain::Rtp(len)) => self.hear(datagram.get(..len).unwrap_or_default()),
            Some(Plain::Rtcp(len)) => self.hear_report(datagram.get(..len).unwrap_or_default()),
            None => {}
        }
    }

    /// Carries out what the transport wants, and notes what it reached.
    async fn flush(&mut self) {
        while let Some((to, bytes)) = self.transport.poll_send() {
            // Lost is lost.
            let _ = self.socket.send_to(&bytes, to).await;
        }
        while let Some(event) = self.transport.poll_event() {
            match event {
                Event::Connected => self.progress.mark(|timeline| &mut timeline.ice),
                Event::Disconnected => {}
                Event::Keys(suite) => {
                    self.progress.mark(|timeline| &mut timeline.keys);
                    self.progress.known().timeline.suite = Some(suite);
                }
                Event::Failed(failure) => self.progress.known().failure = Some(failure),
            }
        }
    }

    /// Sends the next 20 ms: a pressed key, or our own sound.
    fn speak(&mut self) {
        let Some(peer) = self.peer.as_ref().filter(|_| self.sends) else {
            return;
        };
        let (voice, events) = (peer.voice, peer.events);
        if !self.transport.is_ready() {
            return;
        }
        let frame = self.sound.frame();
        if let (Some(number), Some(key)) = (events, self.keys.pop_front()) {
            let is_first = usize::from(key.duration) == FRAME && !key.end;
            if let Some(payload) = key.payload() {
                self.send(number, is_first, &payload);
            }
            // All packets of a key have the time at which it went down.
            if self
                .keys
                .front()
                .is_none_or(|next| usize::from(next.duration) == FRAME)
            {
                self.next.timestamp = self.next.timestamp.wrapping_add(u32::from(key.duration));
            }
        } else if let (Some((number, codec)), Some(frame)) = (voice, frame) {
            let payload = frame.map(|sample| codec.encode(sample));
            self.send(number, self.sent.0 == 0, &payload);
            self.next.timestamp = self.next.timestamp.wrapping_add(FRAME as u32);
        }
    }

    fn send(&mut self, payload_type: u8, marker: bool, payload: &[u8]) {
        let mut packet = vec![0; Header::LEN + payload.len()];
        if let Ok(room) = (Header {
            payload_type,
            marker,
            ..self.next
        })
        .write(&mut packet)
        {
            room.copy_from_slice(payload);
        }
        if self.transport.send_rtp(&packet) {
            self.next.sequence = self.next.sequence.wrapping_add(1);
            self.sent.0 += 1;
            self.sent.1 = self.sent.1.wrapping_add(payload.len() as u32);
            self.progress.known().heard.sent = self.sent.0;
        }
    }

    fn hear(&mut self, datagram: &[u8]) {
        let (Some(peer), Ok(packet)) = (&self.peer, Packet::parse(datagram)) else {
            return;
        };
        let (voice, events) = (peer.voice, peer.events);
        if events == Some(packet.payload_type()) {
            self.count(&packet);
            self.hear_key(&packet);
        } else if let Some((number, codec)) =
            voice.filter(|(number, _)| *number == packet.payload_type())
        {
            self.count(&packet);
            self.progress.mark(|timeline| &mut timeline.audio);
            let samples = packet.payload().iter().map(|byte| codec.decode(*byte));
            self.progress.known().ear.hear(samples);
            if self.voice == Voice::Echo && self.sends {
                self.send(number, self.sent.0 == 0, packet.payload());
                let samples = packet.payload().len() as u32;
                self.next.timestamp = self.next.timestamp.wrapping_add(samples);
            }
        }
        self.progress.tell();
    }

    fn count(&mut self, packet: &Packet<'_>) {
        let now = Instant::now();
        let (sequence, timestamp) = (packet.sequence(), packet.timestamp());
        match &mut self.reception {
            Some(reception) if reception.ssrc() == packet.ssrc() => {
                reception.packet(sequence, timestamp, now)
            }
            other => {
                *other = Some(Reception::new(
                    packet.ssrc(),
                    RATE,
                    sequence,
                    timestamp,
                    now,
                ))
            }
        }
        let heard = &mut self.progress.known().heard;
        heard.packets += 1;
        heard.pauses.packet(now);
        heard.octets = heard.octets.wrapping_add(packet.payload().len() as u32);
        heard.lost = self.reception.as_ref().map_or(0, Reception::lost);
    }

    /// A key is one digit, however many packets tell of it.
    fn hear_key(&mut self, packet: &Packet<'_>) {
        let is_new = self.last_key != Some(packet.timestamp());
        if let Some(key) = Key::parse(packet.payload()).filter(|_| is_new) {
            self.last_key = Some(packet.timestamp());
            self.progress.known().heard.digits.push(key.digit);
        }
    }

    fn hear_report(&mut self, datagram: &[u8]) {
        let Ok(compound) = Compound::parse(datagram) else {
            return;
        };
        for report in compound.filter_map(|packet| packet.report()) {
            let heard = &mut self.progress.known().heard;
            if let Some(info) = report.sender {
                heard.sender_reports += 1;
                if let Some(reception) = &mut self.reception {
                    reception.sender_report(info.ntp, Instant::now());
                }
            }
            let about_us = report.blocks().filter(|block| block.ssrc == self.next.ssrc);
            heard.report_blocks += about_us.count() as u32;
        }
    }

    fn report(&mut self) {
        let reception = self.reception.as_mut();
        if let Ok(report) = reports::compound("demo", &self.next, self.sent, reception, false) {
            self.transport.send_rtcp(&report);
        }
    }
}

/// Where RTP begins at random (RFC 3550 section 5.1); the sequence number in the lower half (RFC 3711 section 3.3.1).
fn first_header([s0, s1, s2, s3, t0, t1, t2, t3, q0, q1, _, _]: [u8; 12]) -> Header {
    Header {
        marker: false,
        payload_type: 0,
        sequence: u16::from_be_bytes([q0, q1]) & 0x7fff,
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
    }
}
