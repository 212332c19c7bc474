//! A dialog (RFC 3261 section 12): who talks to whom, by which way, and the requests within.

use std::net::SocketAddr;

use sip::{Error, Message, Method, NameAddr, RequestBuilder, Uri};

use crate::names::Names;

/// One call's dialog, from its first INVITE on.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    /// `<sip:us>`, without tag.
    local: String,
    pub(super) local_tag: String,
    remote: String,
    pub(super) remote_tag: Option<String>,
    /// The other end's Contact.
    target: String,
    routes: Vec<String>,
    cseq: u32,
    /// Where requests go that have no route.
    to: SocketAddr,
    contact: String,
    address: SocketAddr,
}

impl Dialog {
    /// A dialog to be: we are about to call `uri`, by way of `to`.
    pub(super) fn calling(
        uri: &str,
        local: String,
        contact: String,
        address: SocketAddr,
        to: SocketAddr,
        names: &mut Names,
    ) -> Self {
        Self {
            call_id: names.name(),
            local,
            local_tag: names.name(),
            remote: format!("<{uri}>"),
            remote_tag: None,
            target: uri.to_owned(),
            routes: Vec::new(),
            cseq: 0,
            to,
            contact,
            address,
        }
    }

    /// The dialog that answering `invite` makes. `from` is where it came from.
    pub(super) fn called(
        invite: &Message,
        contact: String,
        address: SocketAddr,
        from: SocketAddr,
        names: &mut Names,
    ) -> Option<Self> {
        let caller = invite.from()?;
        Some(Self {
            call_id: invite.call_id()?.to_owned(),
            local: format!("<{}>", invite.to()?.uri_text()),
            local_tag: names.name(),
            remote: format!("<{}>", caller.uri_text()),
            remote_tag: caller.tag().map(str::to_owned),
            target: contact_of(invite)?,
            routes: invite
                .values("Record-Route")
                .map(|it| it.into_owned())
                .collect(),
            cseq: 0,
            to: from,
            contact,
            address,
        })
    }

    /// A response of the other end tells its tag, its contact and the way (section 12.1.2).
    pub(super) fn establish(&mut self, response: &Message) {
        self.remote_tag = response.to_tag().map(str::to_owned);
        self.routes = response
            .values("Record-Route")
            .map(|it| it.into_owned())
            .collect();
        self.routes.reverse();
        self.refresh(response);
    }

    /// A re-INVITE or its answer may move the other end (section 12.2).
    pub(super) fn refresh(&mut self, message: &Message) {
        if let Some(target) = contact_of(message) {
            self.target = target;
        }
    }

    /// Our Contact, as a header's value.
    pub(super) fn contact(&self) -> &str {
        &self.contact
    }

    /// Begins the next request of the dialog.
    pub(super) fn request(&mut self, method: Method, names: &mut Names) -> RequestBuilder {
        self.cseq += 1;
        self.numbered(method, self.cseq, names)
    }

    /// Begins the ACK of a 2xx, which has its INVITE's number.
    pub(super) fn ack(&self, number: u32, names: &mut Names) -> RequestBuilder {
        self.numbered(Method::Ack, number, names)
    }

    /// The request again, with credentials; it takes the next number.
    pub(super) fn again(&mut self, request: &Message, names: &mut Names) -> Result<Message, Error> {
        self.cseq += 1;
        renumbered(request, self.cseq, self.address, names)
    }

    /// Where requests of this dialog go.
    pub(super) fn next_hop(&self) -> SocketAddr {
        let route = self.routes.first().and_then(|route| {
            let route = NameAddr::parse(route.as_bytes()).ok()?;
            address_of(route.uri().ok()?)
        });
        let direct = || {
            let established = self.remote_tag.is_some();
            Uri::parse(&self.target)
                .ok()
                .and_then(address_of)
                .filter(|_| established)
        };
        route.or_else(direct).unwrap_or(self.to)
    }

    fn numbered(&self, method: Method, number: u32, names: &mut Names) -> RequestBuilder {
        let remote = match &self.remote_tag {
            Some(tag) => format!("{};tag={tag}", self.remote),
            None => self.remote.clone(),
        };
        let mut request =
            RequestBuilder::new(method, &self.target).header("Via", via(self.address, names));
        for route in &self.routes {
            request = request.header("Route", route);
        }
        request
            .header("From", format!("{};tag={}", self.local, self.local_tag))
            .header("To", remote)
            .header("Call-ID", &self.call_id)
            .cseq(number)
            .header("Contact", &self.contact)
    }
}

/// A request again under another number and branch.
pub(super) fn renumbered(
    request: &Message,
    number: u32,
    address: SocketAddr,
    names: &mut Names,
) -> Result<Message, Error> {
    let mut again = request.clone();
    again.set_value("Via", 0, via(address, names))?;
    if let Some(method) = request.method() {
        again.set("CSeq", format!("{number} {method}"))?;
    }
    Ok(again)
}

/// A Via of ours with a new branch.
pub(super) fn via(address: SocketAddr, names: &mut Names) -> String {
    format!("SIP/2.0/UDP {address};branch={};rport", names.branch())
}

fn contact_of(message: &Message) -> Option<String> {
    let contact = message.contacts().next()?.ok()?;
    Some(contact.uri_text().to_owned())
}

fn address_of(uri: Uri<'_>) -> Option<SocketAddr> {
    Some(SocketAddr::new(uri.ip()?, uri.port().unwrap_or(5060)))
}
