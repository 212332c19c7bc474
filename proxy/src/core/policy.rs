//! What a browser may ask for, and in whose name: judged before anything is remembered of its request.
//!
//! Inside a dialog the token decides instead (`route.rs`): it is worth something on its client's own flow alone.

use sip::{Message, Method};

use super::Core;
use super::face::{FlowId, Source};
use super::refusal::Answer;
use super::register::without_expires;
use super::route::aor_of;

/// Who may begin something other than a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Callers {
    /// Who has registered on the connection, with an address of record of his own in From, or without a name (RFC 3323).
    /// A REGISTER is for the address that it is from.
    #[default]
    Own,
    /// Who has registered on the connection, in any name.
    Registered,
    /// Also who never registers: a page for visitors. The SIP server decides.
    Anyone,
}

/// What the operator lets browsers do.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Who may begin something.
    pub callers: Callers,
    /// The methods that they may use.
    pub methods: Vec<Method>,
    /// Headers that are taken out of what they send, beside those that are always; a `*` at the end stands for any rest.
    pub strip: Vec<String>,
    /// The SIP server is told who begins something: P-Asserted-Identity (RFC 3325) with the address of record that has
    /// registered on the connection. Only for one that trusts the edge.
    pub assert_identity: bool,
}

impl Default for Policy {
    /// The methods of RFC 3261 and of its extensions that phones have.
    fn default() -> Self {
        Self {
            callers: Callers::default(),
            methods: vec![
                Method::Invite,
                Method::Ack,
                Method::Cancel,
                Method::Bye,
                Method::Register,
                Method::Options,
                Method::Info,
                Method::Prack,
                Method::Update,
                Method::Refer,
                Method::Subscribe,
                Method::Notify,
                Method::Message,
                Method::Publish,
            ],
            strip: Vec::new(),
            assert_identity: false,
        }
    }
}

/// By whom a trusted network says that a request is, or by which it steers one: from a browser they are worth nothing.
const NEVER: [&str; 14] = [
    "P-Asserted-Identity",
    "P-Asserted-Service",
    "P-Associated-URI",
    "P-Called-Party-ID",
    "P-Charging-Function-Addresses",
    "P-Charging-Vector",
    "P-Served-User",
    "P-Visited-Network-ID",
    "Remote-Party-ID",
    "Diversion",
    "History-Info",
    "Record-Route",
    "Path",
    "Service-Route",
];

impl Policy {
    fn allows(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    fn allow(&self) -> String {
        let names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        names.join(", ")
    }

    /// Takes out of what a browser sends what only others may say.
    pub(super) fn strip(&self, message: &mut Message) -> Result<(), sip::Error> {
        let is_request = message.is_request();
        let is_worthless = |name: &str| {
            // In a response it is ours, and is seen to elsewhere.
            let recorded = !is_request && name.eq_ignore_ascii_case("Record-Route");
            let never = NEVER.iter().any(|known| known.eq_ignore_ascii_case(name));
            (never && !recorded) || self.strip.iter().any(|pattern| begins(pattern, name))
        };
        let names = message.fields().map(|(name, _)| name);
        let mut names: Vec<String> = names
            .filter(|name| is_worthless(name))
            .map(str::to_owned)
            .collect();
        // One that is named in full has a compact form, perhaps.
        names.extend(self.strip.iter().filter(|name| message.has(name)).cloned());
        names
            .iter()
            .try_for_each(|name| message.remove_all(name).map(drop))
    }
}

/// Whether a header's name begins as the pattern does before its `*`.
fn begins(pattern: &str, name: &str) -> bool {
    let start = pattern.strip_suffix('*');
    let head = start.and_then(|start| name.get(..start.len()));
    head.is_some_and(|head| start.is_some_and(|start| head.eq_ignore_ascii_case(start)))
}

/// Lifetimes beyond this are nobody's wish: a week.
const LONGEST: u32 = 7 * 24 * 3600;

/// Cuts short what a browser asks to be remembered for: not every SIP server counts beyond some number of bits.
pub(super) fn cut_lifetimes(request: &mut Message) -> Result<(), sip::Error> {
    if request.expires().is_some_and(|expires| expires > LONGEST) {
        request.set("Expires", LONGEST)?;
    }
    let lasts_too_long = |contact: &[u8]| {
        let value = sip::NameAddr::parse(contact).ok();
        let expires = value.and_then(|value| value.expires());
        expires.is_some_and(|expires| expires > LONGEST)
    };
    let contacts = request.raw_values("Contact").enumerate();
    let cut: Vec<_> = contacts
        .filter(|(_, contact)| lasts_too_long(contact))
        .map(|(at, contact)| (at, without_expires(contact)))
        .collect();
    cut.into_iter().try_for_each(|(at, mut contact)| {
        contact.extend(format!(";expires={LONGEST}").into_bytes());
        request.set_value("Contact", at, contact)
    })
}

/// Makes a browser's response lead where its request said: who is asked cannot add to the way (RFC 3261 section 12.1.1).
pub(super) fn lead_as_asked(response: &mut Message, sent: &Message) -> Result<(), sip::Error> {
    let same = response
        .raw_values("Record-Route")
        .eq(sent.raw_values("Record-Route"));
    if same || !response.has("Record-Route") {
        return Ok(());
    }
    response.remove_all("Record-Route")?;
    let values: Vec<Vec<u8>> = sent
        .raw_values("Record-Route")
        .map(<[u8]>::to_vec)
        .collect();
    values
        .into_iter()
        .try_for_each(|value| response.append("Record-Route", value))
}

impl Core {
    /// Whether this may be asked at all, from there, in that name.
    pub(super) fn may(
        &self,
        from: Source,
        request: &Message,
        method: &Method,
    ) -> Result<(), Answer> {
        let Source::Flow(flow) = from else {
            return Ok(());
        };
        if !self.config.policy.allows(method) {
            let answer = Answer::new(405, "Method Not Allowed");
            return Err(answer.with("Allow", self.config.policy.allow()));
        }
        match method {
            _ if self.config.policy.callers == Callers::Anyone => Ok(()),
            Method::Register => self.registers_himself(request),
            _ if request.to_tag().is_some() || self.is_for_us(request) => Ok(()),
            _ => self.is_known(flow, request),
        }
    }

    /// Nobody registers somebody else.
    fn registers_himself(&self, request: &Message) -> Result<(), Answer> {
        let [from, to] = [request.from(), request.to()].map(|end| end.map(|end| end.uri_text()));
        let same = || from == to || aor_of(request, "From") == aor_of(request, "To");
        match self.config.policy.callers != Callers::Own || same() {
            true => Ok(()),
            false => Err(Answer::new(403, "From And To Are Not The Same Address")),
        }
    }

    /// A request begins with a registration on its connection, and in nobody else's name.
    fn is_known(&self, flow: FlowId, request: &Message) -> Result<(), Answer> {
        let Some(state) = self.flows.get(flow) else {
            return Ok(());
        };
        if !state.has_registered() {
            return Err(Answer::new(403, "Register First"));
        }
        let says = aor_of(request, "From").unwrap_or_default();
        let own = state.is_of(&says) || says == "anonymous@anonymous.invalid";
        match own || self.config.policy.callers != Callers::Own {
            true => Ok(()),
            false => Err(Answer::new(403, "From Is Not Your Address")),
        }
    }

    /// An OPTIONS that the edge answers itself.
    pub(super) fn is_for_us(&self, request: &Message) -> bool {
        let from = super::names::Side::Browser;
        super::local::answer(request, from, &self.config).is_some()
    }
}
