//! Step 6 of the walk: where a request goes. Up, to an address of the SIP server; or down, to the client that a token of
//! ours names. Nothing else in a message has a say.

use std::time::Instant;

use sip::{Message, Method};

use super::Core;
use super::face::{FlowId, Source};
use super::flows::Reach;
use super::names::{ClientId, MediaId, Side};
use super::refusal::Answer;
use super::request::side;
use super::strict;
use super::token::Token;

/// Where a request goes, and which call of which client it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// The next hop.
    pub(super) to: Source,
    /// The flow on the browser's side, whichever way the request goes.
    pub(super) flow: FlowId,
    /// The client on the browser's side.
    pub(super) client: ClientId,
    /// The dialog's media session; `None` where there is no call.
    pub(super) media: Option<MediaId>,
    /// What spreads it over the SIP server's addresses; `None` if it has no choice among them.
    pub(super) spread: Option<u64>,
    /// The browser that asks, where the request goes from one browser to another without the SIP server between them.
    pub(super) beside: Option<Peer>,
    /// What the dialog's token says of the browser's numbers.
    pub(super) numbered: Option<u8>,
}

/// A browser, as a party of a dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) flow: FlowId,
    pub(super) client: ClientId,
}

/// Why a request goes nowhere.
pub(super) struct Unroutable {
    pub(super) answer: Answer,
    /// The session of the dialog that a token named all the same: its client is away.
    pub(super) media: Option<MediaId>,
    /// By what URI the SIP side calls that client.
    pub(super) way_here: Option<String>,
    /// The client that is away.
    pub(super) client: Option<ClientId>,
    /// The browser that asks it, where no SIP server is between the two.
    pub(super) beside: Option<Box<Peer>>,
}

impl From<Answer> for Unroutable {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            media: None,
            way_here: None,
            client: None,
            beside: None,
        }
    }
}

impl Core {
    /// Decides, and takes our own entries off Route.
    pub(super) fn route(
        &self,
        request: &mut Message,
        from: Source,
        now: Instant,
    ) -> Result<Route, Unroutable> {
        let recorded = strict::undo(request, &self.names).map_err(|_| unreadable())?;
        match from {
            Source::Flow(flow) => self.route_up(request, flow, recorded, now),
            Source::Upstream(_) => self.route_down(request, from, recorded, now),
        }
    }

    fn route_up(
        &self,
        request: &mut Message,
        flow: FlowId,
        recorded: Option<Token>,
        now: Instant,
    ) -> Result<Route, Unroutable> {
        let token = Token::take(request, &self.names)
            .or(recorded)
            .filter(|_| !request.is(&Method::Register));
        let mut spread = None;
        let (client, media) = match token {
            Some(token) => {
                // A dialog belongs to its client: on another client's flow its tags and token are worth nothing.
                if self.flows.reach(token.client) != Reach::Flow(flow) {
                    let reason = "This Dialog Is Not Of This Connection";
                    return Err(Answer::new(403, reason).into());
                }
                if token.beside {
                    return self.route_beside(request, flow, token);
                }
                self.stand_aside(request, token).map_err(|_| unreadable())?;
                (token.client, token.media)
            }
            None if request.to_tag().is_some() && !request.is(&Method::Register) => {
                return Err(Answer::new(481, "Call/Transaction Does Not Exist").into());
            }
            None => {
                // A preloaded Route of the client's own choice is not followed.
                request.remove_all("Route").map_err(|_| unreadable())?;
                let aor = aor_of(request, "From").unwrap_or_default();
                let client = self.flows.speaker(flow, &aor).ok_or_else(gone)?;
                spread = Some(self.spread(request));
                (client, self.new_media(request, Side::Browser, client, now))
            }
        };
        strict::yield_to(request).map_err(|_| unreadable())?;
        let target = token.and_then(|token| token.target);
        let dialog = target.and_then(|target| self.upstreams.address(target));
        // A dialog whose address nobody remembers goes the way of a new call: another address may know it, too.
        let chosen = || {
            let key = spread.unwrap_or_else(|| self.spread(request));
            self.upstreams.choose(key, now).map(|chosen| chosen.address)
        };
        let to = dialog.or_else(chosen).ok_or_else(nowhere)?;
        Ok(Route {
            to: Source::Upstream(to),
            flow,
            client,
            media,
            spread,
            beside: None,
            numbered: match token {
                Some(token) => token.numbered,
                None => self.numbers_of(flow),
            },
        })
    }

    /// Within a call between two of our browsers: the next token names the other one.
    fn route_beside(
        &self,
        request: &mut Message,
        flow: FlowId,
        own: Token,
    ) -> Result<Route, Unroutable> {
        let other = Token::take(request, &self.names)
            .filter(|other| other.beside && other.media == own.media);
        let Some(other) = other else {
            return Err(Answer::new(481, "Call/Transaction Does Not Exist").into());
        };
        let Reach::Flow(to) = self.flows.reach(other.client) else {
            let client = own.client;
            let beside = Some(Box::new(Peer { flow, client }));
            let unroutable = self.unreachable(&other, Source::Flow(flow));
            return Err(Unroutable {
                beside,
                ..unroutable
            });
        };
        // The other one's 1xx had no Contact of its own.
        if let (true, Some(contact)) = (
            Token::addressed(request, &self.names) == Some(other),
            self.flows.contact(other.client),
        ) {
            request.set_uri(contact).map_err(|_| unreadable())?;
        }
        Ok(Route {
            to: Source::Flow(to),
            flow: to,
            client: other.client,
            media: own.media,
            spread: None,
            beside: Some(Peer {
                flow,
                client: own.client,
            }),
            numbered: None,
        })
    }

    fn unreachable(&self, token: &Token, from: Source) -> Unroutable {
        Unroutable {
            answer: self.away(Some(token.client)),
            media: token.media,
            way_here: self.way_here(*token, from),
            client: Some(token.client),
            beside: None,
        }
    }

    /// All registrations of one user go the same way, and all requests with one Call-ID.
    fn spread(&self, request: &Message) -> u64 {
        if !self.upstreams.has_choice() {
            return 0;
        }
        let registering = request.is(&Method::Register);
        match registering.then(|| aor_of(request, "To")).flatten() {
            Some(aor) => self.names.spread("aor", &aor),
            None => {
                let call_id = request.call_id().unwrap_or_default();
                self.names.spread("call", call_id)
            }
        }
    }

    fn route_down(
        &self,
        request: &mut Message,
        from: Source,
        recorded: Option<Token>,
        now: Instant,
    ) -> Result<Route, Unroutable> {
        let addressed = Token::addressed(request, &self.names);
        let routed = Token::take(request, &self.names).or(recorded);
        let Some(token) = routed.or(addressed) else {
            let reason = "No Route Of This Edge (Does The Server Support Path?)";
            return Err(Answer::new(404, reason).into());
        };
        let Reach::Flow(flow) = self.flows.reach(token.client) else {
            return Err(self.unreachable(&token, from));
        };
        // Addressed as we registered it: the client knows itself only by its own Contact.
        if let (Some(_), Some(contact)) = (addressed, self.flows.contact(token.client)) {
            request.set_uri(contact).map_err(|_| gone())?;
        }
        // A recorded token names its dialog also where the caller has no tag (RFC 2543).
        let media = match (request.to_tag(), routed.and_then(|token| token.media)) {
            (Some(_), _) => token.media,
            (None, Some(media)) => Some(media),
            (None, None) => self.new_media(request, side(from), token.client, now),
        };
        Ok(Route {
            to: Source::Flow(flow),
            flow,
            client: token.client,
            media,
            spread: None,
            beside: None,
            numbered: match request.to_tag() {
                Some(_) => token.numbered,
                None => self.numbers_of(flow),
            },
        })
    }

    /// The media session of a call that begins here.
    pub(super) fn new_media(
        &self,
        request: &Message,
        from: Side,
        client: ClientId,
        now: Instant,
    ) -> Option<MediaId> {
        if !request.is(&Method::Invite) {
            return None;
        }
        let tag = request.from_tag().unwrap_or_default();
        let name = self.names.media(request.call_id()?, tag, from, client);
        // The INVITE that comes again with credentials keeps its session, whatever has become of the relays meanwhile.
        let known = self.media.named(name);
        known.or_else(|| Some(MediaId::new(name, self.relays.place(name, &[], now)?)))
    }
}

/// `user@host` of a From or To, as one registers under it.
pub(super) fn aor_of(request: &Message, header: &str) -> Option<String> {
    let value = request.name_addrs(header).next()?.ok()?;
    let uri = value.uri().ok()?;
    let user = uri.decoded_user()?;
    let mut aor = [&*user, "@", uri.host()].concat();
    if let Some(host) = aor.get_mut(user.len()..) {
        host.make_ascii_lowercase();
    }
    Some(aor)
}

fn gone() -> Answer {
    Answer::new(480, "The Browser Is Not Connected")
}

fn nowhere() -> Answer {
    Answer::busy("No Address Of The SIP Server Is Known")
}

fn unreadable() -> Answer {
    Answer::new(400, "Bad Route")
}
