//! The INVITE server transaction (RFC 3261 section 17.2.1 with RFC 6026 section 7.1).

use std::collections::VecDeque;
use std::time::Instant;

use super::{Failure, Output, Repeat, ServerEvent, Timers, Transport, Wire, after, earliest};

/// The answering side of an INVITE.
#[derive(Debug)]
pub struct ServerInvite {
    state: State,
    transport: Transport,
    timers: Timers,
    out: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    /// No final response yet; `last` is repeated when the request is.
    Proceeding {
        last: Option<Wire>,
    },
    /// A 2xx went out. Its retransmissions come from above, those of the INVITE are absorbed.
    Accepted {
        timer_l: Instant,
    },
    /// A failure went out and waits for its ACK.
    Completed {
        response: Wire,
        timer_g: Option<Repeat>,
        timer_h: Instant,
    },
    /// The ACK came; more of them are absorbed.
    Confirmed {
        timer_i: Instant,
    },
    Terminated,
}

impl ServerInvite {
    pub(super) fn new(transport: Transport, timers: Timers) -> Self {
        Self {
            state: State::Proceeding { last: None },
            transport,
            timers,
            out: VecDeque::new(),
        }
    }

    pub(super) fn receive(&mut self, event: ServerEvent, now: Instant) {
        match event {
            ServerEvent::Retransmitted => self.retransmitted(),
            ServerEvent::Ack => self.acknowledged(now),
            ServerEvent::Respond { status, bytes } => self.respond(status, bytes, now),
            ServerEvent::Timer => self.timer(now),
            ServerEvent::TransportFailed => self.fail(Failure::Transport),
        }
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding { .. } | State::Terminated => None,
            State::Accepted { timer_l } => Some(*timer_l),
            State::Completed {
                timer_g, timer_h, ..
            } => earliest(timer_g.map(|timer| timer.at), Some(*timer_h)),
            State::Confirmed { timer_i } => Some(*timer_i),
        }
    }

    pub(super) fn answered(&self) -> bool {
        !matches!(self.state, State::Proceeding { .. })
    }

    fn retransmitted(&mut self) {
        match &self.state {
            State::Proceeding {
                last: Some(response),
            }
            | State::Completed { response, .. } => {
                self.out.push_back(Output::Send(response.clone()));
            }
            _ => {}
        }
    }

    fn acknowledged(&mut self, now: Instant) {
        match (&self.state, self.transport) {
            (State::Accepted { .. }, _) => self.out.push_back(Output::Deliver),
            (State::Completed { .. }, Transport::Unreliable) => {
                self.state = State::Confirmed {
                    timer_i: after(now, self.timers.t4),
                };
            }
            (State::Completed { .. }, Transport::Reliable) => self.end(),
            _ => {}
        }
    }

    fn respond(&mut self, status: u16, bytes: Wire, now: Instant) {
        match (&self.state, status) {
            (State::Proceeding { .. }, 100..=199) => {
                self.state = State::Proceeding {
                    last: Some(bytes.clone()),
                };
            }
            (State::Proceeding { .. }, 200..=299) => {
                self.state = State::Accepted {
                    timer_l: after(now, self.timers.timeout()),
                };
            }
            (State::Proceeding { .. }, _) => {
                let unreliable = self.transport == Transport::Unreliable;
                self.state = State::Completed {
                    response: bytes.clone(),
                    timer_g: unreliable.then(|| Repeat::start(self.timers.t1, now)),
                    timer_h: after(now, self.timers.timeout()),
                };
            }
            (State::Accepted { .. }, 200..=299) => {}
            _ => return,
        }
        self.out.push_back(Output::Send(bytes));
    }

    fn timer(&mut self, now: Instant) {
        let timers = self.timers;
        match &mut self.state {
            State::Accepted { timer_l: end } | State::Confirmed { timer_i: end } if *end <= now => {
                self.end()
            }
            State::Completed { timer_h, .. } if *timer_h <= now => self.fail(Failure::TimedOut),
            State::Completed {
                response,
                timer_g: Some(repeat),
                ..
            } => {
                let due = repeat.fire(now, timers.backed_off(repeat.interval));
                self.out.extend(due.then(|| Output::Send(response.clone())));
            }
            _ => {}
        }
    }

    fn fail(&mut self, failure: Failure) {
        if !matches!(self.state, State::Terminated) {
            self.out.push_back(Output::Failed(failure));
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

    impl Machine for ServerInvite {
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

    fn machine(transport: Transport) -> (ServerInvite, Instant) {
        (
            ServerInvite::new(transport, Timers::default()),
            Instant::now(),
        )
    }

    fn respond(machine: &mut ServerInvite, status: u16, now: Instant) -> Vec<Output> {
        machine.receive(
            ServerEvent::Respond {
                status,
                bytes: wire(&status.to_string()),
            },
            now,
        );
        drain(machine)
    }

    fn event(machine: &mut ServerInvite, event: ServerEvent, now: Instant) -> Vec<Output> {
        machine.receive(event, now);
        drain(machine)
    }

    #[test]
    fn proceeding_repeats_the_last_provisional_response() {
        let (mut m, t) = machine(Transport::Unreliable);
        assert_eq!(event(&mut m, ServerEvent::Retransmitted, t), []);
        assert_eq!(respond(&mut m, 100, t), [Output::Send(wire("100"))]);
        assert_eq!(respond(&mut m, 180, t), [Output::Send(wire("180"))]);
        assert_eq!(
            event(&mut m, ServerEvent::Retransmitted, t),
            [Output::Send(wire("180"))]
        );
        assert_eq!(m.deadline(), None);
        assert!(!m.answered());
    }

    #[test]
    fn accepted_absorbs_the_invite_passes_acks_and_further_2xx_until_timer_l() {
        for transport in [Transport::Reliable, Transport::Unreliable] {
            let (mut m, t) = machine(transport);
            assert_eq!(respond(&mut m, 200, t), [Output::Send(wire("200"))]);
            assert!(m.answered());
            assert_eq!(event(&mut m, ServerEvent::Retransmitted, t), []);
            assert_eq!(respond(&mut m, 200, t + MS), [Output::Send(wire("200"))]);
            assert_eq!(respond(&mut m, 486, t + MS), []);
            assert_eq!(event(&mut m, ServerEvent::Ack, t), [Output::Deliver]);
            assert_eq!(run(&mut m, t, 40_000 * MS), [(32_000, Output::Ended)]);
        }
    }

    #[test]
    fn completed_repeats_the_failure_on_timer_g_until_timer_h() {
        let (mut m, t) = machine(Transport::Unreliable);
        assert_eq!(respond(&mut m, 486, t), [Output::Send(wire("486"))]);
        let seen = run(&mut m, t, 60_000 * MS);
        let sent: Vec<u128> = seen
            .iter()
            .filter(|(_, o)| matches!(o, Output::Send(_)))
            .map(|(at, _)| *at)
            .collect();
        assert_eq!(
            sent,
            [
                500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
        assert_eq!(
            seen[seen.len() - 2..],
            [
                (32_000, Output::Failed(Failure::TimedOut)),
                (32_000, Output::Ended)
            ]
        );
    }

    #[test]
    fn completed_on_a_reliable_hop_repeats_nothing_by_itself() {
        let (mut m, t) = machine(Transport::Reliable);
        respond(&mut m, 486, t);
        assert_eq!(
            event(&mut m, ServerEvent::Retransmitted, t),
            [Output::Send(wire("486"))]
        );
        let seen = run(&mut m, t, 60_000 * MS);
        assert_eq!(
            seen,
            [
                (32_000, Output::Failed(Failure::TimedOut)),
                (32_000, Output::Ended)
            ]
        );
    }

    #[test]
    fn an_ack_confirms_and_timer_i_ends() {
        let (mut m, t) = machine(Transport::Unreliable);
        respond(&mut m, 486, t);
        assert_eq!(event(&mut m, ServerEvent::Ack, t), []);
        assert_eq!(event(&mut m, ServerEvent::Ack, t), []);
        assert_eq!(event(&mut m, ServerEvent::Retransmitted, t), []);
        assert_eq!(run(&mut m, t, 60_000 * MS), [(5_000, Output::Ended)]);

        let (mut m, t) = machine(Transport::Reliable);
        respond(&mut m, 486, t);
        assert_eq!(event(&mut m, ServerEvent::Ack, t), [Output::Ended]);
    }

    #[test]
    fn a_lost_connection_ends_it() {
        let (mut m, t) = machine(Transport::Reliable);
        let seen = event(&mut m, ServerEvent::TransportFailed, t);
        assert_eq!(seen, [Output::Failed(Failure::Transport), Output::Ended]);
        assert_eq!(event(&mut m, ServerEvent::TransportFailed, t), []);
        assert_eq!(respond(&mut m, 200, t), []);
    }
}
