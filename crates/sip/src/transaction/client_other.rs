//! The non-INVITE client transaction (RFC 3261 section 17.1.2).

use std::collections::VecDeque;
use std::time::Instant;

use super::{ClientEvent, Failure, Output, Repeat, Timers, Transport, Wire, after, earliest};

/// The asking side of any request but INVITE and ACK.
#[derive(Debug)]
pub struct ClientOther {
    state: State,
    transport: Transport,
    timers: Timers,
    /// Whether the request was sent again because its connection closed.
    again: bool,
    out: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    /// No final response yet. `heard` once a provisional one came: from then on timer E is T2.
    Waiting {
        request: Wire,
        heard: bool,
        timer_e: Option<Repeat>,
        timer_f: Instant,
    },
    /// The final response came; its retransmissions are absorbed until timer K.
    Completed {
        timer_k: Instant,
    },
    Terminated,
}

impl ClientOther {
    pub(super) fn new(request: Wire, transport: Transport, timers: Timers, now: Instant) -> Self {
        let out = VecDeque::from([Output::Send(request.clone())]);
        let timer_e = (transport == Transport::Unreliable).then(|| Repeat::start(timers.t1, now));
        let state = State::Waiting {
            request,
            heard: false,
            timer_e,
            timer_f: after(now, timers.timeout()),
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
            ClientEvent::Response { status, .. } => self.response(status, now),
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
            State::Waiting {
                timer_e, timer_f, ..
            } => earliest(timer_e.map(|timer| timer.at), Some(*timer_f)),
            State::Completed { timer_k } => Some(*timer_k),
            State::Terminated => None,
        }
    }

    pub(super) fn proceeding(&self) -> bool {
        matches!(self.state, State::Waiting { heard: true, .. })
    }

    pub(super) fn answered(&self) -> bool {
        !matches!(self.state, State::Waiting { .. })
    }

    fn response(&mut self, status: u16, now: Instant) {
        let State::Waiting { heard, .. } = &mut self.state else {
            return;
        };
        self.out.push_back(Output::Deliver);
        if status < 200 {
            *heard = true;
        } else if self.transport == Transport::Reliable {
            self.end();
        } else {
            self.state = State::Completed {
                timer_k: after(now, self.timers.t4),
            };
        }
    }

    fn connection_closed(&mut self) {
        match &self.state {
            State::Waiting {
                request,
                heard: false,
                ..
            } if !self.again => {
                self.again = true;
                self.out.push_back(Output::Send(request.clone()));
            }
            State::Waiting { heard: false, .. } => self.fail(Failure::Transport),
            _ => {}
        }
    }

    fn timer(&mut self, now: Instant) {
        let timers = self.timers;
        match &mut self.state {
            State::Waiting { timer_f, .. } if *timer_f <= now => self.fail(Failure::TimedOut),
            State::Waiting {
                request,
                heard,
                timer_e: Some(repeat),
                ..
            } => {
                let next = if *heard {
                    timers.t2
                } else {
                    timers.backed_off(repeat.interval)
                };
                if repeat.fire(now, next) {
                    self.out.push_back(Output::Send(request.clone()));
                }
            }
            State::Completed { timer_k } if *timer_k <= now => self.end(),
            _ => {}
        }
    }

    fn fail(&mut self, failure: Failure) {
        match self.state {
            State::Terminated => {}
            State::Waiting { .. } => {
                self.out.push_back(Output::Failed(failure));
                self.end();
            }
            State::Completed { .. } => self.end(),
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

    impl Machine for ClientOther {
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

    fn machine(transport: Transport) -> (ClientOther, Instant) {
        let now = Instant::now();
        let mut m = ClientOther::new(wire("BYE"), transport, Timers::default(), now);
        assert_eq!(drain(&mut m), [Output::Send(wire("BYE"))]);
        (m, now)
    }

    fn response(machine: &mut ClientOther, status: u16, now: Instant) -> Vec<Output> {
        machine.receive(ClientEvent::Response { status, ack: None }, now);
        drain(machine)
    }

    fn sent(seen: &[(u128, Output)]) -> Vec<u128> {
        seen.iter()
            .filter(|(_, o)| matches!(o, Output::Send(_)))
            .map(|(at, _)| *at)
            .collect()
    }

    #[test]
    fn trying_repeats_on_timer_e_up_to_t2_until_timer_f() {
        let (mut m, t) = machine(Transport::Unreliable);
        let seen = run(&mut m, t, 60_000 * MS);
        assert_eq!(
            sent(&seen),
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
    fn after_a_provisional_response_it_repeats_every_t2() {
        let (mut m, t) = machine(Transport::Unreliable);
        assert_eq!(response(&mut m, 100, t), [Output::Deliver]);
        assert!(m.proceeding());
        let seen = run(&mut m, t, 13_000 * MS);
        assert_eq!(sent(&seen), [500, 4500, 8500, 12_500]);
    }

    #[test]
    fn the_final_response_is_delivered_once_and_timer_k_ends() {
        let (mut m, t) = machine(Transport::Unreliable);
        assert_eq!(response(&mut m, 200, t), [Output::Deliver]);
        assert_eq!(response(&mut m, 200, t), []);
        assert_eq!(run(&mut m, t, 60_000 * MS), [(5_000, Output::Ended)]);

        let (mut m, t) = machine(Transport::Reliable);
        assert_eq!(response(&mut m, 200, t), [Output::Deliver, Output::Ended]);
    }

    #[test]
    fn a_reliable_hop_sends_once_and_waits_for_timer_f() {
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
    fn a_lost_connection_fails_it() {
        let (mut m, t) = machine(Transport::Reliable);
        m.receive(ClientEvent::TransportFailed, t);
        assert_eq!(
            drain(&mut m),
            [Output::Failed(Failure::Transport), Output::Ended]
        );
    }
}
