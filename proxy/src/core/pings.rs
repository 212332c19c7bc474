//! Watching the relays: each is asked by `ping` whether it lives, and what else comes from it, or does not, counts as well.
//!
//! What a relay of ours says in its `pong` beside that: `draining`, that it takes no new call, and `instance`, which is another
//! after a restart. Calls whose relay is silent for as long as they would wait for a browser, or was started anew, are over.

use std::net::SocketAddr;
use std::time::Instant;

use control_proto::{Command as Ng, Outcome, Request, Response, Value};

use super::Core;
use super::alarms::Due;
use super::elsewhere::is_full;
use super::event::Event;
use super::face::RelayFailure;
use super::media::Waiter;
use super::names::{MediaId, RelayId};
use super::relays::Relay;

/// What a ping is noted under: it is about no call.
const NO_CALL: [u8; 8] = [0; 8];

/// A question whether a relay lives, and whether it is the one that has its calls.
fn ping() -> Request {
    let mut ping = Request::new(Ng::Ping);
    ping.supports = vec!["instance".to_owned()];
    ping
}

impl Core {
    /// Takes the list of relays as it is now.
    pub(super) fn relays_are(&mut self, list: &[Relay], now: Instant) {
        self.relays.set(list, &self.names, now);
        self.watch_relays(now);
    }

    /// Asks whoever is to be asked.
    pub(super) fn watch_relays(&mut self, now: Instant) {
        while let Some((relay, _)) = self.relays.due(now) {
            let patience = self.relays.patience();
            let asked = self.put(
                MediaId::new(NO_CALL, relay),
                String::new(),
                ping(),
                Waiter::Relay,
                patience,
                now,
            );
            if asked.is_err() {
                self.relays.settled(relay);
            }
        }
        let grace = self.config.limits.grace;
        for (relay, address) in self.relays.lost(grace, now) {
            self.relay_is_lost(relay, address, now, now);
        }
        self.alarms.arm(Due::Relays, self.relays.deadline());
    }

    /// What an answer, or the lack of one, says about the relay.
    pub(super) fn heard_of_relay(
        &mut self,
        media: MediaId,
        waiter: &Waiter,
        reply: &Result<Response, RelayFailure>,
        now: Instant,
    ) {
        let relay = media.relay();
        let address = self.relays.address(relay);
        match reply {
            Ok(reply) => {
                if let (true, Some(relay)) = (self.relays.answered(relay, now), address) {
                    self.report(Event::RelayUp { relay });
                }
                if is_full(reply) {
                    self.relays.full(relay, now);
                }
                if let (Outcome::Pong, Some(address)) = (&reply.outcome, address) {
                    self.pong(relay, address, reply, now);
                }
            }
            Err(_) => self.relay_is_down(relay, address, now),
        }
        if matches!(waiter, Waiter::Relay) {
            self.relays.settled(relay);
            self.watch_relays(now);
        }
    }

    /// What a relay says of itself.
    fn pong(&mut self, relay: RelayId, address: SocketAddr, pong: &Response, now: Instant) {
        let Some(health) = self.relays.health(relay) else {
            return;
        };
        let draining = pong.other.get("draining").and_then(Value::as_integer) == Some(1);
        let news = health.drains(draining);
        let instance = pong.other.get("instance").and_then(Value::as_bytes);
        let last = instance.and_then(|instance| health.succeeds(instance, now));
        if news {
            let relay = address;
            self.report(match draining {
                true => Event::RelayDrains { relay },
                false => Event::RelayUp { relay },
            });
        }
        // What began later may be with the new process.
        if let Some(last) = last {
            self.relay_is_lost(relay, address, last, now);
        }
    }

    /// What calls this relay had until then it has no more.
    fn relay_is_lost(&mut self, relay: RelayId, address: SocketAddr, then: Instant, now: Instant) {
        let calls = self.lose_calls(relay, then, now);
        let relay = address;
        self.report(Event::RelayLost { relay, calls });
    }

    /// Nobody listens at this control port.
    pub(super) fn relay_unreachable(&mut self, address: SocketAddr, now: Instant) {
        let relay = self.names.relay(address);
        self.relay_is_down(relay, Some(address), now);
    }

    fn relay_is_down(&mut self, relay: RelayId, address: Option<SocketAddr>, now: Instant) {
        if let (true, Some(relay)) = (self.relays.failed(relay, now), address) {
            self.report(Event::RelayDown { relay });
        }
    }
}
