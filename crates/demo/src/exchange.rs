//! The transactions of one SIP endpoint over UDP: who asked what, who is asked what. Reliability only; what messages
//! mean is the phone's or the registrar's. No socket and no clock.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sip::transaction::{
    Client, ClientEvent, ClientKey, Output, Server, ServerEvent, ServerKey, Timers, Transport, Wire,
};
use sip::{Message, Method};

/// How many transactions of each kind are open at once at most. A demo has a handful.
const MAX_TRANSACTIONS: usize = 4096;

/// The open transactions.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    servers: HashMap<ServerKey, (Server, SocketAddr)>,
    clients: HashMap<ClientKey, Asked>,
    sends: VecDeque<(Wire, SocketAddr)>,
    unanswered: VecDeque<ClientKey>,
}

#[derive(Debug)]
struct Asked {
    machine: Client,
    to: SocketAddr,
    request: Message,
}

/// What a datagram was.
#[derive(Debug)]
pub(crate) enum Received {
    /// A request that is new.
    Request(ServerKey, Message),
    /// The ACK of a 2xx.
    Ack(Message),
    /// A response to a request of ours.
    Response(ClientKey, Message),
    /// A retransmission, or nothing that concerns anyone.
    Nothing,
}

impl Exchange {
    /// Takes a datagram.
    pub(crate) fn receive(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) -> Received {
        let Ok(message) = Message::parse(datagram.to_vec()) else {
            return Received::Nothing;
        };
        if let Err(refusal) = sip::validate(&message) {
            if let Ok(response) = refusal.response(&message, "refused") {
                self.send(response.into_bytes(), from);
            }
            return Received::Nothing;
        }
        if message.is_request() {
            self.request(message, from, now)
        } else {
            self.response(message, now)
        }
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, key: &ServerKey, response: &Message, now: Instant) {
        let Some((machine, _)) = self.servers.get_mut(key) else {
            return;
        };
        let respond = ServerEvent::Respond {
            status: response.status().unwrap_or(500),
            bytes: wire(response),
        };
        machine.receive(respond, now);
        self.drain_server(key);
    }

    /// Asks `to`. `None`, and nothing is sent, when the request has no branch or too much is open.
    pub(crate) fn ask(
        &mut self,
        request: Message,
        to: SocketAddr,
        now: Instant,
    ) -> Option<ClientKey> {
        let key = client_key(&request)?;
        if self.clients.len() >= MAX_TRANSACTIONS {
            return None;
        }
        let invite = request.is(&Method::Invite);
        let machine = Client::new(
            invite,
            wire(&request),
            Transport::Unreliable,
            Timers::default(),
            now,
        );
        let asked = Asked {
            machine,
            to,
            request,
        };
        self.clients.insert(key.clone(), asked);
        self.drain_client(&key);
        Some(key)
    }

    /// Whether a request of ours had a provisional response and no final one.
    pub(crate) fn proceeding(&self, key: &ClientKey) -> bool {
        self.clients
            .get(key)
            .is_some_and(|asked| asked.machine.proceeding())
    }

    /// The request that a key stands for, while its transaction lives.
    pub(crate) fn asked(&self, key: &ClientKey) -> Option<(&Message, SocketAddr)> {
        let asked = self.clients.get(key)?;
        Some((&asked.request, asked.to))
    }

    /// Sends bytes outside of any transaction.
    pub(crate) fn send(&mut self, bytes: Vec<u8>, to: SocketAddr) {
        self.sends.push_back((bytes.into(), to));
    }

    /// The next datagram to send.
    pub(crate) fn poll_send(&mut self) -> Option<(Wire, SocketAddr)> {
        self.sends.pop_front()
    }

    /// The next request of ours that nobody answered in time.
    pub(crate) fn poll_unanswered(&mut self) -> Option<ClientKey> {
        self.unanswered.pop_front()
    }

    /// When [`Exchange::timer`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let servers = self.servers.values().filter_map(|(it, _)| it.deadline());
        let clients = self.clients.values().filter_map(|it| it.machine.deadline());
        servers.chain(clients).min()
    }

    /// Runs the timers.
    pub(crate) fn timer(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let servers: Vec<_> = self
            .servers
            .iter()
            .filter(|(_, (machine, _))| due(machine.deadline()))
            .map(|(key, _)| key.clone())
            .collect();
        for key in servers {
            if let Some((machine, _)) = self.servers.get_mut(&key) {
                machine.receive(ServerEvent::Timer, now);
            }
            self.drain_server(&key);
        }
        let clients: Vec<_> = self
            .clients
            .iter()
            .filter(|(_, asked)| due(asked.machine.deadline()))
            .map(|(key, _)| key.clone())
            .collect();
        for key in clients {
            if let Some(asked) = self.clients.get_mut(&key) {
                asked.machine.receive(ClientEvent::Timer, now);
            }
            self.drain_client(&key);
        }
    }

    fn request(&mut self, message: Message, from: SocketAddr, now: Instant) -> Received {
        let Some(key) = server_key(&message) else {
            return Received::Nothing;
        };
        let is_ack = message.is(&Method::Ack);
        if let Some((machine, _)) = self.servers.get_mut(&key) {
            let event = if is_ack {
                ServerEvent::Ack
            } else {
                ServerEvent::Retransmitted
            };
            machine.receive(event, now);
            return if self.drain_server(&key) {
                Received::Ack(message)
            } else {
                Received::Nothing
            };
        }
        if is_ack {
            return Received::Ack(message);
        }
        if self.servers.len() >= MAX_TRANSACTIONS {
            return Received::Nothing;
        }
        let invite = message.is(&Method::Invite);
        let machine = Server::new(invite, Transport::Unreliable, Timers::default());
        self.servers.insert(key.clone(), (machine, from));
        if invite && let Ok(trying) = Message::response(&message, 100, "Trying") {
            self.respond(&key, &trying, now);
        }
        Received::Request(key, message)
    }

    fn response(&mut self, message: Message, now: Instant) -> Received {
        let (Some(key), Some(status)) = (client_key(&message), message.status()) else {
            return Received::Nothing;
        };
        let Some(asked) = self.clients.get_mut(&key) else {
            return Received::Nothing;
        };
        let failed_invite = status >= 300 && asked.request.is(&Method::Invite);
        let ack = if failed_invite {
            Message::ack_to_failure(&asked.request, &message).ok()
        } else {
            None
        };
        let ack = ack.as_ref().map(wire);
        asked
            .machine
            .receive(ClientEvent::Response { status, ack }, now);
        if self.drain_client(&key) {
            Received::Response(key, message)
        } else {
            Received::Nothing
        }
    }

    /// Carries out what a server machine wants; whether it delivers what it received last.
    fn drain_server(&mut self, key: &ServerKey) -> bool {
        let (mut deliver, mut ended) = (false, false);
        if let Some((machine, from)) = self.servers.get_mut(key) {
            while let Some(output) = machine.poll() {
                match output {
                    Output::Send(bytes) => self.sends.push_back((bytes, *from)),
                    Output::Deliver => deliver = true,
                    Output::Failed(_) => {}
                    Output::Ended => ended = true,
                }
            }
        }
        if ended {
            self.servers.remove(key);
        }
        deliver
    }

    /// As [`Exchange::drain_server`] for a request of ours.
    fn drain_client(&mut self, key: &ClientKey) -> bool {
        let (mut deliver, mut ended) = (false, false);
        if let Some(asked) = self.clients.get_mut(key) {
            while let Some(output) = asked.machine.poll() {
                match output {
                    Output::Send(bytes) => self.sends.push_back((bytes, asked.to)),
                    Output::Deliver => deliver = true,
                    Output::Failed(_) => self.unanswered.push_back(key.clone()),
                    Output::Ended => ended = true,
                }
            }
        }
        if ended {
            self.clients.remove(key);
        }
        deliver
    }
}

fn wire(message: &Message) -> Wire {
    Arc::from(message.as_bytes())
}

fn client_key(message: &Message) -> Option<ClientKey> {
    let via = message.top_via()?;
    Some(ClientKey::new(
        via.branch()?,
        message.cseq()?.method.as_str(),
    ))
}

fn server_key(message: &Message) -> Option<ServerKey> {
    let via = message.top_via()?;
    let port = Some(via.port().unwrap_or(5060));
    let method = message.method()?.as_str();
    let branch = via.branch()?;
    Some(ServerKey::new(branch, via.host(), port, method, None))
}
