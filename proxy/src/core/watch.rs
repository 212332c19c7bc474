//! Watching the SIP server's addresses: each that there is another beside is asked by OPTIONS whether it lives, and what
//! else comes from it, or does not, counts as well. The only one is asked while it is down: nobody is sent to an edge that is
//! not ready, so nobody else would find out.

use std::time::{Duration, Instant};

use sip::{Error, Message, Method, RequestBuilder};

use super::Core;
use super::alarms::Due;
use super::deadline::after;
use super::errand::Purpose;
use super::event::Event;
use super::face::{Command, Source};
use super::hop::Hop;
use super::names::TargetId;
use super::upstreams::Target;

/// The longest that an address may ask to be left alone (Retry-After).
const MAX_REST: Duration = Duration::from_secs(3600);

impl Core {
    /// Takes the list of the SIP server's addresses as it is now.
    pub(super) fn upstreams_are(&mut self, list: &[Target], now: Instant) {
        if self.upstreams.set(list, &self.names, now) {
            let upstreams = self.upstreams.hops();
            self.report(Event::Upstreams { upstreams });
        }
        self.watch_upstreams(now);
    }

    /// Asks whoever is to be asked.
    pub(super) fn watch_upstreams(&mut self, now: Instant) {
        while let Some((target, hop)) = self.upstreams.due(now) {
            let end = after(now, self.upstreams.patience());
            match self.question(hop) {
                Ok(request) => {
                    let purpose = Purpose::Question(target);
                    self.send_own(Source::Upstream(hop), &request, purpose, Some(end), now);
                }
                Err(_) => self.upstreams.settled(target),
            }
        }
        self.alarms.arm(Due::Upstreams, self.upstreams.deadline());
    }

    fn question(&mut self, hop: Hop) -> Result<Message, Error> {
        let branch = self.names.branch();
        let tag = self.names.tag("", &branch);
        let own = self.config.own(hop).address;
        let there = format!("sip:{}{}", hop.address, hop.transport.in_uri());
        RequestBuilder::new(Method::Options, &there)
            .header("Via", self.via(Source::Upstream(hop), &branch))
            .header("Max-Forwards", "70")
            .header("From", format!("<sip:{own}>;tag={tag}"))
            .header("To", format!("<{there}>"))
            .header("Call-ID", tag)
            .cseq(1)
            .build()
    }

    /// The answer to a question.
    pub(super) fn upstream_said(&mut self, target: TargetId, response: &Message, now: Instant) {
        self.upstreams.said(target, now);
        self.upstreams.settled(target);
        match response.status() {
            Some(503) => {
                if !self.upstream_rests(target, response, now) {
                    self.upstream_is_down(target, now);
                }
            }
            // Somebody else answers for it, or it cannot do what it is there for.
            Some(408 | 500 | 502 | 504) => self.upstream_is_down(target, now),
            _ => self.upstream_lives(target, now),
        }
        self.watch_upstreams(now);
    }

    /// No answer to a question.
    pub(super) fn upstream_silent(&mut self, target: TargetId, now: Instant) {
        self.upstreams.settled(target);
        self.upstream_is_down(target, now);
        self.watch_upstreams(now);
    }

    /// A response to somebody's request came from there.
    pub(super) fn upstream_answered(&mut self, from: Source, response: &Message, now: Instant) {
        let Some(target) = self.upstream_of(from) else {
            return;
        };
        match response.status() {
            // The only one answers, and is sent what comes.
            Some(503) if self.upstreams.has_choice() => {
                self.upstream_rests(target, response, now);
            }
            _ => self.upstream_lives(target, now),
        }
    }

    /// Where requests go to whoever sent something from there.
    pub(super) fn upstream_behind(&self, place: Source) -> Source {
        let known = self.upstream_of(place);
        let hop = known.and_then(|target| self.upstreams.address(target));
        hop.map_or(place, Source::Upstream)
    }

    /// Which address of the SIP server this is.
    pub(super) fn upstream_of(&self, place: Source) -> Option<TargetId> {
        match place {
            Source::Upstream(hop) => self.upstreams.at(hop),
            Source::Flow(_) => None,
        }
    }

    /// It has not answered, or cannot be reached. It is asked at once: one request alone may have taken long.
    pub(super) fn upstream_is_down(&mut self, target: TargetId, now: Instant) {
        if self.upstreams.failed(target, now)
            && let Some(upstream) = self.upstreams.address(target)
        {
            self.report(Event::UpstreamDown { upstream });
            self.watch_upstreams(now);
        }
    }

    fn upstream_lives(&mut self, target: TargetId, now: Instant) {
        if self.upstreams.answered(target, now)
            && let Some(upstream) = self.upstreams.address(target)
        {
            self.report(Event::UpstreamUp { upstream });
        }
    }

    /// A 503 whose Retry-After says for how long (RFC 3261 section 21.5.4). False if it says nothing.
    fn upstream_rests(&mut self, target: TargetId, response: &Message, now: Instant) -> bool {
        let Some(rest) = retry_after(response) else {
            return false;
        };
        self.upstream_lives(target, now);
        if self.upstreams.rests(target, after(now, rest), now)
            && let Some(upstream) = self.upstreams.address(target)
        {
            self.report(Event::UpstreamRests { upstream, rest });
        }
        true
    }

    pub(super) fn report(&mut self, event: Event) {
        self.commands.push_back(Command::Report(event));
    }
}

/// The seconds of a Retry-After (section 20.33): what follows them is comment and parameters.
fn retry_after(response: &Message) -> Option<Duration> {
    let value = response.header("Retry-After")?;
    let digits: String = value
        .trim()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let seconds = digits.parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_REST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_after_is_seconds_and_at_most_an_hour() {
        let of = |value: &str| {
            let text = format!("SIP/2.0 503 No\r\nRetry-After: {value}\r\n\r\n");
            retry_after(&Message::parse(text.into_bytes()).unwrap())
        };
        assert_eq!(
            of("120 (in maintenance);duration=60"),
            Some(Duration::from_secs(120))
        );
        assert_eq!(of("999999"), Some(MAX_REST));
        assert_eq!(of("99999999999999999999999"), None);
        assert_eq!(of("soon"), None);
    }
}
