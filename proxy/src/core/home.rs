//! Requests of and for the users of this edge, where it is the registrar itself (`registration = "local"`): who asks, and
//! which clients are meant. Any other request is none of this file's business and goes its way.

use std::time::Instant;

use sip::{Message, Method, Uri};

use super::Core;
use super::auth::Door;
use super::face::{FlowId, Source};
use super::flows::Reach;
use super::names::{ClientId, Side};
use super::refusal::Answer;
use super::register::{Binding, Local, Registering};
use super::request::side;
use super::route::{Peer, Route, aor_of};
use super::token::Token;
use super::transactions::ContextId;

/// What a request for a user may go to: for each of his devices its flows, to be tried one after the other.
pub(super) type Devices = Vec<Vec<Target>>;

/// A client that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    client: ClientId,
    flow: FlowId,
}

impl Core {
    /// Sees who a browser's request is from, and takes off what proves it. `Some` if the request ends here: it is a
    /// REGISTER that the edge can answer, and this is the answer.
    pub(super) fn at_home(
        &mut self,
        from: Source,
        request: &mut Message,
        now: Instant,
    ) -> Result<Option<Answer>, Answer> {
        let Source::Flow(flow) = from else {
            return Ok(None);
        };
        let is_register = request.is(&Method::Register);
        if is_register {
            let bounded = self.bound_by_token(flow, request, now);
            bounded.map_err(|_| Answer::new(400, "Bad Contact"))?;
        }
        let local = match &self.config.registering {
            Registering::Local(local) => local.clone(),
            Registering::Mid(mid) if is_register => {
                let mid = mid.clone();
                return self.register_between(flow, request, &mid, now);
            }
            Registering::Mid(_) | Registering::Through => return Ok(None),
        };
        if is_register && self.is_our_domain(request.to().and_then(|to| to.uri().ok())) {
            return self.register_here(flow, request, &local, now).map(Some);
        }
        // Inside a dialog the flow proves who it is.
        if !is_register && request.to_tag().is_none() {
            self.caller_is_known(flow, request, &local, now)?;
        }
        self.remove_own_credentials(request)
            .map_err(|_| Answer::new(400, "Bad Credentials"))?;
        Ok(None)
    }

    /// A call begins with a proof, and in nobody else's name. Who wants no name shown may say so (RFC 3323).
    fn caller_is_known(
        &mut self,
        flow: FlowId,
        request: &Message,
        local: &Local,
        now: Instant,
    ) -> Result<(), Answer> {
        if self.user_by_token(flow).is_some() {
            return Ok(());
        }
        let user = self.authenticate(flow, request, &local.users, Door::Proxy, now)?;
        let domain = self.config.domain.to_ascii_lowercase();
        let says = aor_of(request, "From").unwrap_or_default();
        let right = says == format!("{user}@{domain}") || says == "anonymous@anonymous.invalid";
        match right {
            true => Ok(()),
            false => Err(Answer::new(403, "From Is Not Your Address")),
        }
    }

    /// Brings a request that may pass to where it goes.
    pub(super) fn deliver(
        &mut self,
        id: ContextId,
        from: Source,
        mut request: Message,
        now: Instant,
    ) -> Result<(), Answer> {
        let Some(bindings) = self.called(&request, from) else {
            self.is_within(&request)?;
            return self.deliver_by_route(id, from, request, now);
        };
        let unreadable = |_| Answer::new(400, "Bad Route");
        request.remove_all("Route").map_err(unreadable)?;
        let devices = self.devices(&bindings, from);
        match devices.as_slice() {
            [] => {
                let away = bindings.iter().map(|binding| binding.client);
                self.wait_for(id, away.collect(), now)
            }
            [only] if only.len() == 1 => {
                let route = only
                    .first()
                    .and_then(|target| self.route_to(*target, &mut request, from, now));
                let route =
                    route.ok_or_else(|| Answer::new(480, "The Browser Is Not Connected"))?;
                self.send_on(id, route, request, now)
            }
            _ => {
                self.fork(id, from, &request, devices, now);
                Ok(())
            }
        }
    }

    /// Refuses what only a SIP server could bring further, where there is none.
    fn is_within(&self, request: &Message) -> Result<(), Answer> {
        if !self.config.alone || request.to_tag().is_some() {
            return Ok(());
        }
        match self.is_our_domain(request.uri()) {
            true => Err(Answer::new(404, "No Such User")),
            false => Err(Answer::new(
                403,
                "This Edge Has No SIP Server For Other Domains",
            )),
        }
    }

    /// The bindings that a request is for, if it is for a user of ours, or for one of his devices by its GRUU.
    fn called(&self, request: &Message, from: Source) -> Option<Vec<Binding>> {
        let Registering::Local(local) = &self.config.registering else {
            return None;
        };
        let by_token = || Token::next(request, &self.names).is_some() && side(from) == Side::Phone;
        if request.to_tag().is_some() || request.is(&Method::Register) || by_token() {
            return None;
        }
        let uri = request.uri().filter(|uri| self.is_our_domain(Some(*uri)))?;
        if uri.params().has("gr") {
            // One that is not good any more reaches nobody: it is still ours.
            let device = self.device_of(&uri);
            let of_device = |(aor, instance): (String, String)| {
                let bindings = self.bindings.of(&aor).iter();
                let of_it = bindings.filter(|known| known.instance.as_deref() == Some(&*instance));
                of_it.cloned().collect()
            };
            return Some(device.map(of_device).unwrap_or_default());
        }
        let user = uri.decoded_user()?;
        let domain = self.config.domain.to_ascii_lowercase();
        let bindings = self.bindings.of(&format!("{user}@{domain}"));
        let by_token = || !bindings.is_empty() || self.has_account(&user);
        (local.users.knows(&user) || by_token()).then(|| bindings.to_vec())
    }

    /// The clients that are there now, newest first, by device: at most one on a flow, since a page that gets one INVITE
    /// twice refuses the second as merged (RFC 3261 section 8.2.2.2), and none on the caller's own.
    fn devices(&self, bindings: &[Binding], from: Source) -> Devices {
        let mut newest: Vec<&Binding> = bindings.iter().collect();
        newest.sort_by_key(|binding| std::cmp::Reverse(binding.order));
        let mut devices: Vec<(Option<&str>, Vec<Target>)> = Vec::new();
        for binding in newest {
            let Reach::Flow(flow) = self.flows.reach(binding.client) else {
                continue;
            };
            let taken = devices
                .iter()
                .any(|(_, flows)| flows.iter().any(|to| to.flow == flow));
            if taken || from == Source::Flow(flow) {
                continue;
            }
            let client = binding.client;
            let instance = binding.instance.as_deref();
            let same = devices
                .iter_mut()
                .find(|(known, _)| known.is_some() && *known == instance);
            match same {
                Some((_, flows)) => flows.push(Target { client, flow }),
                None => devices.push((instance, vec![Target { client, flow }])),
            }
        }
        devices.into_iter().map(|(_, flows)| flows).collect()
    }

    /// The way to a client from here; `None` if the asking browser is gone.
    pub(super) fn route_to(
        &self,
        to: Target,
        request: &mut Message,
        from: Source,
        now: Instant,
    ) -> Option<Route> {
        // The client knows itself only by its own Contact.
        let contact = self.flows.contact(to.client)?;
        request.set_uri(contact).ok()?;
        let beside = match from {
            Source::Flow(flow) => {
                let aor = aor_of(request, "From").unwrap_or_default();
                let client = self.flows.speaker(flow, &aor)?;
                Some(Peer { flow, client })
            }
            Source::Upstream(_) => None,
        };
        Some(Route {
            to: Source::Flow(to.flow),
            flow: to.flow,
            client: to.client,
            media: self.new_media(request, side(from), to.client, now),
            spread: None,
            numbered: match beside {
                Some(_) => None,
                None => self.numbers_of(to.flow),
            },
            beside,
        })
    }

    fn is_our_domain(&self, uri: Option<Uri<'_>>) -> bool {
        uri.is_some_and(|uri| uri.host().eq_ignore_ascii_case(&self.config.domain))
    }
}
