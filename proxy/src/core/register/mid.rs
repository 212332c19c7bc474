//! `registration = "mid"`: the SIP server registers the browsers, for long; the browsers register with the edge, for short.
//! A refresh that changes nothing is answered here for the first half of the SIP server's time, if what is left of that covers
//! what the browser gets.
//!
//! Nothing is answered here that the SIP server might have refused: not the first REGISTER, none on another flow than the one
//! that was accepted, none with another Contact, and none that ends a binding. The server's challenges pass, and nobody's
//! credentials are kept. So the edge cannot end a binding of a browser that does not come back: it runs out at the server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sip::{Error, Message};

use super::super::Core;
use super::super::alarms::Due;
use super::super::deadline::after;
use super::super::face::FlowId;
use super::super::flows::Reach;
use super::super::names::ClientId;
use super::super::refusal::Answer;
use super::super::route::aor_of;
use super::Registration;
use super::contact::without_expires;
use super::ways::Mid;

/// What the SIP server has granted.
struct Granted {
    aor: String,
    /// The client's Contact without its lifetime.
    contact: Vec<u8>,
    flow: FlowId,
    /// The parameters that the server has added for the client.
    gruus: String,
    /// Until then refreshes are answered here.
    fresh: Instant,
    /// Then it is over at the server.
    until: Instant,
}

/// All of it, by client.
#[derive(Default)]
pub(in crate::core) struct Upstairs {
    granted: HashMap<ClientId, Granted>,
    /// The shortest time that the server takes, once it has said.
    least: u32,
}

impl Upstairs {
    /// Forgets what is over. Gives back when to look again.
    pub(super) fn expire(&mut self, client: ClientId, now: Instant) -> Option<Instant> {
        let until = self.granted.get(&client)?.until;
        if until > now {
            return Some(until);
        }
        self.granted.remove(&client);
        None
    }

    #[cfg(test)]
    pub(in crate::core) fn is_empty(&self) -> bool {
        self.granted.is_empty()
    }
}

impl Core {
    /// Answers a REGISTER here, or makes of it what asks the SIP server for its own time.
    pub(in crate::core) fn register_between(
        &mut self,
        flow: FlowId,
        request: &mut Message,
        mid: &Mid,
        now: Instant,
    ) -> Result<Option<Answer>, Answer> {
        let Some(registration) = self.registration(request) else {
            // A star ends what others of this user have: their next refreshes go up.
            let aor = aor_of(request, "To").unwrap_or_default();
            let all = request.contacts().next().is_some();
            self.upstairs
                .granted
                .retain(|_, known| !all || known.aor != aor);
            return Ok(None);
        };
        let expires = mid.lifetime(registration.expires)?;
        if expires == 0 || request.contacts().count() > 1 {
            return Ok(None);
        }
        if let Some(contact) = self.granted_already(flow, &registration, expires, now) {
            return Ok(Some(Answer::new(200, "OK").with("Contact", contact)));
        }
        let asked = mid.upstream.max(self.upstairs.least);
        let asked = asked.min(self.token_lasts(flow, now).unwrap_or(u32::MAX));
        ask_for(request, asked).map_err(|_| Answer::new(400, "Bad Contact"))?;
        Ok(None)
    }

    /// The Contact of a client whose binding at the SIP server is young enough, on its own flow, and as it was.
    fn granted_already(
        &mut self,
        flow: FlowId,
        registration: &Registration,
        expires: u32,
        now: Instant,
    ) -> Option<String> {
        let client = registration.client;
        let known = self.upstairs.granted.get(&client)?;
        let here = known.flow == flow && self.flows.reach(client) == Reach::Flow(flow);
        let same = known.contact == without_expires(&registration.contact);
        let covered = now < known.fresh && after(now, seconds(expires)) <= known.until;
        if !here || !same || !covered {
            return None;
        }
        let own = String::from_utf8(known.contact.clone()).ok()?;
        let contact = format!("{own};expires={expires}{}", known.gruus);
        self.report_registered(flow, &registration.aor, expires, true);
        Some(contact)
    }

    /// The SIP server has granted this. Gives back what the client is told.
    pub(super) fn granted_upstairs(
        &mut self,
        flow: FlowId,
        registration: &Registration,
        granted: u32,
        gruus: String,
        now: Instant,
    ) -> u32 {
        let client = registration.client;
        let shown = match &self.config.registering {
            super::Registering::Mid(mid) => mid.lifetime(registration.wanted).unwrap_or(0),
            _ => return granted,
        };
        if granted == 0 || shown == 0 {
            self.upstairs.granted.remove(&client);
            return 0;
        }
        let until = after(now, seconds(granted));
        let known = Granted {
            aor: registration.aor.clone(),
            contact: without_expires(&registration.contact),
            flow,
            gruus,
            fresh: after(now, seconds(granted / 2)),
            until,
        };
        self.upstairs.granted.insert(client, known);
        self.alarms.arm(Due::Binding(client), Some(until));
        shown.min(granted)
    }

    /// The SIP server finds our time too brief: it is asked for its own from now on.
    pub(in crate::core) fn too_brief_upstairs(&mut self, response: &Message) {
        let least = response
            .header("Min-Expires")
            .and_then(|text| text.trim().parse().ok());
        self.upstairs.least = self.upstairs.least.max(least.unwrap_or(0)).min(MOST);
    }
}

/// No server's least time is more than a day.
const MOST: u32 = 24 * 3600;

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

/// Makes a REGISTER ask for this lifetime, wherever it says one.
fn ask_for(request: &mut Message, expires: u32) -> Result<(), Error> {
    let contact = request.raw_values("Contact").next().ok_or(Error::Missing)?;
    let mut contact = without_expires(contact);
    contact.extend(format!(";expires={expires}").into_bytes());
    request.set("Contact", contact)?;
    match request.has("Expires") {
        true => request.set("Expires", expires),
        false => Ok(()),
    }
}
