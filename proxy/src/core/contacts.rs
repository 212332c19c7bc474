//! Contacts by which nobody could be reached. A browser's names a host that does not exist: what the SIP side sees in its
//! place leads here, the token saying to whom, so that a transfer to that browser, say, is a call like any other. And a
//! browser wants a Contact in each 1xx (sip.js drops others) and keeps it: one without gets a name that is replaced by
//! the phone's own wherever the browser uses it.

use sip::{Error, Message, Method, NameAddr};

use super::Core;
use super::face::Source;
use super::names::Side;
use super::route::Route;
use super::token::Token;

impl Core {
    /// Makes the registered Contact of a browser lead here from wherever this message goes.
    pub(super) fn lead_here(
        &self,
        message: &mut Message,
        route: &Route,
        to: Source,
    ) -> Result<(), Error> {
        let Some(own) = self.flows.contact(route.client) else {
            return Ok(());
        };
        let redirects = message.status().is_some_and(|status| status >= 300);
        let Some(params) = params_of_own(message, own).filter(|_| !redirects) else {
            return Ok(());
        };
        match self.way_here(self.token_of(route, to), to) {
            Some(uri) => message.set("Contact", format!("<{uri}>{params}")),
            None => Ok(()),
        }
    }

    /// The URI by which the SIP side calls a registered browser; `None` for a browser that is not, which has its own only.
    pub(super) fn way_here(&self, token: Token, to: Source) -> Option<String> {
        self.flows.contact(token.client)?;
        match to {
            Source::Upstream(hop) => Some(self.own_uri(&token.encode(&self.names), hop)),
            Source::Flow(_) => None,
        }
    }

    /// What the browser is called that a message's Contact leads to by way of us.
    pub(super) fn name_behind(&self, message: &Message) -> Option<&str> {
        let contact = message.contacts().next()?.ok()?;
        let token = Token::decode(contact.uri().ok()?.user()?, &self.names)?;
        self.flows.contact(token.client)
    }

    /// Gives a 1xx to INVITE a Contact, if it has none.
    pub(super) fn stand_in(
        &self,
        response: &mut Message,
        invite: &Message,
        route: &Route,
    ) -> Result<(), Error> {
        let early = matches!(response.status(), Some(101..=199)) && invite.is(&Method::Invite);
        if !early || response.has("Contact") {
            return Ok(());
        }
        let token = self.token_of(route, route.to).encode(&self.names);
        let host = self.ws_name(route.flow).1;
        response.append("Contact", format!("<sip:{token}@{host};transport=ws>"))
    }

    /// Puts the phone's own Contact, as its 2xx said it, in the place of such a name; before there is one, what was called.
    pub(super) fn stand_aside(&self, request: &mut Message, own: Token) -> Result<(), Error> {
        if Token::addressed(request, &self.names) != Some(own) {
            return Ok(());
        }
        let phone = own
            .media
            .and_then(|media| self.calls.target(media, request, Side::Phone));
        let called = || request.to().map(|to| to.uri_text());
        match phone.or_else(called).map(str::to_owned) {
            Some(target) => request.set_uri(&target),
            None => Ok(()),
        }
    }

    /// The token of a dialog whose requests go this way, and the other.
    pub(super) fn token_of(&self, route: &Route, other_end: Source) -> Token {
        Token {
            client: route.client,
            beside: route.beside.is_some(),
            media: route.media,
            target: self.upstream_of(route.to).or(self.upstream_of(other_end)),
            numbered: route.numbered,
        }
    }
}

/// The header parameters of a message's Contact, if it is the one with this URI.
fn params_of_own(message: &Message, own: &str) -> Option<String> {
    let mut contacts = message.contacts();
    let (contact, None) = (contacts.next()?.ok()?, contacts.next()) else {
        return None;
    };
    let user = sip::Uri::parse(own).ok()?.user()?.to_owned();
    let same = |contact: &NameAddr<'_>| contact.uri().is_ok_and(|uri| uri.user() == Some(&user));
    same(&contact).then(|| contact.params().as_str().to_owned())
}
