//! What one connection, one address and one account may do at once: counted before anything is remembered of a message,
//! so that a flood costs what it costs to count it.
//!
//! Who is over his limit is told so (503, with a time to come again that differs from the others'), as long as he does
//! not go on; who goes on is heard no more, and his connection is closed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use sip::{Framing, Message, Method};

use super::Core;
use super::budget::{Bucket, Ledger, Rate};
use super::config::Limits;
use super::event::Drop;
use super::face::{Command, FlowId, Source};
use super::refusal::Answer;
use super::route::aor_of;
use super::transactions::Payer;

/// Of each limit per second as much may come at once as in so many seconds.
const BURST: u32 = 4;

/// Refusals that one connection gets, one a second after these: then it is closed.
const REFUSALS: u32 = 60;

/// Calls that an account may begin at once, in minutes of its limit.
const CALL_BURST: u32 = 3;

/// Where a connection comes from, as far as one household or company can be told from the next: an IPv4 address, or the
/// /64 of an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Prefix(u128);

impl Prefix {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(four) => Self(four.to_ipv6_mapped().to_bits()),
            IpAddr::V6(six) => Self(six.to_bits() & !u128::from(u64::MAX)),
        }
    }
}

/// What one connection has left.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    messages: Bucket,
    refusals: Bucket,
    /// It is to be closed: nothing of it is heard any more.
    over: bool,
}

/// What addresses and accounts have left.
pub(super) struct Crowd {
    messages_per_flow: Rate,
    messages: Ledger<Prefix>,
    calls: Ledger<u64>,
}

impl Crowd {
    pub(super) fn new(limits: &Limits) -> Self {
        let second = Duration::from_secs(1);
        let per_address = Rate::new(limits.messages_per_address, second, BURST);
        let calls = Rate::new(
            limits.calls_per_account,
            second.saturating_mul(60),
            CALL_BURST,
        );
        Self {
            messages_per_flow: Rate::new(limits.messages_per_flow, second, BURST),
            messages: Ledger::new(per_address),
            calls: Ledger::new(calls),
        }
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// It is heard.
    Fair,
    /// It is refused.
    TooMuch,
    /// Its connection is being closed.
    Unheard,
}

impl Core {
    /// Counts a message of a connection.
    pub(super) fn weigh(&mut self, flow: FlowId, now: Instant) -> Weight {
        let crowd = &mut self.crowd;
        let Some(state) = self.flows.get_mut(flow) else {
            return Weight::Unheard;
        };
        let allowance = &mut state.allowance;
        if allowance.over {
            return Weight::Unheard;
        }
        let fair = allowance.messages.take(crowd.messages_per_flow, now)
            && crowd.messages.take(state.prefix, now);
        if fair {
            return Weight::Fair;
        }
        let refusals = Rate::new(1, Duration::from_secs(1), REFUSALS);
        if allowance.refusals.take(refusals, now) {
            return Weight::TooMuch;
        }
        self.hear_no_more(flow, "too many messages");
        Weight::Unheard
    }

    /// Closes a connection; what of it is still on its way is not heard.
    pub(super) fn hear_no_more(&mut self, flow: FlowId, why: &'static str) {
        if let Some(state) = self.flows.get_mut(flow) {
            state.allowance.over = true;
            self.commands.push_back(Command::CloseFlow { flow, why });
        }
    }

    /// Refuses a message without looking at what it wants.
    pub(super) fn turn_away(&mut self, from: Source, bytes: Vec<u8>) {
        let request = Message::parse_framed(bytes, Framing::Exact).ok();
        let request = request.filter(|it| it.is_request() && !it.is(&Method::Ack));
        match request.filter(|request| sip::validate(request).is_ok()) {
            Some(request) => {
                let answer = Answer::busy("Too Many Messages");
                self.answer_stateless(from, &request, &answer);
            }
            None => self.drop_message(from, Drop::OverLimit),
        }
    }

    /// Whether a call may begin here, and who is to be charged for its ringing.
    pub(super) fn may_ring(
        &mut self,
        from: Source,
        request: &Message,
        now: Instant,
    ) -> Result<Vec<Payer>, Answer> {
        let Source::Flow(flow) = from else {
            return Ok(Vec::new());
        };
        if !request.is(&Method::Invite) || request.to_tag().is_some() {
            return Ok(Vec::new());
        }
        let limits = &self.config.limits;
        let aor = aor_of(request, "From").unwrap_or_default();
        let account = self.names.spread("account", &aor);
        let flow = Payer::Flow(flow);
        let rings = |payer| self.transactions.ringing(payer);
        if rings(flow) >= limits.ringing_per_flow
            || rings(Payer::Account(account)) >= limits.ringing_per_account
        {
            return Err(Answer::busy("Too Many Calls Ring"));
        }
        if !self.crowd.calls.take(account, now) {
            return Err(Answer::busy("Too Many Calls In A Minute"));
        }
        Ok(vec![flow, Payer::Account(account)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_household_is_its_first_64_bits_and_an_ipv4_one_its_address() {
        let of = |text: &str| Prefix::of(text.parse().unwrap());
        assert_eq!(
            of("2001:db8:1:2::1"),
            of("2001:db8:1:2:ffff:ffff:ffff:ffff")
        );
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("0.0.0.0"), of("::"));
    }
}
