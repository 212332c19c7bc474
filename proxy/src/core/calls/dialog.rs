//! A dialog, as far as the edge must know it to speak in it: how each end calls itself, where it is reached and how far
//! it has counted (RFC 3261 section 12).

use sip::{Message, Method, NameAddr, RequestBuilder};

use super::super::names::Side;
use super::super::numbers::raised;
use super::super::transactions::ContextId;

/// Octets of one dialog. Real ones have some hundreds; whoever says much more of himself is not remembered.
const MAX_SIZE: usize = 8 * 1024;

/// One end, as the other addresses it.
struct End {
    /// Its From or To, with its tag.
    name: Vec<u8>,
    tag: String,
    /// Its Contact's URI; empty if it gave none.
    target: String,
    /// The hops between us and it, nearest first.
    routes: Vec<String>,
    /// The highest CSeq of its requests.
    number: u32,
    /// Who vouched for what name, when it last said so (RFC 3325).
    identity: Vec<String>,
    /// Its last INVITE that was answered here.
    owed: Option<Owed>,
}

/// An INVITE within the dialog that the edge answers in the other end's place.
#[derive(Debug, Clone, Copy)]
pub(in crate::core) struct Owed {
    pub(in crate::core) context: ContextId,
    /// Its CSeq.
    pub(in crate::core) number: u32,
}

impl End {
    fn size(&self) -> usize {
        let routes: usize = self.routes.iter().map(String::len).sum();
        let names = self.name.len().saturating_add(self.tag.len());
        let identity: usize = self.identity.iter().map(String::len).sum();
        names
            .saturating_add(identity)
            .saturating_add(self.target.len())
            .saturating_add(routes)
    }
}

/// The two ends.
pub(in crate::core) struct Dialog {
    browser: End,
    phone: End,
    /// To the phone's side the browser's requests have numbers of the edge's (`numbers.rs`).
    pub(super) numbered: bool,
}

impl Dialog {
    /// The dialog that a 2xx makes of its INVITE. `is_ours` knows the entries that we put into Record-Route when the
    /// INVITE passed. `None` if the ends say too little of themselves, or too much.
    pub(in crate::core) fn new(
        invite: &Message,
        response: &Message,
        caller: Side,
        is_ours: impl Fn(&NameAddr<'_>) -> bool,
    ) -> Option<Self> {
        let end = |name, tag: Option<&str>, contact: &Message, routes, number| {
            Some(End {
                name: response.raw(name)?.to_vec(),
                tag: tag?.to_owned(),
                target: target(contact).unwrap_or_default(),
                routes,
                number,
                identity: identity(contact),
                owed: None,
            })
        };
        let number = invite.cseq()?.number;
        let (from, to) = (response.from_tag(), response.to_tag());
        let dialog = match caller {
            Side::Browser => Self {
                browser: end("From", from, invite, Vec::new(), number)?,
                phone: end("To", to, response, beyond_us(response, is_ours), 0)?,
                numbered: false,
            },
            Side::Phone => Self {
                browser: end("To", to, response, Vec::new(), 0)?,
                phone: end("From", from, invite, recorded(invite), number)?,
                numbered: false,
            },
        };
        let size = dialog.browser.size().saturating_add(dialog.phone.size());
        (size <= MAX_SIZE).then_some(dialog)
    }

    /// Whether a message with these tags belongs to it.
    pub(in crate::core) fn is_between(&self, tags: [Option<&str>; 2]) -> bool {
        let [one, other] = [Some(&*self.browser.tag), Some(&*self.phone.tag)];
        tags == [one, other] || tags == [other, one]
    }

    /// An end has sent a request with this number.
    pub(super) fn counted(&mut self, side: Side, number: u32) {
        let end = self.end_mut(side);
        end.number = end.number.max(number);
    }

    /// An end has said anew where it is reached, and it was accepted.
    pub(super) fn moved(&mut self, side: Side, message: &Message) {
        if let Some(target) = target(message) {
            self.end_mut(side).target = target;
        }
        let identity = identity(message);
        if !identity.is_empty() && identity.iter().map(String::len).sum::<usize>() < MAX_SIZE {
            self.end_mut(side).identity = identity;
        }
    }

    /// An end is reached there.
    pub(super) fn moved_to(&mut self, side: Side, target: &str) {
        self.end_mut(side).target = target.to_owned();
    }

    /// Whether an end says, if it says anything of it, that it is reached where it was.
    pub(in crate::core) fn is_where_it_was(&self, side: Side, message: &Message) -> bool {
        target(message).is_none_or(|target| target == self.end(side).target)
    }

    /// Whether an end goes by the name that it had: the other one may show it to somebody (RFC 4916).
    pub(in crate::core) fn is_who_it_was(&self, side: Side, request: &Message) -> bool {
        let end = self.end(side);
        let (Ok(known), Some(from)) = (NameAddr::parse(&end.name), request.from()) else {
            return false;
        };
        let name = from.display_name();
        let identity = identity(request);
        (name.is_empty() || name == known.display_name())
            && from.uri_text() == known.uri_text()
            && (identity.is_empty() || identity == end.identity)
    }

    /// The last INVITE of this end that was answered here.
    pub(in crate::core) fn owed(&self, side: Side) -> Option<Owed> {
        self.end(side).owed
    }

    /// An INVITE of this end is answered here.
    pub(in crate::core) fn owe(&mut self, side: Side, owed: Owed) {
        self.end_mut(side).owed = Some(owed);
    }

    /// Where an end is reached.
    pub(in crate::core) fn target(&self, side: Side) -> &str {
        &self.end(side).target
    }

    /// The BYE to this end.
    pub(in crate::core) fn bye(&self, to: Side, call_id: &str, via: String) -> RequestBuilder {
        let number = self.end(to.other()).number.saturating_add(1);
        let number = match (self.numbered, to) {
            (true, Side::Phone) => raised(number, 0),
            _ => number,
        };
        self.request(Method::Bye, to, call_id, via, number)
    }

    /// A request to this end, as the other would send it from where we are.
    pub(in crate::core) fn request(
        &self,
        method: Method,
        to: Side,
        call_id: &str,
        via: String,
        number: u32,
    ) -> RequestBuilder {
        let (near, far) = (self.end(to.other()), self.end(to));
        let mut builder = RequestBuilder::new(method, &far.target).header("Via", via);
        for route in &far.routes {
            builder = builder.header("Route", route.as_str());
        }
        builder
            .header("From", near.name.as_slice())
            .header("To", far.name.as_slice())
            .header("Call-ID", call_id)
            .cseq(number)
    }

    fn end(&self, side: Side) -> &End {
        match side {
            Side::Browser => &self.browser,
            Side::Phone => &self.phone,
        }
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Browser => &mut self.browser,
            Side::Phone => &mut self.phone,
        }
    }
}

fn target(message: &Message) -> Option<String> {
    let contact = message.contacts().next()?.ok()?;
    Some(contact.uri_text().to_owned())
}

fn identity(message: &Message) -> Vec<String> {
    let said = ["P-Asserted-Identity", "Remote-Party-ID"].map(|name| message.values(name));
    let said = said.into_iter().flatten();
    said.map(|value| value.into_owned()).collect()
}

/// The hops that the caller's INVITE has come by.
fn recorded(invite: &Message) -> Vec<String> {
    let recorded = invite.values("Record-Route");
    recorded.map(|value| value.into_owned()).collect()
}

/// The hops between us and the callee: what was recorded after us.
fn beyond_us(response: &Message, is_ours: impl Fn(&NameAddr<'_>) -> bool) -> Vec<String> {
    let is_beyond =
        |value: &String| !NameAddr::parse(value.as_bytes()).is_ok_and(|value| is_ours(&value));
    let mut routes: Vec<_> = recorded(response)
        .into_iter()
        .take_while(is_beyond)
        .collect();
    routes.reverse();
    routes
}
