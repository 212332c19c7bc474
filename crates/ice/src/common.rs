//! What lite and full agents share: who both sides are, which paths are proved, and the checks that every datagram
//! must pass before any HMAC.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::paths::Paths;
use crate::stun::{self, Class, Peek};
use crate::{AddressPolicy, Candidate, Credentials, Local, Output, Pair, Reason, Role};

/// What lite and full agents both need.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) role: Role,
    pub(crate) component: u8,
    pub(crate) policy: AddressPolicy,
    pub(crate) credentials: Credentials,
    /// Ours before a restart: still answered to until the peer uses the new ones.
    pub(crate) previous: Option<Credentials>,
    /// Both sides' before a restart that the peer has not followed yet: its offer may be refused.
    pub(crate) before: Option<(Credentials, Credentials)>,
    /// A restart has begun and the peer has not used the new credentials yet: what was proved before still holds.
    pub(crate) is_restarting: bool,
    pub(crate) remote: Option<Credentials>,
    pub(crate) locals: Vec<Local>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) remote_candidates: usize,
    pub(crate) paths: Paths,
    pub(crate) selected: Option<Pair>,
    pub(crate) outputs: VecDeque<Output>,
}

impl Common {
    /// All that can be said without a key. Nothing here costs more than a CRC.
    pub(crate) fn admit<'a>(&self, pair: Pair, datagram: &'a [u8]) -> Result<Peek<'a>, Reason> {
        let peek = admit(self.policy, pair.remote, datagram)?;
        if !self.locals.iter().any(|ours| ours.bound == pair.local) {
            return Err(Reason::UnknownLocal);
        }
        if peek.is_request() {
            self.admit_request(&peek)?;
        }
        if !peek.has_good_fingerprint() {
            return Err(Reason::BadFingerprint);
        }
        Ok(peek)
    }

    fn admit_request(&self, peek: &Peek) -> Result<(), Reason> {
        let (ours, theirs) = peek.ufrags.ok_or(Reason::Malformed)?;
        let is_current = ours == self.credentials.ufrag();
        let is_previous = self
            .previous
            .as_ref()
            .is_some_and(|previous| ours == previous.ufrag());
        let is_peer = self
            .remote
            .as_ref()
            .is_none_or(|remote| theirs == remote.ufrag());
        if !(is_current && is_peer || is_previous) {
            return Err(Reason::WrongUfrag);
        }
        if peek.priority.is_none() || (peek.controlling.is_none() && peek.controlled.is_none()) {
            return Err(Reason::Malformed);
        }
        Ok(())
    }

    /// The peer has used the new credentials: what was proved with the old ones is void.
    pub(crate) fn finish_restart(&mut self) {
        if std::mem::take(&mut self.is_restarting) {
            self.previous = None;
            self.before = None;
            self.paths.clear();
        }
    }

    pub(crate) fn prove(&mut self, pair: Pair, ufrag: Option<&str>, now: Instant) {
        if self.paths.prove(pair, ufrag, self.selected, now) {
            self.outputs.push_back(Output::Validated(pair.remote));
        }
    }

    pub(crate) fn select(&mut self, pair: Pair) {
        if self.selected != Some(pair) {
            self.selected = Some(pair);
            self.outputs.push_back(Output::Selected(pair));
        }
    }

    pub(crate) fn disconnect(&mut self) {
        if self.selected.take().is_some() {
            self.outputs.push_back(Output::Disconnected);
        }
    }

    pub(crate) fn send(&mut self, pair: Pair, bytes: Vec<u8>) {
        self.outputs.push_back(Output::Send {
            from: pair.local,
            to: pair.remote,
            bytes,
        });
    }
}

/// A Binding request or answer from an address that may be sent to.
pub(crate) fn admit(
    policy: AddressPolicy,
    from: SocketAddr,
    datagram: &[u8],
) -> Result<Peek<'_>, Reason> {
    if !stun::is_stun(datagram) {
        return Err(Reason::NotStun);
    }
    let peek = stun::peek(datagram).ok_or(Reason::Malformed)?;
    if !peek.is_binding() || peek.class == Class::Indication {
        return Err(Reason::NotACheck);
    }
    policy.check(from).map_err(Reason::Forbidden)?;
    Ok(peek)
}
