//! The lite agent (RFC 8445 sections 2.5, 6.1.1, 7.3, 8.2): it proves nothing by itself, answers those who know its
//! password, and goes where the controlling side says.

use std::time::{Duration, Instant};

use crate::common::Common;
use crate::stun::{self, Peek};
use crate::{Credentials, Pair, Reason};

/// A nomination of lower priority must wait until the standing one has not been repeated for this long. A browser
/// that nominates several pairs at once (Firefox) means the best of them; one that moved to a worse network (Chrome)
/// repeats only the new nomination.
const NOMINATION_HOLD: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Lite {
    standing: Standing,
}

/// On what ground the selected pair stands.
#[derive(Clone, Copy, Debug, Default)]
enum Standing {
    /// On none: nothing selected, or only from before a restart.
    #[default]
    None,
    /// The first valid check; any nomination takes over.
    Valid,
    /// The controlling side's word.
    Nominated { at: Instant, priority: u32 },
}

impl Lite {
    /// A request that passed every check but the HMAC.
    pub(crate) fn receive(
        &mut self,
        common: &mut Common,
        pair: Pair,
        peek: &Peek,
        now: Instant,
    ) -> Result<(), Reason> {
        if !peek.is_request() {
            return Err(Reason::UnknownTransaction); // a lite agent asks nothing
        }
        let (ours, theirs) = peek.ufrags.ok_or(Reason::Malformed)?;
        if let Some(previous) = previous(common, ours) {
            return answer_as_before(common, &previous, pair, peek, now);
        }
        if !peek.verify(common.credentials.pwd()) {
            return Err(Reason::BadIntegrity);
        }
        if peek.controlled.is_some() {
            // Facing a lite agent the full one controls (RFC 8445 section 6.1.1): tell it so.
            common.send(
                pair,
                stun::role_conflict(peek.transaction, common.credentials.pwd()),
            );
            return Ok(());
        }
        common.finish_restart();
        common.send(
            pair,
            stun::success(peek.transaction, pair.remote, common.credentials.pwd()),
        );
        common.prove(pair, Some(theirs), now);
        self.consider(common, pair, peek, now);
        Ok(())
    }

    fn consider(&mut self, common: &mut Common, pair: Pair, peek: &Peek, now: Instant) {
        let priority = peek.priority.unwrap_or_default();
        let is_selected = common.selected == Some(pair);
        let wins = match self.standing {
            Standing::None => true,
            Standing::Valid => peek.use_candidate,
            Standing::Nominated {
                at,
                priority: standing,
            } => {
                let is_old = now.saturating_duration_since(at) >= NOMINATION_HOLD;
                peek.use_candidate && (is_selected || priority > standing || is_old)
            }
        };
        if !wins {
            return;
        }
        self.standing = if peek.use_candidate {
            Standing::Nominated { at: now, priority }
        } else {
            Standing::Valid
        };
        common.select(pair);
    }

    /// Gives up the selected pair when its consent has run out or its proof has been withdrawn.
    pub(crate) fn reconsider(&mut self, common: &mut Common) {
        match common.selected {
            Some(pair) if !common.paths.has_pair(pair) => {
                common.disconnect();
                self.standing = Standing::None;
            }
            Some(_) => {}
            None => self.standing = Standing::None,
        }
    }

    pub(crate) fn restart(&mut self) {
        self.standing = Standing::None;
    }
}

fn previous(common: &Common, ufrag: &str) -> Option<Credentials> {
    common
        .previous
        .clone()
        .filter(|previous| previous.ufrag() == ufrag)
}

/// Between our restart and the peer's knowing of it, its consent checks are answered so that it does not give up.
fn answer_as_before(
    common: &mut Common,
    previous: &Credentials,
    pair: Pair,
    peek: &Peek,
    now: Instant,
) -> Result<(), Reason> {
    if !peek.verify(previous.pwd()) {
        return Err(Reason::BadIntegrity);
    }
    common.send(
        pair,
        stun::success(peek.transaction, pair.remote, previous.pwd()),
    );
    if common.paths.has_pair(pair) {
        common.prove(pair, None, now); // still there, but no new way is opened by the old password
    }
    Ok(())
}
