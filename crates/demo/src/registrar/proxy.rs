//! Where requests go: along their Route, or to where a user is (RFC 3261 section 16).

use std::net::SocketAddr;
use std::time::Instant;

use sip::transaction::ServerKey;
use sip::{Message, Method, NameAddr, Uri};

use super::Registrar;
use super::auth::Door;
use super::fork::Fork;

/// One place to send a request to.
pub(super) struct Target {
    /// The new Request-URI; `None` leaves it.
    uri: Option<String>,
    route: Vec<String>,
    to: SocketAddr,
}

impl Registrar {
    /// Forwards a request other than REGISTER, CANCEL and ACK.
    pub(super) fn proxy(
        &mut self,
        key: ServerKey,
        mut message: Message,
        from: SocketAddr,
        now: Instant,
    ) {
        if message.max_forwards() == Some(0) {
            return self.answer(&key, &message, 483, "Too Many Hops", now);
        }
        let in_dialog = message.to_tag().is_some();
        if !in_dialog && !self.may_call(&message, from) {
            return self.challenge(&key, &message, Door::Proxy, now);
        }
        self.remove_our_route(&mut message);
        let targets = match self.targets(&message, now) {
            Ok(targets) => targets,
            Err((status, reason)) => return self.answer(&key, &message, status, reason, now),
        };
        self.forks.insert(key.clone(), Fork::new(message.clone()));
        for target in targets {
            let record = !in_dialog && message.method().is_some_and(Method::forms_dialog);
            let asked = self
                .outgoing(&message, &target, record)
                .and_then(|request| self.exchange.ask(request, target.to, now));
            if let (Some(branch), Some(fork)) = (asked, self.forks.get_mut(&key)) {
                fork.add(branch.clone());
                self.branches.insert(branch, key.clone());
            }
        }
        self.finish_if_done(&key, now);
    }

    /// Forwards the ACK of a 2xx, which is no transaction.
    pub(super) fn forward_ack(&mut self, mut message: Message, now: Instant) {
        self.remove_our_route(&mut message);
        let Some(target) = self
            .targets(&message, now)
            .ok()
            .and_then(|all| all.into_iter().next())
        else {
            return;
        };
        if let Some(request) = self.outgoing(&message, &target, false) {
            self.exchange.send(request.into_bytes(), target.to);
        }
    }

    /// Phones at fixed addresses call freely; users prove who they are, and call as nobody else.
    fn may_call(&self, message: &Message, from: SocketAddr) -> bool {
        let caller = message.from().and_then(|it| it.uri().ok());
        let caller = caller.and_then(|uri| uri.decoded_user());
        let known_phone = caller
            .as_deref()
            .and_then(|name| self.config.phones.get(name));
        known_phone == Some(&from)
            || self
                .authenticated(message, Door::Proxy)
                .is_some_and(|name| caller.as_deref() == Some(name.as_str()))
    }

    fn remove_our_route(&self, message: &mut Message) {
        loop {
            let ours = message.routes().next().is_some_and(|route| {
                let uri = route.ok().and_then(|route| route.uri().ok());
                uri.is_some_and(|uri| self.is_our_address(&uri))
            });
            if !ours || message.remove_first_value("Route").is_err() {
                return;
            }
        }
    }

    /// Where the request goes; or the response that is owed.
    fn targets(&self, message: &Message, now: Instant) -> Result<Vec<Target>, (u16, &'static str)> {
        if let Some(route) = message.routes().next() {
            let to = route.ok().and_then(|route| address(&route.uri().ok()?));
            let to = to.ok_or((502, "Bad Gateway"))?;
            return Ok(vec![Target::unchanged(to)]);
        }
        let uri = message.uri().ok_or((400, "Bad Request-URI"))?;
        if !self.is_ours(&uri) {
            // In a dialog the Request-URI is the other end's contact.
            let known = message.to_tag().is_some();
            let to = address(&uri).filter(|_| known).ok_or((404, "Not Found"))?;
            return Ok(vec![Target::unchanged(to)]);
        }
        let user = uri.decoded_user().unwrap_or_default();
        if let Some(&to) = self.config.phones.get(&*user) {
            let uri = Some(format!("sip:{user}@{to}"));
            let route = Vec::new();
            return Ok(vec![Target { uri, route, to }]);
        }
        if !self.config.users.contains_key(&*user) {
            return Err((404, "Not Found"));
        }
        let targets: Vec<_> = self
            .location
            .of(&user, now)
            .filter_map(|binding| {
                let first = match binding.path.first() {
                    Some(path) => NameAddr::parse(path.as_bytes()).ok()?.uri().ok()?,
                    None => Uri::parse(&binding.uri).ok()?,
                };
                Some(Target {
                    uri: Some(binding.uri.clone()),
                    route: binding.path.clone(),
                    to: address(&first)?,
                })
            })
            .collect();
        if targets.is_empty() {
            return Err((480, "Temporarily Unavailable"));
        }
        Ok(targets)
    }

    /// The request as it leaves (section 16.6).
    fn outgoing(&mut self, message: &Message, target: &Target, record: bool) -> Option<Message> {
        let mut request = message.clone();
        if let Some(uri) = &target.uri {
            request.set_uri(uri).ok()?;
        }
        for route in target.route.iter().rev() {
            request.prepend("Route", route).ok()?;
        }
        let hops = request.max_forwards().unwrap_or(70).saturating_sub(1);
        request.set("Max-Forwards", hops).ok()?;
        if record {
            let route = format!("<sip:{};lr>", self.address);
            request.prepend("Record-Route", route).ok()?;
        }
        let branch = self.names.branch();
        let via = format!("SIP/2.0/UDP {};branch={branch};rport", self.address);
        request.prepend("Via", via).ok()?;
        Some(request)
    }
}

impl Target {
    fn unchanged(to: SocketAddr) -> Self {
        Self {
            uri: None,
            route: Vec::new(),
            to,
        }
    }
}

/// Where a URI leads. Addresses only: the demo resolves no names.
fn address(uri: &Uri<'_>) -> Option<SocketAddr> {
    Some(SocketAddr::new(uri.ip()?, uri.port().unwrap_or(5060)))
}
