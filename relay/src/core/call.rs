//! A call and its parties: who is who by tag, and what was written to whom.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use control_proto::{Request, Value};
use sdp::{Connection, Origin, Session, Text, Token};

use super::gate::Gates;
use super::leg::Leg;
use super::recording::Recording;
use super::refused::Refused;
use super::seats::Seat;
use super::table::Key;

/// Parties of one call at most: both ends and the branches of a fork.
const MAX_PARTIES: usize = 32;
/// Octets of a party's metadata; longer ones are not taken.
const MAX_METADATA: usize = 1024;
/// Tags of one party at most: a fork answers under several.
const MAX_TAGS: usize = 32;

/// One call: what ng's call-id names.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) created: Instant,
    /// The last offer, answer or delete.
    pub(super) last_signal: Instant,
    /// At least one answer came.
    pub(super) answered: Option<Instant>,
    /// When it is to be freed: a `delete` with a delay came.
    pub(super) ends: Option<Instant>,
    pub(super) parties: Vec<Party>,
    /// The TOS byte of packets to all its parties, where a command gave one.
    pub(super) tos: Option<u8>,
    /// What is held back of whose media.
    pub(super) gates: Gates,
    pub(super) recording: Option<Recording>,
    /// Legs of no party: where the packets of publishers end.
    pub(super) sinks: Vec<Key<Leg>>,
    /// Its share of what the process can hold.
    _seat: Seat,
}

/// One end of the call, or one branch of a fork: the sender of bodies under one From or To tag.
pub(super) struct Party {
    /// The tag, then its aliases. Empty: made by an offer, and not answered yet.
    pub(super) tags: Vec<String>,
    pub(super) via_branch: Option<String>,
    pub(super) label: Option<String>,
    /// What a command says of it, for `query`.
    pub(super) metadata: Option<String>,
    /// It only listens (`subscribe request`).
    pub(super) subscriber: bool,
    pub(super) created: Instant,
    /// Whom its media goes to.
    pub(super) peer: usize,
    /// The interface that faces it, by name; `None` is the default one.
    pub(super) interface: Option<String>,
    /// Its media, in the order of the m-lines.
    pub(super) legs: Vec<Key<Leg>>,
    /// Its last offer had a BUNDLE group.
    pub(super) bundles: bool,
    written: Option<Written>,
}

/// The body that a party was given last.
struct Written {
    origin: Origin,
    name: Text,
    /// Whose session it was: user name and session id as they came.
    source: (Text, Token),
    /// Of the whole body but for the version in `o=`.
    hash: u64,
}

impl Call {
    pub(super) fn new(id: String, seat: Seat, now: Instant) -> Self {
        Self {
            id,
            created: now,
            last_signal: now,
            answered: None,
            ends: None,
            parties: Vec::new(),
            tos: None,
            gates: Gates::default(),
            recording: None,
            sinks: Vec::new(),
            _seat: seat,
        }
    }

    pub(super) fn party(&self, index: usize) -> Option<&Party> {
        self.parties.get(index)
    }

    pub(super) fn party_mut(&mut self, index: usize) -> Option<&mut Party> {
        self.parties.get_mut(index)
    }

    pub(super) fn by_tag(&self, tag: &str) -> Option<usize> {
        self.parties
            .iter()
            .position(|party| party.tags.iter().any(|known| known == tag))
    }

    /// The party that offers and the one that is offered to; both are made if need be.
    pub(super) fn sides_of_offer(
        &mut self,
        from_tag: &str,
        to_tag: Option<&str>,
        via_branch: Option<&str>,
        now: Instant,
    ) -> Result<(usize, usize), Refused> {
        if to_tag == Some(from_tag) {
            return Err(Refused::Association);
        }
        let from = self.by_tag(from_tag);
        let to = to_tag.and_then(|tag| self.by_tag(tag));
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, self.offered_side(from, to_tag, via_branch, now)?),
            (None, Some(to)) => {
                let from = self.peer_of(to).ok_or(Refused::Association)?;
                self.name(from, from_tag);
                (from, to)
            }
            (None, None) => {
                let from = self.add(Some(from_tag), None, now)?;
                let to = self.add(to_tag, via_branch, now)?;
                (from, to)
            }
        };
        self.join(from, to)
    }

    /// The party that offered and the one whose answer this is. An answer under another tag is the same party once
    /// more: another phone of a fork.
    pub(super) fn sides_of_answer(
        &mut self,
        from_tag: &str,
        to_tag: &str,
        via_branch: Option<&str>,
    ) -> Result<(usize, usize), Refused> {
        let from = self.by_tag(from_tag).ok_or(Refused::Association)?;
        let to = match self.by_tag(to_tag) {
            Some(to) => to,
            None => {
                let branch = self.branch(from, via_branch);
                let to = branch
                    .or_else(|| self.peer_of(from))
                    .ok_or(Refused::Association)?;
                self.name(to, to_tag);
                to
            }
        };
        self.join(from, to)
    }

    /// Whom `from` offers to, when the to-tag does not tell.
    fn offered_side(
        &mut self,
        from: usize,
        to_tag: Option<&str>,
        via_branch: Option<&str>,
        now: Instant,
    ) -> Result<usize, Refused> {
        if let Some(branch) = self.branch(from, via_branch) {
            return Ok(branch);
        }
        let peer = self.peer_of(from);
        // A new branch of an offer that is still open is another party, with ports of its own.
        let is_new_branch = via_branch.is_some() && to_tag.is_none();
        match peer.filter(|_| !is_new_branch) {
            Some(peer) => {
                if let Some(tag) = to_tag {
                    self.name(peer, tag);
                }
                Ok(peer)
            }
            None => self.add(to_tag, via_branch, now),
        }
    }

    fn branch(&self, from: usize, via_branch: Option<&str>) -> Option<usize> {
        let branch = via_branch?;
        self.parties
            .iter()
            .position(|party| party.peer == from && party.via_branch.as_deref() == Some(branch))
            .filter(|found| *found != from)
    }

    fn peer_of(&self, party: usize) -> Option<usize> {
        self.party(party)
            .map(|party| party.peer)
            .filter(|peer| *peer != party)
    }

    fn name(&mut self, party: usize, tag: &str) {
        if let Some(party) = self.party_mut(party)
            && party.tags.len() < MAX_TAGS
        {
            party.tags.push(tag.to_owned());
        }
    }

    pub(super) fn add(
        &mut self,
        tag: Option<&str>,
        via_branch: Option<&str>,
        now: Instant,
    ) -> Result<usize, Refused> {
        if self.parties.len() >= MAX_PARTIES {
            return Err(Refused::Association);
        }
        let index = self.parties.len();
        self.parties.push(Party {
            tags: tag.map(str::to_owned).into_iter().collect(),
            via_branch: via_branch.map(str::to_owned),
            label: None,
            metadata: None,
            subscriber: false,
            created: now,
            peer: index,
            interface: None,
            legs: Vec::new(),
            bundles: false,
            written: None,
        });
        Ok(index)
    }

    fn join(&mut self, from: usize, to: usize) -> Result<(usize, usize), Refused> {
        if from == to {
            return Err(Refused::Association);
        }
        for (party, peer) in [(from, to), (to, from)] {
            self.party_mut(party).ok_or(Refused::Association)?.peer = peer;
        }
        Ok((from, to))
    }
}

impl Party {
    /// Takes the `metadata` of a command about this party.
    pub(super) fn describe(&mut self, request: &Request) {
        let told = request.other.get("metadata").and_then(Value::as_str);
        if let Some(told) = told.filter(|told| told.len() <= MAX_METADATA) {
            self.metadata = Some(told.to_owned());
        }
    }

    /// Gives the body for this party its `o=`. Whose body it was first, it stays: a party that saw one phone of a
    /// fork sees no other session when another phone answers. The version rises exactly when the body has changed
    /// (RFC 3264 section 8).
    pub(super) fn finish(
        &mut self,
        body: &mut Session,
        shown: Option<Connection>,
        always_raise: bool,
    ) {
        let offered = body.origin.clone();
        let source = (offered.username.clone(), offered.session_id.clone());
        let is_same_source = self
            .written
            .as_ref()
            .is_none_or(|written| written.source == source);
        match &self.written {
            Some(written) => {
                body.origin = written.origin.clone();
                if !is_same_source {
                    body.name = written.name.clone();
                }
            }
            None => {
                if let Some(shown) = shown {
                    body.origin.connection = shown;
                }
            }
        }
        let hash = hash_without_version(body);
        if let Some(written) = &self.written
            && (written.hash != hash || always_raise)
        {
            body.origin.version = later(
                &written.origin,
                Some(&offered.version).filter(|_| is_same_source),
            );
        }
        let source = self.written.take().map_or(source, |written| written.source);
        self.written = Some(Written {
            origin: body.origin.clone(),
            name: body.name.clone(),
            source,
            hash,
        });
    }
}

fn hash_without_version(body: &mut Session) -> u64 {
    let version = std::mem::replace(&mut body.origin.version, Token::from_static("0"));
    let mut hasher = DefaultHasher::new();
    body.to_string().hash(&mut hasher);
    body.origin.version = version;
    hasher.finish()
}

/// The sender's own version where it is later than what was written, or else one more.
fn later(written: &Origin, offered: Option<&Token>) -> Token {
    let number = |token: &Token| token.parse::<u64>().ok();
    match (offered.and_then(number), number(&written.version)) {
        (Some(offered), Some(written)) if offered > written => Token::from(offered),
        _ => written.raised().version,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Seats;
    use super::*;

    fn call() -> Call {
        let seat = Seats::new(1).take().unwrap();
        Call::new("call".into(), seat, Instant::now())
    }

    fn offer(
        call: &mut Call,
        from: &str,
        to: Option<&str>,
        branch: Option<&str>,
    ) -> (usize, usize) {
        call.sides_of_offer(from, to, branch, Instant::now())
            .unwrap()
    }

    #[test]
    fn a_repeated_offer_finds_the_same_parties() {
        let mut call = call();
        assert_eq!(offer(&mut call, "a", None, None), (0, 1));
        assert_eq!(offer(&mut call, "a", None, None), (0, 1));
        assert_eq!(call.sides_of_answer("a", "b", None), Ok((0, 1)));
        assert_eq!(offer(&mut call, "a", Some("b"), Some("z9hG4bK")), (0, 1));
        assert_eq!(offer(&mut call, "b", Some("a"), None), (1, 0));
        assert_eq!(call.sides_of_answer("b", "a", None), Ok((1, 0)));
    }

    #[test]
    fn an_answer_under_another_tag_is_the_same_party() {
        let mut call = call();
        offer(&mut call, "a", None, None);
        assert_eq!(call.sides_of_answer("a", "b", None), Ok((0, 1)));
        assert_eq!(call.sides_of_answer("a", "c", None), Ok((0, 1)));
        assert_eq!(offer(&mut call, "c", Some("a"), None), (1, 0));
    }

    #[test]
    fn a_new_via_branch_is_another_party() {
        let mut call = call();
        assert_eq!(offer(&mut call, "a", None, Some("1")), (0, 1));
        assert_eq!(offer(&mut call, "a", None, Some("2")), (0, 2));
        assert_eq!(offer(&mut call, "a", None, Some("2")), (0, 2));
        assert_eq!(call.sides_of_answer("a", "b", Some("1")), Ok((0, 1)));
        assert_eq!(
            call.party(0).unwrap().peer,
            1,
            "media goes to the branch that answered last"
        );
    }

    #[test]
    fn an_offer_in_a_200_names_both_parties_at_once() {
        let mut call = call();
        assert_eq!(offer(&mut call, "b", Some("a"), None), (0, 1));
        assert_eq!(call.sides_of_answer("b", "a", None), Ok((0, 1)));
    }

    #[test]
    fn an_offer_by_the_callee_before_its_answer_is_the_callees() {
        let mut call = call();
        offer(&mut call, "a", None, None);
        assert_eq!(offer(&mut call, "b", Some("a"), None), (1, 0));
    }

    #[test]
    fn tags_without_bound_do_not_grow_a_call_without_bound() {
        let mut call = call();
        offer(&mut call, "a", None, None);
        for i in 0..1000 {
            let _ = call.sides_of_answer("a", &format!("b{i}"), None);
            let _ = call.sides_of_offer(&format!("x{i}"), None, None, Instant::now());
        }
        assert!(call.parties.len() <= MAX_PARTIES);
        assert!(
            call.parties
                .iter()
                .all(|party| party.tags.len() <= MAX_TAGS)
        );
    }

    #[test]
    fn one_tag_for_both_ends_is_no_dialogue() {
        let mut call = call();
        offer(&mut call, "a", None, None);
        assert_eq!(
            call.sides_of_offer("a", Some("a"), None, Instant::now()),
            Err(Refused::Association)
        );
        assert_eq!(
            call.sides_of_answer("a", "a", None),
            Err(Refused::Association)
        );
        assert_eq!(
            call.sides_of_answer("nobody", "b", None),
            Err(Refused::Association)
        );
    }

    #[test]
    fn the_version_rises_exactly_when_the_body_changes() {
        let mut call = call();
        offer(&mut call, "a", None, None);
        let party = call.party_mut(1).unwrap();
        let body = |version: &str, name: &str| {
            let text =
                format!("v=0\r\no=alice 77 {version} IN IP4 192.0.2.1\r\ns={name}\r\nt=0 0\r\n");
            Session::parse(text.as_bytes()).unwrap()
        };
        let mut write = |version: &str, name: &str| {
            let mut body = body(version, name);
            party.finish(&mut body, None, false);
            body.origin.version.to_string()
        };
        assert_eq!(write("5", "x"), "5");
        assert_eq!(
            write("6", "x"),
            "5",
            "the sender raised it, but nothing changed for us"
        );
        assert_eq!(write("6", "y"), "6");
        assert_eq!(write("6", "z"), "7");
    }
}
