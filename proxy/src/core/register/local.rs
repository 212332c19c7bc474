//! `registration = "local"`: the edge is the registrar (RFC 3261 section 10.3) of the users that its file names. It
//! answers their REGISTER and remembers their clients; nothing of it goes anywhere else.

use std::time::{Duration, Instant};

use sip::{Message, NameAddr};

use super::super::Core;
use super::super::alarms::Due;
use super::super::auth::Door;
use super::super::deadline::after;
use super::super::face::FlowId;
use super::super::flows::Reach;
use super::super::refusal::Answer;
use super::super::route::aor_of;
use super::bindings::Binding;
use super::contact::{device, without_expires};
use super::ways::Local;
use super::{DEFAULT_EXPIRES, Registration};

/// One contact of a REGISTER, and the binding that it asks for.
struct Asked {
    registration: Registration,
    binding: Binding,
    /// It is one of several flows of a device (RFC 5626).
    outbound: bool,
}

impl Core {
    /// Answers a REGISTER.
    pub(in crate::core) fn register_here(
        &mut self,
        flow: FlowId,
        request: &Message,
        local: &Local,
        now: Instant,
    ) -> Result<Answer, Answer> {
        let user = match self.user_by_token(flow) {
            Some(user) => user,
            None => self.authenticate(flow, request, &local.users, Door::Registrar, now)?,
        };
        let aor = aor_of(request, "To").unwrap_or_default();
        if aor != format!("{user}@{}", self.config.domain.to_ascii_lowercase()) {
            return Err(Answer::new(403, "Not Your Address"));
        }
        if request
            .contacts()
            .any(|contact| contact.is_ok_and(|contact| contact.is_star()))
        {
            return self.remove_all(flow, request, &aor);
        }
        let asked = self.asked(request, &aor, local, now)?;
        self.room_for_contacts(&aor, &asked, local)?;
        let only_asks = asked.is_empty();
        let mut answer = Answer::new(200, "OK");
        for one in asked {
            answer = self.take(flow, request, one, answer)?;
        }
        match only_asks {
            true => Ok(self.list(&aor, answer, now)),
            false => Ok(answer),
        }
    }

    /// The contacts of a REGISTER, each with the lifetime that it gets.
    fn asked(
        &self,
        request: &Message,
        aor: &str,
        local: &Local,
        now: Instant,
    ) -> Result<Vec<Asked>, Answer> {
        let bad = || Answer::new(400, "Bad Contact");
        let mut all: Vec<Asked> = Vec::new();
        for contact in request.raw_values("Contact") {
            let value = NameAddr::parse(contact).map_err(|_| bad())?;
            std::str::from_utf8(contact).map_err(|_| bad())?;
            let client = self.names.client(aor, &device(&value).ok_or_else(bad)?);
            let wanted = value.expires().or(request.expires());
            let expires = local.lifetime(wanted.unwrap_or(DEFAULT_EXPIRES))?;
            let instance = value.params().unquoted("+sip.instance");
            let cseq = request.cseq().ok_or_else(bad)?.number;
            let call_id = request.call_id().ok_or_else(bad)?.to_owned();
            let before = self.bindings.by_client(client).map(|(_, before)| before);
            let same_call = before.filter(|before| before.call_id == call_id);
            if same_call.is_some_and(|before| cseq <= before.cseq) {
                return Err(Answer::new(500, "This REGISTER Came Too Late"));
            }
            all.push(Asked {
                outbound: instance.is_some() && value.param("reg-id").is_some(),
                binding: Binding {
                    client,
                    contact: contact.to_vec(),
                    instance: instance.map(|text| text.into_owned()),
                    call_id,
                    cseq,
                    until: after(now, Duration::from_secs(expires.into())),
                    temporary: same_call.map_or(0, |before| before.temporary),
                    order: 0,
                },
                registration: Registration {
                    client,
                    aor: aor.to_owned(),
                    contact: contact.to_vec(),
                    uri: value.uri().map_err(|_| bad())?.as_str().to_owned(),
                    expires,
                    wanted: expires,
                },
            });
        }
        Ok(all)
    }

    /// Makes room for new clients of a user: those whose flow is gone leave first, those that are there never.
    fn room_for_contacts(
        &mut self,
        aor: &str,
        asked: &[Asked],
        local: &Local,
    ) -> Result<(), Answer> {
        let known = self.bindings.of(aor);
        let is_new = |one: &&Asked| {
            one.registration.expires > 0 && !known.iter().any(|b| b.client == one.binding.client)
        };
        let total = known
            .len()
            .saturating_add(asked.iter().filter(is_new).count());
        let over = total.saturating_sub(local.max_bindings);
        let is_asked = |client| asked.iter().any(|one| one.binding.client == client);
        let away: Vec<_> = known
            .iter()
            .map(|binding| binding.client)
            .filter(|client| !matches!(self.flows.reach(*client), Reach::Flow(_)))
            .filter(|client| !is_asked(*client))
            .take(over)
            .collect();
        if away.len() < over {
            return Err(Answer::new(403, "Too Many Contacts"));
        }
        away.into_iter()
            .for_each(|client| self.bindings.remove(client));
        Ok(())
    }

    /// Binds one contact, or ends its binding, and adds to the 200 what its client must see.
    fn take(
        &mut self,
        flow: FlowId,
        request: &Message,
        asked: Asked,
        mut answer: Answer,
    ) -> Result<Answer, Answer> {
        let Asked {
            registration,
            mut binding,
            outbound,
        } = asked;
        let (client, expires) = (registration.client, registration.expires);
        if !self.granted(flow, &registration, expires) {
            return Err(Answer::new(403, "Too Many Addresses On One Connection"));
        }
        if expires == 0 {
            self.bindings.remove(client);
            return Ok(answer);
        }
        let gruus = self.gruus(request, &registration.aor, &binding);
        if let Some((_, serial)) = &gruus
            && binding.temporary == 0
        {
            binding.temporary = *serial;
        }
        let gruus = gruus.map(|(params, _)| params).unwrap_or_default();
        let contact = shown(&binding.contact, expires);
        self.alarms.arm(Due::Binding(client), Some(binding.until));
        self.bindings.bind(&registration.aor, binding);
        answer = answer.with("Contact", contact + &gruus);
        if outbound && request.lists("Supported", "outbound") && !answer.has("Require") {
            answer = answer.with("Require", "outbound");
        }
        Ok(answer)
    }

    /// `Contact: *`.
    fn remove_all(&mut self, flow: FlowId, request: &Message, aor: &str) -> Result<Answer, Answer> {
        if request.contacts().count() != 1 || request.expires() != Some(0) {
            return Err(Answer::new(400, "A Star Stands Alone, With Expires 0"));
        }
        let clients: Vec<_> = self.bindings.of(aor).iter().map(|b| b.client).collect();
        clients
            .into_iter()
            .for_each(|client| self.bindings.remove(client));
        self.report_registered(flow, aor, 0, false);
        Ok(Answer::new(200, "OK"))
    }

    /// What there is, for a REGISTER that only asks.
    fn list(&self, aor: &str, answer: Answer, now: Instant) -> Answer {
        self.bindings
            .of(aor)
            .iter()
            .fold(answer, |answer, binding| {
                let left = binding.until.saturating_duration_since(now).as_secs();
                let left = u32::try_from(left).unwrap_or(u32::MAX);
                answer.with("Contact", shown(&binding.contact, left))
            })
    }

    /// A binding's time may be over.
    pub(in crate::core) fn binding_due(
        &mut self,
        client: super::super::names::ClientId,
        now: Instant,
    ) {
        let again = self.bindings.expire(client, now);
        let again = again.or(self.upstairs.expire(client, now));
        self.alarms.arm(Due::Binding(client), again);
    }
}

/// The client's own Contact with the lifetime that it has.
fn shown(contact: &[u8], expires: u32) -> String {
    let own = without_expires(contact);
    format!("{};expires={expires}", String::from_utf8_lossy(&own))
}
