//! Sign-in of browsers by bearer token (RFC 8898): who has a token of the issuer is the user that it names, on his
//! connection and until it expires. What the SIP server asks him to prove the edge proves for him (`proof.rs`), so that no
//! SIP password reaches a page; and no token leaves the edge.
//!
//! A token comes with a request, or is remembered from an earlier one on the same connection. Inside a dialog none is
//! asked for: the connection says who speaks, and a call does not end with a token.

mod keys;
mod known;
mod proof;

use std::sync::Arc;
use std::time::Instant;

use sip::{Message, Method, NameAddr};

use super::Core;
use super::event::Event;
use super::face::{Command, FlowId, Source};
use super::refusal::Answer;
use super::register::without_expires;
use super::route::aor_of;
use keys::Proven;
pub use keys::{BadToken, Issuer, Keys};
pub use known::{Account, BadLine, KnownUsers};
pub(super) use proof::{Challenges, OwnUnproven, Unproven};

/// A registration needs a token that lasts so many seconds more: less no registrar grants.
const LEAST: u64 = 60;

/// Where tokens stand.
const PLACES: [&str; 2] = ["Authorization", "Proxy-Authorization"];

/// What the operator says about it.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Whose tokens, for whom.
    pub issuer: Issuer,
    /// What they are to the SIP server; `None` where the edge is the registrar and a token's name is a SIP user's.
    pub known: Option<Arc<KnownUsers>>,
    /// The realm of challenges that are answered with their passwords.
    pub realm: String,
}

/// What the shell tells about the issuer.
#[derive(Debug)]
pub struct IssuerNews {
    /// His keys as they are now; `None`: as they were.
    pub keys: Option<Keys>,
    /// The time, in seconds since 1970.
    pub time: u64,
}

/// The issuer as the core knows him.
#[derive(Default)]
pub(super) struct Tokens {
    keys: Option<Keys>,
    /// A time, and what the calendar said then.
    calendar: Option<(Instant, u64)>,
}

/// Who has signed in on a connection.
pub(super) struct SignedIn {
    /// The token, to know it again.
    token: String,
    until: u64,
    pub(super) account: Arc<Account>,
    /// What the SIP server asks of him.
    pub(super) challenges: Challenges,
}

/// Why a token lets nobody in: it is worth nothing, or something else stands against it.
#[derive(Debug)]
enum Unusable {
    Bad(BadToken),
    Answer(Answer),
}

impl From<BadToken> for Unusable {
    fn from(bad: BadToken) -> Self {
        Self::Bad(bad)
    }
}

impl From<Answer> for Unusable {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl Tokens {
    /// Seconds since 1970; `None` before anybody has said.
    fn time(&self, now: Instant) -> Option<u64> {
        let (at, time) = self.calendar?;
        Some(time.saturating_add(now.saturating_duration_since(at).as_secs()))
    }
}

impl Core {
    /// The issuer's keys have come, or the clock is told.
    pub(super) fn issuer_news(&mut self, news: IssuerNews, now: Instant) {
        self.tokens.calendar = Some((now, news.time));
        if news.keys.is_some() {
            self.tokens.keys = news.keys;
        }
    }

    /// The operator's accounts have changed. Who has signed in stays who he was until his token ends.
    pub(super) fn known_users_are(&mut self, known: Arc<KnownUsers>) {
        if let Some(sign_in) = &mut self.config.sign_in {
            Arc::make_mut(sign_in).known = Some(known);
        }
    }

    /// Whether whoever asks has signed in, and asks in his own name. Everybody has where nobody needs to.
    pub(super) fn has_signed_in(
        &mut self,
        from: Source,
        request: &Message,
        now: Instant,
    ) -> Result<(), Answer> {
        let (Source::Flow(flow), Some(sign_in)) = (from, self.config.sign_in.clone()) else {
            return Ok(());
        };
        let in_dialog = request.to_tag().is_some() && !request.is(&Method::Register);
        if in_dialog || self.is_for_us(request) {
            return Ok(());
        }
        if !self.may_offer_token(flow, now) {
            return Err(Answer::busy("Too Many Bad Tokens"));
        }
        let Some(time) = self.tokens.time(now) else {
            return Err(Answer::busy("The Edge Has No Clock Yet"));
        };
        if let Some(token) = token(request) {
            match self.take_token(flow, token, &sign_in, time) {
                Ok(()) => {}
                Err(Unusable::Answer(answer)) => return Err(answer),
                Err(Unusable::Bad(bad)) => {
                    return Err(self.refuse_token(flow, request, &sign_in, bad, now));
                }
            }
        }
        let least = match request.is(&Method::Register) {
            true => LEAST,
            false => 0,
        };
        let signed_in = self
            .flows
            .get(flow)
            .and_then(|flow| flow.signed_in.as_ref());
        match signed_in {
            None => Err(challenge(request, &sign_in, &self.config.domain, None)),
            Some(known) if known.until <= time.saturating_add(least) => {
                Err(self.refuse_token(flow, request, &sign_in, BadToken::Expired, now))
            }
            Some(known) => self.speaks_for_himself(known, request),
        }
    }

    fn speaks_for_himself(&self, known: &SignedIn, request: &Message) -> Result<(), Answer> {
        let domain = self.config.domain.to_ascii_lowercase();
        let own = format!("{}@{domain}", known.account.user);
        let register = request.is(&Method::Register);
        let is_own = |name| aor_of(request, name).is_some_and(|says| says == own);
        let nameless =
            aor_of(request, "From").is_some_and(|it| it == "anonymous@anonymous.invalid");
        match (is_own("From") && (!register || is_own("To"))) || (nameless && !register) {
            true => Ok(()),
            false => Err(Answer::new(403, "From Is Not Your Address")),
        }
    }

    /// Takes what a token proves for the connection's; an error is an answer, or what is wrong with the token.
    fn take_token(
        &mut self,
        flow: FlowId,
        token: &str,
        sign_in: &SignIn,
        time: u64,
    ) -> Result<(), Unusable> {
        let state = self.flows.get(flow);
        let before = state.and_then(|state| state.signed_in.as_ref());
        if before.is_some_and(|known| known.token == token) {
            return Ok(());
        }
        let Some(keys) = &self.tokens.keys else {
            return Err(Answer::busy("The Edge Has No Keys Yet").into());
        };
        let Proven { name, until } = keys.verify(token, &sign_in.issuer, time)?;
        let account = match &sign_in.known {
            Some(known) => known.get(&name).cloned(),
            None => Account::of_token(&name),
        };
        let Some(account) = account else {
            self.report(Event::NoAccount { flow, name });
            return Err(Answer::new(403, "No Account Here").into());
        };
        if before.is_some_and(|known| known.account.user != account.user) {
            return Err(Answer::new(403, "This Connection Is Somebody Else's").into());
        }
        if let Some(state) = self.flows.get_mut(flow) {
            let before = state.signed_in.take();
            let challenges = before.map(|known| known.challenges).unwrap_or_default();
            let (token, account) = (token.to_owned(), Arc::new(account));
            state.signed_in = Some(Box::new(SignedIn {
                token,
                until,
                account,
                challenges,
            }));
        }
        Ok(())
    }

    fn refuse_token(
        &mut self,
        flow: FlowId,
        request: &Message,
        sign_in: &SignIn,
        why: BadToken,
        now: Instant,
    ) -> Answer {
        match why {
            // Whoever has an old one was let in once.
            BadToken::Expired => {}
            _ => self.token_was_bad(flow, now),
        }
        if why == BadToken::UnknownKey {
            self.commands.push_back(Command::FetchKeys);
        }
        self.report(Event::TokenRefused { flow, why });
        challenge(request, sign_in, &self.config.domain, Some(why))
    }

    /// Seconds that a connection's token lasts; `None` where there are no tokens.
    pub(super) fn token_lasts(&self, flow: FlowId, now: Instant) -> Option<u32> {
        let known = self.flows.get(flow)?.signed_in.as_ref()?;
        let left = known.until.saturating_sub(self.tokens.time(now)?);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// The account by which the edge can prove who speaks on a connection.
    pub(super) fn account_of(&self, flow: FlowId) -> Option<Arc<Account>> {
        let known = self.flows.get(flow)?.signed_in.as_ref()?;
        Some(Arc::clone(&known.account)).filter(|account| !account.password.is_empty())
    }

    /// The user of a connection, where tokens say who he is.
    pub(super) fn user_by_token(&self, flow: FlowId) -> Option<String> {
        let known = self.flows.get(flow)?.signed_in.as_ref()?;
        Some(known.account.user.clone())
    }

    /// Whether a user of the SIP server's, or of the edge's own, can sign in.
    pub(super) fn has_account(&self, user: &str) -> bool {
        let known = self
            .config
            .sign_in
            .as_ref()
            .and_then(|it| it.known.as_ref());
        known.is_some_and(|known| known.has(user))
    }

    /// A registration ends with the token that it was made with.
    pub(super) fn bound_by_token(
        &self,
        flow: FlowId,
        request: &mut Message,
        now: Instant,
    ) -> Result<(), sip::Error> {
        let Some(most) = self.token_lasts(flow, now) else {
            return Ok(());
        };
        let said = request.expires();
        let contacts: Vec<Vec<u8>> = request.raw_values("Contact").map(<[u8]>::to_vec).collect();
        for (at, contact) in contacts.iter().enumerate() {
            let Ok(value) = NameAddr::parse(contact) else {
                continue;
            };
            let wanted = value.expires().or(said).unwrap_or(u32::MAX);
            if value.is_star() || wanted <= most {
                continue;
            }
            let mut bounded = without_expires(contact);
            bounded.extend(format!(";expires={most}").into_bytes());
            request.set_value("Contact", at, bounded)?;
        }
        match said {
            Some(said) if said > most => request.set("Expires", most),
            _ => Ok(()),
        }
    }

    /// Takes off what is between the browser and us: a token is nobody else's business.
    pub(super) fn keep_token(&self, from: Source, request: &mut Message) -> Result<(), sip::Error> {
        if self.config.sign_in.is_none() || !matches!(from, Source::Flow(_)) {
            return Ok(());
        }
        PLACES
            .iter()
            .try_for_each(|name| request.remove_all(name).map(drop))
    }
}

impl Account {
    /// The user of an edge that is his registrar, by his own name.
    fn of_token(name: &str) -> Option<Self> {
        let is_user = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/".contains(c);
        name.chars().all(is_user).then(|| Self {
            user: name.to_owned(),
            password: String::new(),
        })
    }
}

/// A request's token: JsSIP's `authorization_jwt` may be given without the scheme's name.
fn token(request: &Message) -> Option<&str> {
    PLACES.iter().find_map(|name| {
        let value = std::str::from_utf8(request.raw_values(name).next()?).ok()?;
        let value = value.trim();
        match value.split_once(char::is_whitespace) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Some(token.trim()),
            Some(_) => None,
            None => (value.matches('.').count() == 2).then_some(value),
        }
    })
}

/// Who can give the browser a token (RFC 8898 section 4).
fn challenge(request: &Message, sign_in: &SignIn, domain: &str, bad: Option<BadToken>) -> Answer {
    let (answer, header) = match request.is(&Method::Register) {
        true => (Answer::new(401, "Unauthorized"), "WWW-Authenticate"),
        false => (
            Answer::new(407, "Proxy Authentication Required"),
            "Proxy-Authenticate",
        ),
    };
    let error = bad.map_or("", |_| ", error=\"invalid_token\"");
    let server = &sign_in.issuer.issuer;
    answer.with(
        header,
        format!("Bearer realm=\"{domain}\", authz_server=\"{server}\"{error}"),
    )
}
