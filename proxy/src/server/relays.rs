//! The control sockets to the relays. Each relay that the core names has its client (cookies, retransmission) and its
//! connected socket; which of them is asked is the core's choice.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use control_proto::{Client, Command, Event, Key, Request, Ticket};
use net::udp::Watched;

use super::StartError;
use super::status::Asked;
use crate::core::{AskId, Input, Relay, RelayFailure};

/// How many octets came from the relay with this index, or the socket's error.
pub(super) type Received = (usize, std::io::Result<usize>);

/// A socket that nothing was asked on for so long is of a relay that is no longer there: one that is known is asked every second.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Relays {
    relays: Vec<Control>,
    /// Cookies of two relays must differ: a relay may be listed under two addresses.
    cookies: u64,
    key: Option<Key>,
    /// Questions that there was nobody to ask.
    refused: Vec<AskId>,
}

struct Control {
    address: SocketAddr,
    socket: Watched,
    client: Client,
    asked: HashMap<Ticket, (AskId, Instant)>,
    used: Instant,
    /// What came of what was asked.
    counted: Asked,
}

impl Control {
    /// Sends. False: an earlier datagram has found nobody (ICMP). The kernel says so once, to who sends next, and keeps back
    /// what was to be sent; so that is sent again, since a relay may be restarting.
    fn send(&mut self, datagram: &[u8]) -> bool {
        let mut sent = self.socket.send(datagram);
        let refused = matches!(&sent, Err(error) if error.kind() == ErrorKind::ConnectionRefused);
        if refused {
            self.counted.closed = self.counted.closed.saturating_add(1);
            sent = self.socket.send(datagram);
        }
        if let Err(error) = sent {
            tracing::debug!(relay = %self.address, %error, "control request not sent");
        }
        !refused
    }
}

impl Relays {
    /// Those that are known at the start: what is wrong with their addresses is said then.
    pub(super) fn connect(
        list: &[Relay],
        seed: [u8; 8],
        key: Option<Key>,
    ) -> Result<Self, StartError> {
        let mut relays = Self {
            relays: Vec::new(),
            cookies: u64::from_be_bytes(seed),
            key,
            refused: Vec::new(),
        };
        for &Relay { address, .. } in list {
            let wrong = |error| StartError::Relay { address, error };
            relays.add(address, Instant::now()).map_err(wrong)?;
        }
        Ok(relays)
    }

    fn add(&mut self, address: SocketAddr, now: Instant) -> std::io::Result<()> {
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = Watched::bind(any)?;
        socket.connect(address)?;
        let cookie = self.cookies.to_be_bytes();
        self.cookies = self.cookies.wrapping_add(1);
        self.relays.push(Control {
            address,
            socket,
            client: match &self.key {
                Some(key) => Client::signing(cookie, key.clone()),
                None => Client::new(cookie),
            },
            asked: HashMap::new(),
            used: now,
            counted: Asked::of(address),
        });
        Ok(())
    }

    /// Closes what nobody uses any more.
    pub(super) fn tidy(&mut self, now: Instant) {
        let is_used = |relay: &Control| now.saturating_duration_since(relay.used) < IDLE;
        self.relays
            .retain(|relay| is_used(relay) || !relay.asked.is_empty());
    }

    pub(super) fn ask(&mut self, id: AskId, relay: SocketAddr, request: &Request, now: Instant) {
        let is_there = self.relays.iter().any(|r| r.address == relay);
        if !is_there && let Err(error) = self.add(relay, now) {
            tracing::warn!(%relay, %error, "no socket for the relay's control port");
        }
        match self.relays.iter_mut().find(|r| r.address == relay) {
            Some(relay) => {
                let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
                relay.client.tell_time(unix);
                let ticket = relay.client.ask(request, now);
                relay.asked.insert(ticket, (id, now));
                relay.used = now;
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
                tracing::debug!(relay = %relay.address, %error, "the relay's control port is closed");
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
                    Event::Send(datagram) => match relay.send(&datagram) {
                        true => continue,
                        false => return Some(Input::RelayUnreachable(relay.address)),
                    },
                    Event::Answered(ticket, response) => (ticket, Ok(response)),
                    Event::Failed(ticket, failure) => {
                        tracing::debug!(relay = %relay.address, %failure, "a question to the relay");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_closed_control_port_is_told_when_it_is_asked_again_and_one_that_opens_hears_it() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let address = Watched::bind(any).unwrap().local_addr();
        let relay = Relay {
            address,
            priority: 0,
            weight: 1,
        };
        let (mut relays, now) = (
            Relays::connect(&[relay], [7; 8], None).unwrap(),
            Instant::now(),
        );
        relays.ask(AskId(1), address, &Request::new(Command::Ping), now);
        assert!(relays.answered().is_none());
        let back = Watched::bind(address).unwrap();
        relays.tick(now + Duration::from_secs(1));
        assert!(
            matches!(relays.answered(), Some(Input::RelayUnreachable(down)) if down == address)
        );
        let mut buffer = [0; 64];
        let asked = std::future::poll_fn(|context| back.poll_receive(context, &mut buffer)).await;
        let (length, _) = asked.unwrap();
        assert!(buffer[..length].ends_with(b"d7:command4:pinge"));
        assert!(relays.answered().is_none());
    }
}
