//! The control sockets to the relays. Each relay has its client (cookies, retransmission) and its
//! connected socket; which of them is asked is the core's choice.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use control_proto::{Client, Event, Key, MAX_DATAGRAM, Request, Ticket};
use tokio::net::UdpSocket;

use super::StartError;
use crate::core::{AskId, Input, Relay, RelayFailure};

/// A datagram from the relay with this index, or the socket's error.
pub(super) type Received = (usize, std::io::Result<Vec<u8>>);

pub(super) struct Relays {
    relays: Vec<Control>,
    /// Questions that there was nobody to ask.
    refused: Vec<AskId>,
}

struct Control {
    address: SocketAddr,
    socket: UdpSocket,
    client: Client,
    asked: HashMap<Ticket, AskId>,
}

impl Relays {
    pub(super) async fn connect(
        list: &[Relay],
        seed: [u8; 8],
        key: Option<Key>,
    ) -> Result<Self, StartError> {
        let mut relays = Vec::new();
        for (index, &Relay { address, .. }) in list.iter().enumerate() {
            let wrong = |error| StartError::Relay { address, error };
            let any = if address.is_ipv4() {
                "0.0.0.0:0"
            } else {
                "[::]:0"
            };
            let socket = UdpSocket::bind(any).await.map_err(wrong)?;
            socket.connect(address).await.map_err(wrong)?;
            // Cookies of two relays must differ: a relay may be listed under two addresses.
            let cookie = u64::from_be_bytes(seed).wrapping_add(index as u64);
            let cookie = cookie.to_be_bytes();
            relays.push(Control {
                address,
                socket,
                client: match &key {
                    Some(key) => Client::signing(cookie, key.clone()),
                    None => Client::new(cookie),
                },
                asked: HashMap::new(),
            });
        }
        Ok(Self {
            relays,
            refused: Vec::new(),
        })
    }

    pub(super) fn ask(&mut self, id: AskId, relay: SocketAddr, request: &Request, now: Instant) {
        match self.relays.iter_mut().find(|r| r.address == relay) {
            Some(relay) => {
                let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
                relay.client.tell_time(unix);
                let ticket = relay.client.ask(request, now);
                relay.asked.insert(ticket, id);
            }
            None => self.refused.push(id),
        }
    }

    /// The next datagram of any relay. Cancel-safe: readiness is awaited, then one datagram is read.
    pub(super) async fn receive(&self) -> Received {
        let mut waiting: Vec<_> = self
            .relays
            .iter()
            .map(|r| Box::pin(r.socket.readable()))
            .collect();
        let index = std::future::poll_fn(|context| {
            for (index, readable) in waiting.iter_mut().enumerate() {
                if readable.as_mut().poll(context).is_ready() {
                    return std::task::Poll::Ready(index);
                }
            }
            std::task::Poll::Pending
        })
        .await;
        let mut bytes = vec![0; MAX_DATAGRAM];
        let read = match self.relays.get(index) {
            Some(relay) => relay.socket.try_recv(&mut bytes),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        };
        (
            index,
            read.map(|length| {
                bytes.truncate(length);
                bytes
            }),
        )
    }

    /// Takes a datagram. Gives back the relay at whose control port nobody listens.
    pub(super) fn received(
        &mut self,
        (index, reply): Received,
        now: Instant,
    ) -> Option<SocketAddr> {
        let relay = self.relays.get_mut(index)?;
        match reply {
            Ok(bytes) => {
                // A reply to nothing that we asked is the client's to ignore.
                relay.client.receive(&bytes, now);
                None
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            // Nobody listens there (ICMP); retransmission goes on, since a relay may be restarting.
            Err(error) => {
                tracing::warn!(relay = %relay.address, %error, "the relay's control port is closed");
                Some(relay.address)
            }
        }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        for relay in &mut self.relays {
            relay.client.timeout(now);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.relays
            .iter()
            .filter_map(|relay| relay.client.deadline())
            .min()
    }

    /// Sends what is to be sent; the next outcome for the core, if there is one.
    pub(super) async fn answered(&mut self) -> Option<Input> {
        if let Some(id) = self.refused.pop() {
            return Some(Input::Relayed {
                id,
                reply: Err(RelayFailure::Unavailable),
            });
        }
        for relay in &mut self.relays {
            while let Some(event) = relay.client.poll() {
                let (ticket, reply) = match event {
                    Event::Send(datagram) => {
                        if let Err(error) = relay.socket.send(&datagram).await {
                            tracing::warn!(relay = %relay.address, %error, "control request not sent");
                        }
                        continue;
                    }
                    Event::Answered(ticket, response) => (ticket, Ok(response)),
                    Event::Failed(ticket, failure) => {
                        tracing::warn!(relay = %relay.address, %failure, "the relay does not answer");
                        (ticket, Err(RelayFailure::Silent))
                    }
                };
                if let Some(id) = relay.asked.remove(&ticket) {
                    return Some(Input::Relayed { id, reply });
                }
            }
        }
        None
    }
}
