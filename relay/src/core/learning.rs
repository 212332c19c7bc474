//! How the address of a peer without ICE is learned, where a command asks for another way than ours.
//!
//! Without a word it is learned once, from several packets in sequence, and only where a phone may be behind NAT (see
//! [`address`](super::address)); that is `delayed` too, which rtpengine's default is, and it is safer. Nobody but the
//! peer is ever listened to, so `strict-source` is what happens anyway; it has a meaning of its own only where no
//! address is learned.

use control_proto::{Request, Value, flag};

/// What a peer's packets may teach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Learning {
    /// Which strangers may be the peer at all.
    pub(super) from: Strangers,
    /// Packets in sequence from one stranger before it is the peer.
    pub(super) packets: u8,
    /// What is learned is where the peer sends from, and not where it receives: that is as its SDP says.
    pub(super) asymmetric: bool,
    /// A peer that goes on from another address is followed at any time.
    pub(super) handover: bool,
}

/// Which strangers may be the peer of a plain leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strangers {
    Nobody,
    /// Those that may be a phone behind NAT.
    Likely,
    /// Everyone: the asker knows better than the SDP.
    Anybody,
}

/// Packets in sequence from one stranger before a plain leg takes it for its phone behind NAT: 100 ms of speech.
const LEARN_AFTER: u8 = 5;

impl Default for Learning {
    fn default() -> Self {
        Self {
            from: Strangers::Likely,
            packets: LEARN_AFTER,
            asymmetric: false,
            handover: false,
        }
    }
}

impl Learning {
    /// What a command asks for; `None` when it has no such word, so that what was asked before holds.
    pub(super) fn asked(request: &Request) -> Option<Self> {
        let flags = &request.flags;
        let way = request
            .other
            .get("endpoint-learning")
            .and_then(Value::as_str)
            .map(str::to_ascii_lowercase);
        let words = [
            flag::ASYMMETRIC,
            flag::SYMMETRIC,
            flag::MEDIA_HANDOVER,
            flag::STRICT_SOURCE,
        ];
        if way.is_none() && !words.iter().any(|word| flags.has(word)) {
            return None;
        }
        let mut learning = Self {
            asymmetric: flags.has(flag::ASYMMETRIC),
            handover: flags.has(flag::MEDIA_HANDOVER),
            ..Self::default()
        };
        match way.as_deref() {
            Some("immediate") => (learning.from, learning.packets) = (Strangers::Anybody, 1),
            Some("heuristic") => learning.from = Strangers::Anybody,
            Some("off") => learning.asymmetric = true,
            _ => {}
        }
        if learning.asymmetric {
            learning.from = if flags.has(flag::STRICT_SOURCE) {
                Strangers::Nobody
            } else {
                Strangers::Anybody
            };
        }
        Some(learning)
    }
}

#[cfg(test)]
mod tests {
    use control_proto::Command;

    use super::*;

    fn asked(way: Option<&str>, flags: &[&str]) -> Option<Learning> {
        let mut request = Request::new(Command::Offer);
        if let Some(way) = way {
            request.other.push("endpoint-learning", way);
        }
        flags.iter().for_each(|flag| request.flags.set(flag));
        Learning::asked(&request)
    }

    #[test]
    fn a_command_without_a_word_changes_nothing() {
        assert_eq!(asked(None, &["trust-address"]), None);
        assert_eq!(asked(Some("delayed"), &[]), Some(Learning::default()));
        assert_eq!(asked(None, &["strict-source"]), Some(Learning::default()));
    }

    #[test]
    fn each_way_is_understood() {
        let immediate = asked(Some("immediate"), &["media-handover"]).unwrap();
        assert_eq!((immediate.packets, immediate.from), (1, Strangers::Anybody));
        assert!(immediate.handover && !immediate.asymmetric);
        let heuristic = asked(Some("Heuristic"), &[]).unwrap();
        assert_eq!(
            (heuristic.packets, heuristic.from),
            (LEARN_AFTER, Strangers::Anybody)
        );
        for (way, flags) in [(Some("off"), &[][..]), (None, &["asymmetric"][..])] {
            let off = asked(way, flags).unwrap();
            assert!(off.asymmetric && off.from == Strangers::Anybody);
        }
        let strict = asked(Some("off"), &["strict-source"]).unwrap();
        assert_eq!(strict.from, Strangers::Nobody);
    }
}
