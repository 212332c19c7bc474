//! A dialog of the web phone (RFC 3261 section 12): requests within it, by way of its route set, over the WebSocket.

use sip::{Message, Method, RequestBuilder};

use crate::names::Names;

/// What the phone puts into every request: a host that does not exist (RFC 7118 section 5), and where it is reached.
#[derive(Debug, Clone)]
pub(super) struct Face {
    /// `k3j4.invalid`, new for every phone.
    pub(super) host: String,
    /// `WS` or `WSS`.
    pub(super) transport: &'static str,
    /// `<sip:x@k3j4.invalid;transport=ws>`: the same for the phone's life, whatever connection it has.
    pub(super) contact: String,
    /// The user part of the contact.
    pub(super) contact_user: String,
    /// `sip:alice@example.com`
    pub(super) address: String,
}

impl Face {
    pub(super) fn new(user: &str, domain: &str, is_secure: bool, names: &mut Names) -> Self {
        let short = |name: String| name.chars().take(12).collect::<String>();
        let host = format!("{}.invalid", short(names.name()));
        let contact_user = short(names.name());
        Face {
            contact: format!("<sip:{contact_user}@{host};transport=ws>"),
            host,
            transport: if is_secure { "WSS" } else { "WS" },
            contact_user,
            address: format!("sip:{user}@{domain}"),
        }
    }

    pub(super) fn via(&self, names: &mut Names) -> String {
        format!(
            "SIP/2.0/{} {};branch={}",
            self.transport,
            self.host,
            names.branch()
        )
    }

    /// A request again under another number and branch.
    pub(super) fn again(
        &self,
        request: &Message,
        number: u32,
        names: &mut Names,
    ) -> Result<Message, sip::Error> {
        let mut again = request.clone();
        again.set_value("Via", 0, self.via(names))?;
        if let Some(method) = request.method() {
            again.set("CSeq", format!("{number} {method}"))?;
        }
        Ok(again)
    }
}

/// One call's dialog, from its first INVITE on.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    local: String,
    pub(super) local_tag: String,
    remote: String,
    pub(super) remote_tag: Option<String>,
    target: String,
    routes: Vec<String>,
    pub(super) number: u32,
}

impl Dialog {
    /// A dialog to be: we are about to call `uri`.
    pub(super) fn calling(uri: &str, face: &Face, names: &mut Names) -> Self {
        Dialog {
            call_id: names.name(),
            local: format!("<{}>", face.address),
            local_tag: names.name(),
            remote: format!("<{uri}>"),
            remote_tag: None,
            target: uri.to_owned(),
            routes: Vec::new(),
            number: 0,
        }
    }

    /// The dialog that answering `invite` makes.
    pub(super) fn called(invite: &Message, names: &mut Names) -> Option<Self> {
        let caller = invite.from()?;
        Some(Dialog {
            call_id: invite.call_id()?.to_owned(),
            local: format!("<{}>", invite.to()?.uri_text()),
            local_tag: names.name(),
            remote: format!("<{}>", caller.uri_text()),
            remote_tag: caller.tag().map(str::to_owned),
            target: contact(invite)?,
            routes: routes(invite),
            number: 0,
        })
    }

    /// A response tells the other end's tag, contact and the way to it (section 12.1.2).
    pub(super) fn establish(&mut self, response: &Message) {
        self.remote_tag = response.to_tag().map(str::to_owned);
        self.routes = routes(response);
        self.routes.reverse();
        self.refresh(response);
    }

    /// A re-INVITE or its answer may move the other end (section 12.2).
    pub(super) fn refresh(&mut self, message: &Message) {
        if let Some(target) = contact(message) {
            self.target = target;
        }
    }

    /// Begins the next request.
    pub(super) fn request(
        &mut self,
        method: Method,
        face: &Face,
        names: &mut Names,
    ) -> RequestBuilder {
        self.number += 1;
        self.numbered(method, self.number, face, names)
    }

    /// Begins the ACK of a 2xx, which has its INVITE's number.
    pub(super) fn ack(&self, number: u32, face: &Face, names: &mut Names) -> RequestBuilder {
        self.numbered(Method::Ack, number, face, names)
    }

    fn numbered(
        &self,
        method: Method,
        number: u32,
        face: &Face,
        names: &mut Names,
    ) -> RequestBuilder {
        let remote = match &self.remote_tag {
            Some(tag) => format!("{};tag={tag}", self.remote),
            None => self.remote.clone(),
        };
        let mut request = RequestBuilder::new(method, &self.target).header("Via", face.via(names));
        for route in &self.routes {
            request = request.header("Route", route.as_str());
        }
        request
            .header("From", format!("{};tag={}", self.local, self.local_tag))
            .header("To", remote)
            .header("Call-ID", self.call_id.as_str())
            .cseq(number)
            .header("Contact", face.contact.as_str())
    }
}

fn routes(message: &Message) -> Vec<String> {
    message
        .values("Record-Route")
        .map(|route| route.into_owned())
        .collect()
}

fn contact(message: &Message) -> Option<String> {
    let contact = message.contacts().next()?.ok()?;
    Some(contact.uri_text().to_owned())
}
