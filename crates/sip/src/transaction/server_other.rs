//! The non-INVITE server transaction (RFC 3261 section 17.2.2).

use std::collections::VecDeque;
use std::time::Instant;

use super::{Failure, Output, ServerEvent, Timers, Transport, Wire, after};

/// The answering side of any request but INVITE and ACK.
#[derive(Debug)]
pub struct ServerOther {
    state: State,
    transport: Transport,
    timers: Timers,
    out: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    /// Nothing was answered: retransmissions are absorbed in silence.
    Trying,
    /// A provisional response went out and is repeated when the request is.
    Proceeding {
        last: Wire,
    },
    /// The final response went out and is repeated when the request is, until timer J.
    Completed {
        response: Wire,
        timer_j: Instant,
    },
    Terminated,
}

impl ServerOther {
    pub(super) fn new(transport: Transport, timers: Timers) -> Self {
        Self {
            state: State::Trying,
            transport,
            timers,
            out: VecDeque::new(),
        }
    }

    pub(super) fn receive(&mut self, event: ServerEvent, now: Instant) {
        match event {
            ServerEvent::Retransmitted => self.retransmitted(),
            ServerEvent::Respond { status, bytes } => self.respond(status, bytes, now),
            ServerEvent::Timer => self.timer(now),
            ServerEvent::TransportFailed => self.fail(),
            ServerEvent::Ack => {}
        }
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Completed { timer_j, .. } => Some(timer_j),
            _ => None,
        }
    }

    pub(super) fn answered(&self) -> bool {
        matches!(self.state, State::Completed { .. } | State::Terminated)
    }

    fn retransmitted(&mut self) {
        if let State::Proceeding { last: response } | State::Completed { response, .. } =
            &self.state
        {
            self.out.push_back(Output::Send(response.clone()));
        }
    }

    fn respond(&mut self, status: u16, bytes: Wire, now: Instant) {
        if self.answered() {
            return;
        }
        self.out.push_back(Output::Send(bytes.clone()));
        if status < 200 {
            self.state = State::Proceeding { last: bytes };
        } else if self.transport == Transport::Reliable {
            self.end();
        } else {
            self.state = State::Completed {
                response: bytes,
                timer_j: after(now, self.timers.timeout()),
            };
        }
    }

    fn timer(&mut self, now: Instant) {
        if matches!(self.state, State::Completed { timer_j, .. } if timer_j <= now) {
            self.end();
        }
    }

    fn fail(&mut self) {
        if !matches!(self.state, State::Terminated) {
            self.out.push_back(Output::Failed(Failure::Transport));
            self.end();
        }
    }

    fn end(&mut self) {
        self.state = State::Terminated;
        self.out.push_back(Output::Ended);
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench::{MS, Machine, drain, run, wire};
    use super::*;

    impl Machine for ServerOther {
        fn timer(&mut self, now: Instant) {
            self.receive(ServerEvent::Timer, now);
        }
        fn next(&mut self) -> Option<Output> {
            self.poll()
        }
        fn due(&self) -> Option<Instant> {
            self.deadline()
        }
    }

    fn event(machine: &mut ServerOther, event: ServerEvent, now: Instant) -> Vec<Output> {
        machine.receive(event, now);
        drain(machine)
    }

    fn response(status: u16) -> ServerEvent {
        ServerEvent::Respond {
            status,
            bytes: wire(&status.to_string()),
        }
    }

    #[test]
    fn retransmissions_are_absorbed_until_there_is_something_to_repeat() {
        let (mut m, t) = (
            ServerOther::new(Transport::Unreliable, Timers::default()),
            Instant::now(),
        );
        assert_eq!(event(&mut m, ServerEvent::Retransmitted, t), []);
        assert_eq!(event(&mut m, response(183), t), [Output::Send(wire("183"))]);
        assert_eq!(
            event(&mut m, ServerEvent::Retransmitted, t),
            [Output::Send(wire("183"))]
        );
        assert_eq!(event(&mut m, response(200), t), [Output::Send(wire("200"))]);
        assert_eq!(
            event(&mut m, ServerEvent::Retransmitted, t),
            [Output::Send(wire("200"))]
        );
        assert_eq!(event(&mut m, response(500), t), []);
        assert_eq!(run(&mut m, t, 60_000 * MS), [(32_000, Output::Ended)]);
    }

    #[test]
    fn on_a_reliable_hop_the_final_response_ends_it() {
        let (mut m, t) = (
            ServerOther::new(Transport::Reliable, Timers::default()),
            Instant::now(),
        );
        assert_eq!(
            event(&mut m, response(200), t),
            [Output::Send(wire("200")), Output::Ended]
        );
        assert_eq!(event(&mut m, response(200), t), []);
    }

    #[test]
    fn a_lost_connection_ends_it_and_an_ack_means_nothing() {
        let (mut m, t) = (
            ServerOther::new(Transport::Reliable, Timers::default()),
            Instant::now(),
        );
        assert_eq!(event(&mut m, ServerEvent::Ack, t), []);
        let seen = event(&mut m, ServerEvent::TransportFailed, t);
        assert_eq!(seen, [Output::Failed(Failure::Transport), Output::Ended]);
    }
}
