//! The control sockets to the relays. Each relay has its client (cookies, retransmission) and its
//! connected socket; which of them is asked is the core's choice.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;
use std::time::{Instant, SystemTime};

use control_proto::{Client, Command, Event, Key, Request, Ticket};
use net::udp::Watched;

use super::StartError;
use super::status::Asked;
use crate::core::{AskId, Input, Relay, RelayFailure};

/// How many octets came from the relay with this index, or the socket's error.
pub(super) type Received = (usize, std::io::Result<usize>);

pub(super) struct Relays {
    relays: Vec<Control>,
    /// Questions that there was nobody to ask.
    refused: Vec<AskId>,
}

struct Control {
    address: SocketAddr,
    socket: Watched,
    client: Client,
    asked: HashMap<Ticket, (AskId, Instant)>,
    /// What came of what was asked.
    counted: Asked,
}

impl Relays {
    pub(super) fn connect(
        list: &[Relay],
        seed: [u8; 8],
        key: Option<Key>,
    ) -> Result<Self, StartError> {
        let mut relays = Vec::new();
        for (index, &Relay { address, .. }) in list.iter().enumerate() {
            let wrong = |error| StartError::Relay { address, error };
            let any = match address {
                SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            };
            let socket = Watched::bind(any).map_err(wrong)?;
            socket.connect(address).map_err(wrong)?;
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
                counted: Asked::of(address),
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
                relay.asked.insert(ticket, (id, now));
                if request.command == Command::Offer {
                    relay.counted.offers = relay.counted.offers.saturating_add(1);
                }
            }
            None => self.refused.push(id),
        }
    }

    /// The next datagram of any relay, written to `buffer`. Nothing is lost when the future is dropped.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> Received {
        std::future::poll_fn(|context| {
            for (index, relay) in self.relays.iter().enumerate() {
                if let Poll::Ready(received) = relay.socket.poll_receive(context, buffer) {
                    return Poll::Ready((index, received.map(|(length, _)| length)));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Takes a datagram. Gives back the relay at whose control port nobody listens.
    pub(super) fn received(
        &mut self,
        (index, received): Received,
        buffer: &[u8],
        now: Instant,
    ) -> Option<SocketAddr> {
        let relay = self.relays.get_mut(index)?;
        match received {
            Ok(length) => {
                // A reply to nothing that we asked is the client's to ignore.
                let reply = buffer.get(..length).unwrap_or_default();
                relay.client.receive(reply, now);
                None
            }
            // Nobody listens there (ICMP); retransmission goes on, since a relay may be restarting.
            Err(error) => {
                relay.counted.closed = relay.counted.closed.saturating_add(1);
                tracing::warn!(relay = %relay.address, %error, "the relay's control port is closed");
                Some(relay.address)
            }
        }
    }

    /// What was asked of each, and what came of it.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.relays.iter().map(|relay| relay.counted).collect()
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
    pub(super) fn answered(&mut self) -> Option<Input> {
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
                        if let Err(error) = relay.socket.send(&datagram) {
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
                if let Some((id, at)) = relay.asked.remove(&ticket) {
                    relay.counted.outcome(reply.is_ok(), at.elapsed());
                    return Some(Input::Relayed { id, reply });
                }
            }
        }
        None
    }
}
