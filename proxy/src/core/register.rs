//! REGISTER: what it asks for, and what follows when it is granted. Who grants it is `through.rs`'s.
//!
//! A binding changes hands only here, and only after a registrar's word.

mod bindings;
mod contact;
mod gruu;
mod local;
mod mid;
mod through;
mod ways;

use std::sync::Arc;

use sip::{Message, NameAddr};

use super::Core;
use super::accounts::Users;
use super::event::Event;
use super::face::{Command, FlowId};
use super::flows::Bound;
use super::names::ClientId;
use super::route::aor_of;
use super::transactions::ContextId;
pub(super) use bindings::{Binding, Bindings};
use contact::device;
pub(super) use contact::without_expires;
pub(super) use mid::Upstairs;
pub use ways::{Local, Mid, Registering};

/// What a REGISTER asked for.
#[derive(Debug, Clone)]
pub(super) struct Registration {
    client: ClientId,
    aor: String,
    /// The Contact value as the browser wrote it.
    contact: Vec<u8>,
    /// The URI in it: what requests to this client must be addressed to.
    uri: String,
    /// The lifetime that it asked for; 0 to end the binding.
    expires: u32,
    /// What its client asked for, where the SIP server is asked for something else.
    wanted: u32,
}

/// The lifetime where neither side names one (RFC 3261 section 10.2.1.1).
const DEFAULT_EXPIRES: u32 = 3600;

impl Core {
    /// Reads a REGISTER that binds a contact; `None` for one that only asks, or removes all with `*`.
    pub(super) fn registration(&self, request: &Message) -> Option<Registration> {
        let (contact, value) = bound_contact(request)?;
        let aor = aor_of(request, "To")?;
        let expires = lifetime_in(request, &value);
        Some(Registration {
            client: self.names.client(&aor, &device(&value)?),
            aor,
            contact: contact.to_vec(),
            uri: value.uri().ok()?.as_str().to_owned(),
            expires,
            wanted: expires,
        })
    }

    /// What a REGISTER on its way up asks for, and what its client had asked for.
    pub(super) fn asked_for(&mut self, id: ContextId, request: &Message) -> Option<Registration> {
        let mut registration = self.registration(request)?;
        let came = &self.transactions.get_mut(id)?.request;
        let same = came.raw_values("Contact").next() == Some(&registration.contact)
            && came.raw("Expires") == request.raw("Expires");
        if !same && let Some((_, contact)) = bound_contact(came) {
            registration.wanted = lifetime_in(came, &contact);
        }
        Some(registration)
    }

    /// The registrar has granted this lifetime to the client on this flow: binds it there, unless it is 0. False if the
    /// flow has too many clients already.
    fn granted(&mut self, flow: FlowId, registration: &Registration, expires: u32) -> bool {
        let Registration {
            client, aor, uri, ..
        } = registration;
        let bound = match expires {
            0 => None,
            _ => self.flows.bind(flow, *client, aor, uri),
        };
        if expires > 0 && bound.is_none() {
            return false;
        }
        if bound.is_some_and(|bound| bound != Bound::Same) {
            // New is also who was here before we were started.
            self.absent.came_back(*client);
        }
        if bound == Some(Bound::Moved) {
            self.calls.came_back(*client);
            let aor = aor.clone();
            let event = Event::Rebound { flow, aor };
            self.commands.push_back(Command::Report(event));
        }
        self.report_registered(flow, aor, expires, bound == Some(Bound::Same));
        true
    }

    fn report_registered(&mut self, flow: FlowId, aor: &str, expires: u32, refreshed: bool) {
        let aor = aor.to_owned();
        let event = Event::Registered {
            flow,
            aor,
            expires,
            refreshed,
        };
        self.commands.push_back(Command::Report(event));
    }

    /// The operator's users have changed. Who is no user any more cannot register again, nor call.
    pub(super) fn new_users(&mut self, users: Arc<Users>) {
        if let Registering::Local(local) = &mut self.config.registering {
            local.users = users;
        }
    }
}

/// The contact that a REGISTER binds; `None` for one that binds none, or removes all with `*`.
fn bound_contact(request: &Message) -> Option<(&[u8], NameAddr<'_>)> {
    let contact = request.raw_values("Contact").next()?;
    let value = NameAddr::parse(contact).ok()?;
    (!value.is_star()).then_some((contact, value))
}

/// The lifetime that a REGISTER asks for.
fn lifetime_in(request: &Message, contact: &NameAddr<'_>) -> u32 {
    let expires = contact.expires().or_else(|| request.expires());
    expires.unwrap_or(DEFAULT_EXPIRES)
}

impl Registration {
    /// The client that requests must be led back to.
    pub(super) fn client(&self) -> ClientId {
        self.client
    }
}
