//! What the SIP server asks a browser's user to prove, the edge proves: digest, from the client's side (RFC 3261 section
//! 22, RFC 7616, RFC 8760). A challenge is answered by the same request again, under another branch; the nonce serves
//! further requests, counted, until the server wants another one. How requests are numbered for that: `numbers.rs`.

use std::sync::Arc;
use std::time::Instant;

use sip::digest::{Algorithm, Challenge, Request, User};
use sip::{CSeq, Message, Method};

use super::super::Core;
use super::super::event::Event;
use super::super::face::{FlowId, Source};
use super::super::numbers::MOST;
use super::super::refusal::Answer;
use super::super::transactions::ContextId;
use super::Account;

/// Times that one request is proven: once, and again where the nonce was too old meanwhile.
const MAX_PROOFS: u8 = MOST;

/// A challenge, and how often its nonce was used.
#[derive(Clone)]
struct Known {
    challenge: Challenge,
    count: u32,
}

impl Known {
    /// The proof that a request is this account's.
    fn answer(&mut self, account: &Account, request: &Message, cnonce: &str) -> Option<String> {
        self.count = self.count.saturating_add(1);
        let user = User {
            name: &account.user,
            password: &account.password,
        };
        let made_for = Request {
            method: request.method()?,
            uri: request.uri_text()?,
            body: request.body(),
        };
        let proof = self.challenge.answer(&user, &made_for, cnonce, self.count);
        Some(proof.to_string())
    }
}

/// The last ones of registrar (401) and proxy (407).
#[derive(Default, Clone)]
pub(in crate::core) struct Challenges {
    registrar: Option<Known>,
    proxy: Option<Known>,
}

/// A request that may have to be proven.
pub(in crate::core) struct Unproven {
    /// As it was before it was written for one address.
    request: Message,
    pub(in crate::core) proofs: u8,
    pub(in crate::core) account: Arc<Account>,
}

/// A request of the edge's own, in a dialog of this account's.
pub(in crate::core) struct OwnUnproven {
    pub(in crate::core) request: Message,
    pub(in crate::core) account: Arc<Account>,
}

impl Core {
    /// Writes down what another try needs, where the edge can prove who asks.
    pub(in crate::core) fn prepare_proof(&mut self, id: ContextId, request: &Message) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let to_server = context
            .route
            .as_ref()
            .is_some_and(|route| matches!(route.to, Source::Upstream(_)));
        let Source::Flow(flow) = context.from else {
            return;
        };
        if !to_server || context.unproven.is_some() {
            return;
        }
        let account = self.account_of(flow);
        if let (Some(account), Some(context)) = (account, self.transactions.get_mut(id)) {
            let (request, proofs) = (request.clone(), 0);
            context.unproven = Some(Box::new(Unproven {
                request,
                proofs,
                account,
            }));
        }
    }

    /// Proves who asks, as far as it is known what the SIP server wants. `request` is as it goes out.
    pub(in crate::core) fn prove(
        &mut self,
        id: ContextId,
        request: &mut Message,
    ) -> Result<(), sip::Error> {
        let Some(context) = self.transactions.get_mut(id) else {
            return Ok(());
        };
        let (Source::Flow(flow), Some(unproven)) = (context.from, &context.unproven) else {
            return Ok(());
        };
        // Inside a dialog few servers ask: none is told more than it wants to know.
        let unasked = unproven.proofs == 0;
        if unasked && request.to_tag().is_some() {
            return Ok(());
        }
        let cnonce = self.names.cnonce();
        let Some(known) = self
            .flows
            .get_mut(flow)
            .and_then(|flow| flow.signed_in.as_mut())
        else {
            return Ok(());
        };
        let is_register = request.is(&Method::Register);
        let (registrar, proxy) = (&mut known.challenges.registrar, &mut known.challenges.proxy);
        let mut written = Vec::new();
        for (header, challenge) in [("Authorization", registrar), ("Proxy-Authorization", proxy)] {
            // A registrar's nonce is for REGISTER, unless this request was asked for it.
            let meant = (header == "Authorization") == is_register || !unasked;
            if let Some(challenge) = challenge.as_mut().filter(|_| meant) {
                let proof = challenge.answer(&known.account, request, &cnonce);
                written.extend(proof.map(|proof| (header, proof)));
            }
        }
        written
            .into_iter()
            .try_for_each(|(header, proof)| request.append(header, proof))
    }

    /// The SIP server asks who it is. True if the request was sent again with the proof; else the browser must be told, and
    /// is told by [`Core::not_proven`].
    pub(in crate::core) fn prove_again(
        &mut self,
        id: ContextId,
        response: &Message,
        now: Instant,
    ) -> bool {
        let Some((flow, request)) = self.asked_to_prove(id, response) else {
            return false;
        };
        let Some((registrar, challenge)) = self.best_challenge(response) else {
            return false;
        };
        let stale = challenge.stale;
        let Some(context) = self.transactions.get_mut(id) else {
            return false;
        };
        let gone = context.final_status.is_some() || context.is_cancelled();
        let Some(unproven) = context.unproven.as_mut().filter(|_| !gone) else {
            return false;
        };
        // Once it has been proven with a nonce that was made for it, only that nonce's age can be wrong.
        let wrong = unproven.proofs > 0 && !stale;
        if wrong || unproven.proofs >= MAX_PROOFS {
            return false;
        }
        unproven.proofs = unproven.proofs.saturating_add(1);
        let (proofs, begins) = (unproven.proofs, !context.in_dialog);
        if let Some(route) = context.route.as_mut().filter(|_| begins) {
            route.numbered = route.numbered.map(|_| proofs);
        }
        if let Some(known) = self
            .flows
            .get_mut(flow)
            .and_then(|flow| flow.signed_in.as_mut())
        {
            let kept = match registrar {
                true => &mut known.challenges.registrar,
                false => &mut known.challenges.proxy,
            };
            *kept = Some(Known {
                challenge,
                count: 0,
            });
        }
        self.leave_branch(id, now);
        if let Err(answer) = self.send_branch(id, request, now) {
            self.answer(id, &answer, now);
        }
        true
    }

    /// The same request, with the proof that this response asks for; `None` if there is none to give.
    pub(in crate::core) fn own_proven(
        &mut self,
        unproven: &OwnUnproven,
        to: Source,
        response: &Message,
    ) -> Option<Message> {
        if !matches!(response.status(), Some(401 | 407)) {
            return None;
        }
        let (registrar, challenge) = self.best_challenge(response)?;
        let header = match registrar {
            true => "Authorization",
            false => "Proxy-Authorization",
        };
        let OwnUnproven { request, account } = unproven;
        let mut request = request.clone();
        let CSeq { number, method } = request.cseq()?;
        let number = number.saturating_add(1);
        let cnonce = self.names.cnonce();
        let mut known = Known {
            challenge,
            count: 0,
        };
        let proof = known.answer(account, &request, &cnonce)?;
        let via = self.new_via(to);
        request.set_value("Via", 0, via).ok()?;
        request
            .set("CSeq", CSeq { number, method }.to_string())
            .ok()?;
        request.append(header, proof).ok()?;
        Some(request)
    }

    fn asked_to_prove(&mut self, id: ContextId, response: &Message) -> Option<(FlowId, Message)> {
        let context = self.transactions.get_mut(id)?;
        let Source::Flow(flow) = context.from else {
            return None;
        };
        let unproven = context.unproven.as_ref()?;
        matches!(response.status(), Some(401 | 407)).then(|| (flow, unproven.request.clone()))
    }

    /// The strongest one that is of the realm which the passwords are for; whether it is a registrar's.
    fn best_challenge(&self, response: &Message) -> Option<(bool, Challenge)> {
        let registrar = response.status() == Some(401);
        let header = match registrar {
            true => "WWW-Authenticate",
            false => "Proxy-Authenticate",
        };
        let realm = &self.config.sign_in.as_ref()?.realm;
        let lines: Vec<_> = response.headers(header).collect();
        let mut all: Vec<_> = lines
            .iter()
            .flat_map(|line| super::super::challenge::one_by_one(line))
            .filter_map(|one| Challenge::parse(one).ok())
            .filter(|one| one.realm == *realm)
            .collect();
        all.sort_by_key(|one| one.algorithm == Algorithm::Md5);
        Some((registrar, all.into_iter().next()?))
    }

    /// What a browser is told instead of a challenge that it cannot answer: the passwords are the edge's.
    pub(in crate::core) fn not_proven(&mut self, id: ContextId) -> Option<Answer> {
        let context = self.transactions.get_mut(id)?;
        let by = context.branch.as_ref().map(|branch| branch.to);
        let (Source::Flow(flow), Some(Source::Upstream(_))) = (context.from, by) else {
            return None;
        };
        self.config.sign_in.as_ref()?;
        let user = self.user_by_token(flow).unwrap_or_default();
        self.report(Event::AccountRefused { flow, user });
        Some(Answer::new(403, "The SIP Server Refuses The Account"))
    }
}
