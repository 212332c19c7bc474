//! A client transaction of either kind behind one face.

use std::time::Instant;

use super::client_invite::ClientInvite;
use super::client_other::ClientOther;
use super::{Output, Timers, Transport, Wire};

/// What happens to a client transaction.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// A response with this transaction's key came.
    Response {
        /// Status code, 100 to 699.
        status: u16,
        /// The ACK that a failed INVITE's final response is owed (section 17.1.1.3); `None` otherwise.
        ack: Option<Wire>,
    },
    /// The deadline passed.
    Timer,
    /// The connection to the server is gone.
    TransportFailed,
    /// The connection that the request went over has closed. What nobody has answered may be lost with it: it is
    /// sent again, once, and absorbed as a retransmission if it was not. Another closing is a failure.
    ConnectionClosed,
}

/// The asking side of one request.
#[derive(Debug)]
pub enum Client {
    /// RFC 3261 section 17.1.1, RFC 6026.
    Invite(ClientInvite),
    /// RFC 3261 section 17.1.2.
    Other(ClientOther),
}

impl Client {
    /// The machine for `request`, which it sends at once. `invite` for INVITE, otherwise the other one.
    pub fn new(
        invite: bool,
        request: Wire,
        transport: Transport,
        timers: Timers,
        now: Instant,
    ) -> Self {
        if invite {
            Self::Invite(ClientInvite::new(request, transport, timers, now))
        } else {
            Self::Other(ClientOther::new(request, transport, timers, now))
        }
    }

    /// Takes an event.
    pub fn receive(&mut self, event: ClientEvent, now: Instant) {
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

    /// When [`ClientEvent::Timer`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    /// Whether a provisional response came and no final one: the state in which an INVITE can be
    /// cancelled (section 9.1).
    pub fn proceeding(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.proceeding(),
            Self::Other(machine) => machine.proceeding(),
        }
    }

    /// Whether a final response came.
    pub fn answered(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.answered(),
            Self::Other(machine) => machine.answered(),
        }
    }
}
