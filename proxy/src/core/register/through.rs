//! What goes to the SIP server's registrar (`registration = "through"`, and in part `"mid"`): each REGISTER goes up with a Contact and a Path that lead back to this client, by its token;
//! its 2xx binds the client to the flow and returns the browser's own Contact as it wrote it.
//!
//! The Path (RFC 3327, RFC 5626) is for registrars that keep it, the Contact for all others: a browser's own names a
//! host that does not exist, and to a registrar without Path it would be a dead end.

use std::time::Instant;

use sip::{Error, Message};

use super::super::Core;
use super::super::face::FlowId;
use super::super::hop::Hop;
use super::super::names::ClientId;
use super::super::token::Token;
use super::contact::{granted, gruus_of_own, restore_contact};
use super::{Registration, bound_contact};

impl Core {
    /// Makes the requests for this contact come here `from` the registrar, the token saying to whom. Some registrars
    /// answer 420 to a Path unless the client says that it supports that, so we say it.
    pub(in crate::core) fn lead_back(
        &self,
        request: &mut Message,
        client: ClientId,
        from: Hop,
    ) -> Result<(), Error> {
        let token = Token::of_client(client).encode(&self.names);
        let edge = self.own_uri(&token, from);
        if let Some((_, contact)) = bound_contact(request) {
            let contact = ["<", &edge, ">", contact.params().as_str()].concat();
            request.set("Contact", contact)?;
        }
        request.prepend("Path", ["<", &edge, ";lr>"].concat())?;
        if request.lists("Supported", "path") {
            return Ok(());
        }
        let supported: Vec<_> = request
            .values("Supported")
            .map(|value| value.into_owned())
            .collect();
        let with_path = supported
            .into_iter()
            .chain(["path".to_owned()])
            .filter(|value| !value.is_empty());
        request.set("Supported", with_path.collect::<Vec<_>>().join(", "))
    }

    /// Reads a 2xx to REGISTER: binds, reports, and makes it what the browser expects.
    pub(in crate::core) fn registered(
        &mut self,
        flow: FlowId,
        registration: &Registration,
        response: &mut Message,
        now: Instant,
    ) -> Result<(), Error> {
        // The browser has no use for our token, and what it does not know it cannot repeat.
        response.remove_all("Path")?;
        let bound_as = Token::of_client(registration.client).encode(&self.names);
        let granted = granted(response, registration, &bound_as);
        let gruus = gruus_of_own(response, &bound_as);
        let granted = self.granted_upstairs(flow, registration, granted, gruus.clone(), now);
        restore_contact(response, registration, granted, &gruus)?;
        // It is the SIP server's, where the client's is another.
        if response.has("Expires") {
            response.set("Expires", granted)?;
        }
        let is_outbound = response.lists("Require", "outbound");
        if self.granted(flow, registration, granted) && is_outbound {
            self.flows.outbound(registration.client);
        }
        Ok(())
    }
}
