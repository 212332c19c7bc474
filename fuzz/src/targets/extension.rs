//! Header extensions that are renumbered, taken out and written in place: the packet stays one, all but its extension
//! stays as it was, and its elements are those that were agreed.

use rtp::{Packet, Renumbering};

use crate::Reached;
use crate::pieces::pieces;

/// Room behind a packet, as the packet path leaves some.
const ROOM: usize = 64;

/// The first piece says what becomes of elements, in pairs of numbers; each other piece is a packet.
pub(super) fn run(input: &[u8]) -> Reached {
    let mut pieces = pieces(input);
    let Some(rules) = pieces.next() else {
        return Reached::Refused;
    };
    let rules = Rules::of(rules);
    // Every one is looked at.
    let taken = pieces.filter(|packet| rules.is_kept_by(packet)).count();
    Reached::taken(taken > 0)
}

struct Rules {
    renumbering: Renumbering,
    /// By the sender's number, the receiver's.
    passing: [u8; 256],
    own: Option<(Option<u8>, u8, Vec<u8>, bool)>,
}

impl Rules {
    /// Pairs; one to number 0 is our own element, whose value is what follows.
    fn of(bytes: &[u8]) -> Self {
        let (mut renumbering, mut passing, mut own) = (Renumbering::default(), [0; 256], None);
        let (pairs, _) = bytes.as_chunks::<2>();
        for (at, &[from, to]) in pairs.iter().enumerate() {
            if to != 0 {
                renumbering.pass(from, to);
                passing[usize::from(from)] = to;
                continue;
            }
            let value = bytes.get(2 * at + 4..).unwrap_or_default();
            let [number, how] = pairs.get(at + 1).copied().unwrap_or([1, 0]);
            let (replaced, number, always) = (
                Some(from).filter(|_| how & 2 == 0),
                number.max(1),
                how & 1 == 1,
            );
            renumbering.replace(replaced, number, value, always);
            if let Some(replaced) = replaced {
                passing[usize::from(replaced)] = 0;
            }
            own = Some((
                replaced,
                number,
                value[..value.len().min(255)].to_vec(),
                always,
            ));
            break;
        }
        Self {
            renumbering,
            passing,
            own,
        }
    }

    fn is_kept_by(&self, bytes: &[u8]) -> bool {
        let mut buffer = [bytes, &[0xaa; ROOM]].concat();
        let Ok(before) = Packet::parse(bytes) else {
            assert!(self.renumbering.apply(&mut buffer, bytes.len()).is_err());
            return false;
        };
        let Ok(length) = self.renumbering.apply(&mut buffer, bytes.len()) else {
            return false; // it grew beyond the buffer
        };
        let after = Packet::parse(&buffer[..length]).expect("a packet as before");
        assert_eq!(after.payload(), before.payload());
        assert_eq!(after.padding(), before.padding());
        assert!(after.csrcs().eq(before.csrcs()));
        assert_eq!(
            (after.sequence(), after.ssrc()),
            (before.sequence(), before.ssrc())
        );
        let has_elements = before
            .extension()
            .is_none_or(|(profile, _)| is_rfc_8285(profile));
        if has_elements {
            self.are_agreed(&before, &after);
        } else {
            assert_eq!(after.extension(), before.extension());
        }
        before.elements().next().is_some() && after.elements().next().is_some()
    }

    /// What passes comes in its order; our own element is among them, once.
    fn are_agreed(&self, before: &Packet<'_>, after: &Packet<'_>) {
        let mut expected: Vec<(u8, Vec<u8>)> = before
            .elements()
            .map(|(number, value)| (self.passing[usize::from(number)], value.to_vec()))
            .filter(|(number, _)| *number != 0)
            .collect();
        if let Some((replaced, number, value, always)) = &self.own {
            let stood = before.elements().any(|(found, _)| Some(found) == *replaced);
            expected.extend((*always || stood).then(|| (*number, value.clone())));
        }
        let mut found: Vec<(u8, Vec<u8>)> = after
            .elements()
            .map(|(number, value)| (number, value.to_vec()))
            .collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
}

fn is_rfc_8285(profile: u16) -> bool {
    profile == 0xbede || profile & 0xfff0 == 0x1000
}
