//! One call's RTP and RTCP: two sockets, one task, 50 packets a second.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, mem};

use rtp::rtcp::Compound;
use rtp::{Header, Kind, Packet, Reception};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, interval_at};

use super::digits::{self, Event};
use super::ear::{Ear, Heard};
use super::sound::{FRAME, RATE, Sound};
use super::{Codec, Voice};
use crate::names::Names;
use crate::reports;

const PACKET_TIME: Duration = Duration::from_millis(20);

/// The first report after a second, then one each five (RFC 3550 section 6.2).
const FIRST_REPORT: Duration = Duration::from_secs(1);
const REPORTS: Duration = Duration::from_secs(5);

/// How often to look for an even port with a free one above it.
const PORT_TRIES: usize = 200;

/// What two bodies came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) rtp: Option<SocketAddr>,
    pub(super) rtcp: Option<SocketAddr>,
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
    pub(super) events: Option<u8>,
    pub(super) sends: bool,
    pub(super) receives: bool,
}

/// What is known of what was heard, shared with the [`super::Call`].
#[derive(Debug, Clone, Default)]
pub(super) struct Listening(Arc<Mutex<(Heard, Ear)>>);

/// A call's media. Says goodbye and ends when dropped.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) port: u16,
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Debug)]
enum Order {
    Flow(Flow),
    Digits(String),
}

struct Stream {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    voice: Voice,
    sound: Sound,
    flow: Option<Flow>,
    listening: Listening,
    strangers: Arc<AtomicU32>,
    next: Header,
    sent: (u32, u32),
    keys: VecDeque<Event>,
    reception: Option<Reception>,
    last_key: Option<u32>,
}

impl Listening {
    /// All that was heard up to now.
    pub(super) fn heard(&self) -> Heard {
        let mut shared = self.lock();
        let (heard, ear) = &mut *shared;
        heard.energy = ear.energy();
        heard.frequency = ear.frequency();
        heard.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (Heard, Ear)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Media {
    /// Takes two ports and waits for a [`Flow`]. `strangers` counts what is no RTP of the call.
    pub(super) fn start(
        ip: IpAddr,
        voice: Voice,
        listening: Listening,
        strangers: Arc<AtomicU32>,
        names: &mut Names,
    ) -> io::Result<Self> {
        let (rtp, rtcp) = ports(ip)?;
        let port = rtp.local_addr()?.port();
        let (orders, inbox) = mpsc::unbounded_channel();
        let stream = Stream {
            rtp,
            rtcp,
            voice,
            sound: Sound::new(voice),
            flow: None,
            listening,
            strangers,
            next: first_header(names),
            sent: (0, 0),
            keys: VecDeque::new(),
            reception: None,
            last_key: None,
        };
        tokio::spawn(stream.run(inbox));
        Ok(Self { port, orders })
    }

    pub(super) fn flow(&self, flow: Flow) {
        let _ = self.orders.send(Order::Flow(flow));
    }

    pub(super) fn digits(&self, digits: String) {
        let _ = self.orders.send(Order::Digits(digits));
    }
}

impl Stream {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let (mut packet, mut report) = ([0; 2048], [0; 2048]);
        let mut frames = interval(PACKET_TIME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut reports = interval_at(tokio::time::Instant::now() + FIRST_REPORT, REPORTS);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => break,
                },
                received = self.rtp.recv_from(&mut packet) => {
                    if let Ok((len, _)) = received {
                        self.hear(packet.get(..len).unwrap_or_default()).await;
                    }
                }
                received = self.rtcp.recv_from(&mut report) => {
                    if let Ok((len, _)) = received {
                        self.hear_report(report.get(..len).unwrap_or_default());
                    }
                }
                _ = frames.tick() => self.speak().await,
                _ = reports.tick() => self.report(false).await,
            }
        }
        self.report(true).await;
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Flow(flow) => self.flow = Some(flow),
            Order::Digits(keys) => self.keys.extend(keys.chars().flat_map(digits::press)),
        }
    }

    /// Sends the next 20 ms: a pressed key, or our own sound.
    async fn speak(&mut self) {
        let Some(flow) = self.flow.clone().filter(|flow| flow.sends) else {
            return;
        };
        let frame = self.sound.frame();
        if let (Some(number), Some(event)) = (flow.events, self.keys.pop_front()) {
            let first = usize::from(event.duration) == FRAME && !event.end;
            if let Some(payload) = event.payload() {
                self.send(&flow, number, first, &payload).await;
            }
            // All packets of a key have the time at which it went down.
            if self
                .keys
                .front()
                .is_none_or(|next| usize::from(next.duration) == FRAME)
            {
                self.next.timestamp = self.next.timestamp.wrapping_add(u32::from(event.duration));
            }
        } else if let Some(frame) = frame {
            let payload = frame.map(|sample| flow.codec.encode(sample));
            let first = self.sent.0 == 0;
            self.send(&flow, flow.payload_type, first, &payload).await;
            self.next.timestamp = self.next.timestamp.wrapping_add(FRAME as u32);
        }
    }

    async fn send(&mut self, flow: &Flow, payload_type: u8, marker: bool, payload: &[u8]) {
        let Some(to) = flow.rtp else { return };
        let header = Header {
            payload_type,
            marker,
            ..self.next
        };
        let mut packet = vec![0; Header::LEN + payload.len()];
        if let Ok(room) = header.write(&mut packet) {
            room.copy_from_slice(payload);
        }
        // Lost is lost.
        let _ = self.rtp.send_to(&packet, to).await;
        self.next.sequence = self.next.sequence.wrapping_add(1);
        self.sent.0 += 1;
        self.sent.1 = self.sent.1.wrapping_add(payload.len() as u32);
        self.listening.lock().0.sent = self.sent.0;
    }

    async fn hear(&mut self, datagram: &[u8]) {
        let Some(flow) = self.flow.clone() else {
            return;
        };
        let packet = Packet::parse(datagram).ok();
        let packet = packet.filter(|_| rtp::demux(datagram) == Kind::Rtp);
        let is_event = |packet: &Packet<'_>| flow.events == Some(packet.payload_type());
        let is_audio = |packet: &Packet<'_>| packet.payload_type() == flow.payload_type;
        let Some(packet) = packet.filter(|it| is_event(it) || is_audio(it)) else {
            self.strangers.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.count(&packet);
        if is_event(&packet) {
            self.hear_key(&packet);
            return;
        }
        let samples = packet.payload().iter().map(|byte| flow.codec.decode(*byte));
        self.listening.lock().1.hear(samples);
        if self.voice == Voice::Echo && flow.sends {
            let first = self.sent.0 == 0;
            self.send(&flow, flow.payload_type, first, packet.payload())
                .await;
            let samples = packet.payload().len() as u32;
            self.next.timestamp = self.next.timestamp.wrapping_add(samples);
        }
    }

    fn count(&mut self, packet: &Packet<'_>) {
        let now = Instant::now();
        let (sequence, timestamp) = (packet.sequence(), packet.timestamp());
        match &mut self.reception {
            Some(reception) if reception.ssrc() == packet.ssrc() => {
                reception.packet(sequence, timestamp, now);
            }
            other => {
                *other = Some(Reception::new(
                    packet.ssrc(),
                    RATE,
                    sequence,
                    timestamp,
                    now,
                ));
            }
        }
        let heard = &mut self.listening.lock().0;
        heard.packets += 1;
        heard.pauses.packet(now);
        heard.octets = heard.octets.wrapping_add(packet.payload().len() as u32);
        heard.lost = self.reception.as_ref().map_or(0, Reception::lost);
    }

    /// A key is one digit, however many packets tell of it.
    fn hear_key(&mut self, packet: &Packet<'_>) {
        let new = self.last_key != Some(packet.timestamp());
        if let Some(event) = Event::parse(packet.payload()).filter(|_| new) {
            self.last_key = Some(packet.timestamp());
            self.listening.lock().0.digits.push(event.digit);
        }
    }

    fn hear_report(&mut self, datagram: &[u8]) {
        let Ok(compound) = Compound::parse(datagram) else {
            self.strangers.fetch_add(1, Ordering::Relaxed);
            return;
        };
        for report in compound.filter_map(|packet| packet.report()) {
            let heard = &mut self.listening.lock().0;
            if let Some(info) = report.sender {
                heard.sender_reports += 1;
                if let Some(reception) = &mut self.reception {
                    reception.sender_report(info.ntp, Instant::now());
                }
            }
            let about_us = report.blocks().filter(|it| it.ssrc == self.next.ssrc);
            heard.report_blocks += about_us.count() as u32;
        }
    }

    async fn report(&mut self, goodbye: bool) {
        let Some(to) = self.flow.as_ref().and_then(|flow| flow.rtcp) else {
            return;
        };
        let reception = self.reception.as_mut();
        if let Ok(report) =
            reports::compound("phone@demo", &self.next, self.sent, reception, goodbye)
        {
            // Lost is lost.
            let _ = self.rtcp.send_to(&report, to).await;
        }
    }
}

/// An even port and the next one (RFC 3550 section 11).
fn ports(ip: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut held = Vec::new();
    for _ in 0..PORT_TRIES {
        let rtp = bind(ip, 0)?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 0
            && let Ok(rtcp) = bind(ip, port + 1)
        {
            return Ok((rtp, rtcp));
        }
        // Held until one is found, so that the system does not give it again.
        held.push(rtp);
    }
    mem::drop(held);
    Err(io::ErrorKind::AddrInUse.into())
}

fn bind(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind((ip, port))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Where RTP begins at random (RFC 3550 section 5.1); the sequence number in the lower half (RFC 3711 section 3.3.1).
fn first_header(names: &mut Names) -> Header {
    Header {
        marker: false,
        payload_type: 0,
        sequence: names.number() as u16 & 0x7fff,
        timestamp: names.number() as u32,
        ssrc: names.number() as u32,
    }
}
