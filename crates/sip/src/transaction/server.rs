//! A server transaction of either kind behind one face.

use std::time::Instant;

use super::server_invite::ServerInvite;
use super::server_other::ServerOther;
use super::{Output, Timers, Transport, Wire};

/// What happens to a server transaction.
#[derive(Debug, Clone)]
pub enum ServerEvent {
    /// The request came again.
    Retransmitted,
    /// An ACK with the INVITE's key came.
    Ack,
    /// The transaction user answers.
    Respond {
        /// Status code, 100 to 699.
        status: u16,
        /// The response.
        bytes: Wire,
    },
    /// The deadline passed.
    Timer,
    /// The connection to the client is gone.
    TransportFailed,
}

/// The answering side of one request.
#[derive(Debug)]
pub enum Server {
    /// RFC 3261 section 17.2.1, RFC 6026.
    Invite(ServerInvite),
    /// RFC 3261 section 17.2.2.
    Other(ServerOther),
}

impl Server {
    /// The machine for a request just received: `invite` for INVITE, otherwise the other one.
    /// The caller sends the 100 Trying of an INVITE, as its first response.
    pub fn new(invite: bool, transport: Transport, timers: Timers) -> Self {
        if invite {
            Self::Invite(ServerInvite::new(transport, timers))
        } else {
            Self::Other(ServerOther::new(transport, timers))
        }
    }

    /// Takes an event.
    pub fn receive(&mut self, event: ServerEvent, now: Instant) {
        match self {
            Self::Invite(machine) => machine.receive(event, now),
            Self::Other(machine) => machine.receive(event, now),
        }
    }

    /// What follows, until nothing does.
    pub fn poll(&mut self) -> Option<Output> {
        match self {
            Self::Invite(machine) => machine.poll(),
            Self::Other(machine) => machine.poll(),
        }
    }

    /// When [`ServerEvent::Timer`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    /// Whether a final response was given.
    pub fn answered(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.answered(),
            Self::Other(machine) => machine.answered(),
        }
    }
}
