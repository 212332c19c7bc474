//! Step 8 of the walk: what a proxy changes in a request (RFC 3261 section 16.6): Max-Forwards, Record-Route with
//! our token (in REGISTER Path and Contact), Via. The body was step 7's.

use std::borrow::Cow;

use sip::{Error, Message, Method, NameAddr, Scheme};

use super::Core;
use super::face::{FlowId, Source};
use super::guard::breadth;
use super::hop::Hop;
use super::names::Side;
use super::policy::cut_lifetimes;
use super::request::side;
use super::route::{Peer, Route};
use super::timers;
use super::token::Token;
use super::{identity, reliable, schemes};

/// The RFC's own proposal; a client that asks for more does not get it.
const MAX_FORWARDS: u32 = 70;

/// The RFC's own proposal.
const MAX_BREADTH: u32 = 60;

impl Core {
    /// Makes of a request what goes out under `branch`.
    pub(super) fn rewrite_request(
        &self,
        request: &mut Message,
        from: Source,
        route: &Route,
        branch: &str,
    ) -> Result<(), Error> {
        if side(from) == Side::Browser {
            self.config.policy.strip(request)?;
            self.assert_identity(request, from, route)?;
            cut_lifetimes(request)?;
            self.keep_token(from, request)?;
            emit_only_ws(request)?;
            schemes::restore(request)?;
            if !request.is(&Method::Register) {
                self.lead_here(request, route, route.to)?;
            }
        }
        if let Source::Flow(flow) = route.to {
            let number = request.uri().is_some_and(|uri| uri.scheme() == Scheme::Tel);
            if let Some(contact) = self.flows.contact(route.client).filter(|_| number) {
                request.set_uri(contact)?;
            }
            schemes::show(request, &self.config.domain)?;
            identity::keep_private(request)?;
            self.show_request(request)?;
            if let Some(flow) = self.flows.get(flow) {
                reliable::spare(flow, request)?;
            }
        }
        timers::take_out(request)?;
        count_hop(request)?;
        bound_breadth(request)?;
        if let (true, Source::Upstream(to)) = (request.is(&Method::Register), route.to) {
            self.lead_back(request, route.client, to)?;
        } else if starts_dialog(request) {
            self.record_route(request, from, route)?;
        }
        self.note_source(request, from)?;
        request.prepend("Via", self.via(route.to, branch))
    }

    /// The Via value that brings the response back to us.
    pub(super) fn via(&self, to: Source, branch: &str) -> String {
        match to {
            Source::Upstream(hop) => {
                let (transport, own) = (hop.transport.in_via(), self.own_address(hop));
                [
                    "SIP/2.0/", transport, " ", &own, ";branch=", branch, ";rport",
                ]
                .concat()
            }
            Source::Flow(flow) => {
                let (transport, host) = self.ws_name(flow);
                ["SIP/2.0/", transport, " ", host, ";branch=", branch].concat()
            }
        }
    }

    /// The URI of ours, by which this hop sends requests to whom the token names.
    pub(super) fn own_uri(&self, token: &str, hop: Hop) -> String {
        let transport = self.config.own(hop).transport.in_uri();
        ["sip:", token, "@", &self.own_address(hop), transport].concat()
    }

    /// Our own address that is told to this hop.
    fn own_address(&self, to: Hop) -> Cow<'_, str> {
        let own = self.config.own(to).address;
        let written = self.written.iter().find(|(address, _)| *address == own);
        match written {
            Some((_, text)) => Cow::Borrowed(text),
            None => Cow::Owned(own.to_string()),
        }
    }

    /// Two entries, one for each side, because the sides differ in transport (RFC 5658): the one that faces where the
    /// request goes is on top.
    fn record_route(
        &self,
        request: &mut Message,
        from: Source,
        route: &Route,
    ) -> Result<(), Error> {
        let of_route = self.token_of(route, from);
        let token = of_route.encode(&self.names);
        let browser_of = |token: &str, flow| {
            // transport=ws for WSS too: RFC 7118 knows no other.
            let host = self.ws_name(flow).1;
            ["<sip:", token, "@", host, ";transport=ws;lr>"].concat()
        };
        let browser = browser_of(&token, route.flow);
        let phone = |hop| format!("<{};lr>", self.own_uri(&token, hop));
        let [below, above] = match (from, route.to) {
            (Source::Upstream(hop), _) => [phone(hop), browser],
            (_, Source::Upstream(hop)) => [browser, phone(hop)],
            (Source::Flow(_), Source::Flow(_)) => match &route.beside {
                Some(Peer { flow, client }) => {
                    let client = *client;
                    let token = Token { client, ..of_route }.encode(&self.names);
                    [browser_of(&token, *flow), browser]
                }
                None => return Ok(()),
            },
        };
        request.prepend("Record-Route", below)?;
        request.prepend("Record-Route", above)
    }

    pub(super) fn ws_name(&self, flow: FlowId) -> (&'static str, &str) {
        match self.flows.get(flow) {
            Some(flow) => (if flow.secure { "WSS" } else { "WS" }, &flow.host),
            None => ("WS", "gone.invalid"),
        }
    }

    /// The upstream learns where its request came from, if it asked or wrote something else (RFC 3261 section 18.2.1,
    /// RFC 3581). A browser's Via is left alone: clients drop a response whose Via is not as they wrote it.
    fn note_source(&self, request: &mut Message, from: Source) -> Result<(), Error> {
        let Source::Upstream(source) = from else {
            return Ok(());
        };
        let Some(via) = request.top_via() else {
            return Ok(());
        };
        let host_differs = via.host().trim_matches(['[', ']']).parse() != Ok(source.address.ip());
        if !host_differs && !via.wants_rport() {
            return Ok(());
        }
        let port = via
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        let mut value = format!("SIP/2.0/{} {}{port}", via.transport(), via.host());
        for (name, text) in via.params().iter() {
            match text {
                _ if ["received", "rport"]
                    .iter()
                    .any(|ours| name.eq_ignore_ascii_case(ours)) => {}
                Some(text) => value += &format!(";{name}={text}"),
                None => value += &format!(";{name}"),
            }
        }
        if via.wants_rport() {
            value += &format!(";rport={}", source.address.port());
        }
        value += &format!(";received={}", source.address.ip());
        request.set_value("Via", 0, value)
    }
}

/// Whether the other side may learn its route set from this request. Inside a dialog it has one already, but a
/// SUBSCRIBE's NOTIFY makes the subscriber's (RFC 6665 section 4.4.1).
fn starts_dialog(request: &Message) -> bool {
    let always = matches!(request.method(), Some(Method::Subscribe | Method::Notify));
    always || (request.to_tag().is_none() && request.method().is_some_and(Method::forms_dialog))
}

fn count_hop(request: &mut Message) -> Result<(), Error> {
    let left = request
        .max_forwards()
        .unwrap_or(MAX_FORWARDS + 1)
        .saturating_sub(1);
    request.set("Max-Forwards", left.min(MAX_FORWARDS))
}

/// Where others fork the request, they share this between the branches (RFC 5393 section 5.3). Inside a dialog nobody forks.
fn bound_breadth(request: &mut Message) -> Result<(), Error> {
    let is_bound = breadth(request).is_some_and(|breadth| breadth <= MAX_BREADTH);
    if is_bound || request.to_tag().is_some() {
        return Ok(());
    }
    request.set("Max-Breadth", MAX_BREADTH)
}

/// `transport=wss` is not a transport that a SIP server knows (RFC 7118 section 5.2.2 has only `ws`): some then try UDP.
pub(super) fn emit_only_ws(message: &mut Message) -> Result<(), Error> {
    let contacts = message.values("Contact").enumerate();
    let changed: Vec<_> = contacts
        .filter_map(|(at, contact)| Some((at, as_ws(&contact)?)))
        .collect();
    changed
        .into_iter()
        .try_for_each(|(at, ws)| message.set_value("Contact", at, ws))
}

/// The Contact value with `transport=ws` in its URI, if it says `wss`.
fn as_ws(contact: &str) -> Option<String> {
    let mut words = contact.as_bytes().windows(3);
    if !words.any(|word| word.eq_ignore_ascii_case(b"wss")) {
        return None;
    }
    let value = NameAddr::parse(contact.as_bytes()).ok()?;
    let said = value.uri().ok()?.param("transport")?.to_owned();
    if !said.eq_ignore_ascii_case("wss") {
        return None;
    }
    let uri = contact.find(value.uri_text())?;
    let lower = contact.to_ascii_lowercase();
    let at = lower.get(uri..)?.find(";transport=wss")?;
    let at = uri.checked_add(at)?;
    let (head, tail) = contact.split_at_checked(at)?;
    Some(format!(
        "{head};transport=ws{}",
        tail.get(";transport=wss".len()..)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_transport_of_a_contacts_uri_is_changed() {
        assert_eq!(
            as_ws("<sip:a@b.invalid;transport=WSS;ob>;expires=60").as_deref(),
            Some("<sip:a@b.invalid;transport=ws;ob>;expires=60")
        );
        assert_eq!(as_ws("<sip:a@b.invalid;transport=ws>"), None);
        assert_eq!(as_ws("<sip:a@b.invalid;transport=wssx>"), None);
        assert_eq!(as_ws("\"x;transport=wss\" <sip:a@b.invalid>"), None);
        assert_eq!(
            as_ws("\"x;transport=wss\" <sip:a@b.invalid;transport=wss>").as_deref(),
            Some("\"x;transport=wss\" <sip:a@b.invalid;transport=ws>")
        );
        assert_eq!(as_ws("*"), None);
    }
}
