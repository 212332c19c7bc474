//! The INVITE client transaction (RFC 3261 section 17.1.1 with RFC 6026 section 7.2).

use std::collections::VecDeque;
use std::time::Instant;

use super::{ClientEvent, Failure, Output, Repeat, Timers, Transport, Wire, after, earliest};

/// The asking side of an INVITE.
#[derive(Debug)]
pub struct ClientInvite {
    state: State,
    transport: Transport,
    timers: Timers,
    /// Whether the request was sent again because its connection closed.
    again: bool,
    out: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    /// Sent, and nothing heard.
    Calling {
        request: Wire,
        timer_a: Option<Repeat>,
        timer_b: Instant,
    },
    /// A provisional response came. How long it may ring is the transaction user's Timer C.
    Proceeding,
    /// A 2xx came; it and every further one goes up.
    Accepted {
        timer_m: Instant,
    },
    /// A failure came and was acknowledged, and is again whenever it comes again.
    Completed {
        ack: Option<Wire>,
        timer_d: Instant,
    },
    Terminated,
}

impl ClientInvite {
    pub(super) fn new(request: Wire, transport: Transport, timers: Timers, now: Instant) -> Self {
        let out = VecDeque::from([Output::Send(request.clone())]);
        let timer_a = (transport == Transport::Unreliable).then(|| Repeat::start(timers.t1, now));
        let state = State::Calling {
            request,
            timer_a,
            timer_b: after(now, timers.timeout()),
        };
        Self {
            state,
            transport,
            timers,
            again: false,
            out,
        }
    }

    pub(super) fn receive(&mut self, event: ClientEvent, now: Instant) {
        match event {
            ClientEvent::Response { status, ack } => self.response(status, ack, now),
            ClientEvent::Timer => self.timer(now),
            ClientEvent::TransportFailed => self.fail(Failure::Transport),
            ClientEvent::ConnectionClosed => self.connection_closed(),
        }
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Calling {
                timer_a, timer_b, ..
            } => earliest(timer_a.map(|timer| timer.at), Some(*timer_b)),
            State::Proceeding | State::Terminated => None,
            State::Accepted { timer_m: end } | State::Completed { timer_d: end, .. } => Some(*end),
        }
    }

    pub(super) fn proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    pub(super) fn answered(&self) -> bool {
        !matches!(self.state, State::Calling { .. } | State::Proceeding)
    }

    fn response(&mut self, status: u16, ack: Option<Wire>, now: Instant) {
        match (&self.state, status) {
            (State::Calling { .. } | State::Proceeding, 100..=199) => {
                self.state = State::Proceeding
            }
            (State::Calling { .. } | State::Proceeding, 200..=299) => {
                self.state = State::Accepted {
                    timer_m: after(now, self.timers.timeout()),
                };
            }
            (State::Calling { .. } | State::Proceeding, _) => {
                self.out.extend(ack.clone().map(Output::Send));
                self.out.push_back(Output::Deliver);
                match self.transport {
                    Transport::Reliable => self.end(),
                    Transport::Unreliable => {
                        self.state = State::Completed {
                            ack,
                            timer_d: after(now, self.timers.timeout()),
                        };
                    }
                }
                return;
            }
            (State::Accepted { .. }, 200..=299) => {}
            (State::Completed { ack, .. }, 300..) => {
                self.out.extend(ack.clone().map(Output::Send));
                return;
            }
            _ => return,
        }
        self.out.push_back(Output::Deliver);
    }

    fn connection_closed(&mut self) {
        match &self.state {
            State::Calling { request, .. } if !self.again => {
                self.again = true;
                self.out.push_back(Output::Send(request.clone()));
            }
            State::Calling { .. } => self.fail(Failure::Transport),
            _ => {}
        }
    }

    fn timer(&mut self, now: Instant) {
        match &mut self.state {
            State::Calling { timer_b, .. } if *timer_b <= now => self.fail(Failure::TimedOut),
            // Timer A doubles without the bound of T2 (section 17.1.1.2).
            State::Calling {
                request,
                timer_a: Some(repeat),
                ..
            } => {
                let due = repeat.fire(now, repeat.interval.saturating_mul(2));
                self.out.extend(due.then(|| Output::Send(request.clone())));
            }
            State::Accepted { timer_m: end } | State::Completed { timer_d: end, .. }
                if *end <= now =>
            {
                self.end();
            }
            _ => {}
        }
    }

    fn fail(&mut self, failure: Failure) {
        match self.state {
            State::Terminated => {}
            State::Calling { .. } | State::Proceeding => {
                self.out.push_back(Output::Failed(failure));
                self.end();
            }
            // Answered: nothing is lost but the absorption of retransmissions.
            State::Accepted { .. } | State::Completed { .. } => self.end(),
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

    impl Machine for ClientInvite {
        fn timer(&mut self, now: Instant) {
            self.receive(ClientEvent::Timer, now);
        }
        fn next(&mut self) -> Option<Output> {
            self.poll()
        }
        fn due(&self) -> Option<Instant> {
            self.deadline()
        }
    }

    fn machine(transport: Transport) -> (ClientInvite, Instant) {
        let now = Instant::now();
        let mut m = ClientInvite::new(wire("INVITE"), transport, Timers::default(), now);
        assert_eq!(drain(&mut m), [Output::Send(wire("INVITE"))]);
        (m, now)
    }

    fn response(machine: &mut ClientInvite, status: u16, now: Instant) -> Vec<Output> {
        let ack = (status >= 300).then(|| wire("ACK"));
        machine.receive(ClientEvent::Response { status, ack }, now);
        drain(machine)
    }

    #[test]
    fn calling_repeats_on_timer_a_doubling_until_timer_b() {
        let (mut m, t) = machine(Transport::Unreliable);
        let seen = run(&mut m, t, 60_000 * MS);
        let sent: Vec<u128> = seen
            .iter()
            .filter(|(_, o)| matches!(o, Output::Send(_)))
            .map(|(at, _)| *at)
            .collect();
        assert_eq!(sent, [500, 1500, 3500, 7500, 15_500, 31_500]);
        assert_eq!(
            seen[seen.len() - 2..],
            [
                (32_000, Output::Failed(Failure::TimedOut)),
                (32_000, Output::Ended)
            ]
        );
    }

    #[test]
    fn calling_on_a_reliable_hop_only_waits_for_timer_b() {
        let (mut m, t) = machine(Transport::Reliable);
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
    fn a_provisional_response_stops_the_timers() {
        let (mut m, t) = machine(Transport::Unreliable);
        assert!(!m.proceeding());
        assert_eq!(response(&mut m, 100, t), [Output::Deliver]);
        assert_eq!(response(&mut m, 180, t), [Output::Deliver]);
        assert!(m.proceeding());
        assert_eq!(m.deadline(), None);
    }

    #[test]
    fn accepted_passes_every_2xx_up_until_timer_m() {
        let (mut m, t) = machine(Transport::Unreliable);
        assert_eq!(response(&mut m, 200, t), [Output::Deliver]);
        assert!(m.answered());
        assert_eq!(response(&mut m, 200, t + MS), [Output::Deliver]);
        assert_eq!(response(&mut m, 180, t + MS), []);
        assert_eq!(response(&mut m, 486, t + MS), []);
        assert_eq!(run(&mut m, t, 60_000 * MS), [(32_000, Output::Ended)]);
    }

    #[test]
    fn a_failure_is_acknowledged_each_time_it_comes_and_delivered_once() {
        let (mut m, t) = machine(Transport::Unreliable);
        response(&mut m, 180, t);
        assert_eq!(
            response(&mut m, 486, t),
            [Output::Send(wire("ACK")), Output::Deliver]
        );
        assert_eq!(response(&mut m, 486, t + MS), [Output::Send(wire("ACK"))]);
        assert_eq!(response(&mut m, 200, t + MS), []);
        assert_eq!(run(&mut m, t, 60_000 * MS), [(32_000, Output::Ended)]);
    }

    #[test]
    fn a_failure_on_a_reliable_hop_ends_it_at_once() {
        let (mut m, t) = machine(Transport::Reliable);
        assert_eq!(
            response(&mut m, 486, t),
            [Output::Send(wire("ACK")), Output::Deliver, Output::Ended]
        );
    }

    #[test]
    fn a_connection_that_closes_under_it_makes_it_ask_once_more() {
        let (mut m, t) = machine(Transport::Reliable);
        m.receive(ClientEvent::ConnectionClosed, t);
        assert!(matches!(&drain(&mut m)[..], [Output::Send(_)]));
        m.receive(ClientEvent::ConnectionClosed, t);
        assert_eq!(
            drain(&mut m),
            [Output::Failed(Failure::Transport), Output::Ended]
        );

        let (mut m, t) = machine(Transport::Reliable);
        response(&mut m, 180, t);
        m.receive(ClientEvent::ConnectionClosed, t);
        assert_eq!(drain(&mut m), []);
    }

    #[test]
    fn a_lost_connection_fails_it_only_while_unanswered() {
        let (mut m, t) = machine(Transport::Reliable);
        m.receive(ClientEvent::TransportFailed, t);
        assert_eq!(
            drain(&mut m),
            [Output::Failed(Failure::Transport), Output::Ended]
        );

        let (mut m, t) = machine(Transport::Reliable);
        response(&mut m, 200, t);
        m.receive(ClientEvent::TransportFailed, t);
        assert_eq!(drain(&mut m), [Output::Ended]);
    }
}
