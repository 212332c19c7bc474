//! Attacks on the relay's control port: by strangers who reach it, and by a proxy that has gone mad.

mod mad;
mod raw;
mod strangers;

use crate::attack::{Attack, Stage};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        rows: "C1",
        name: "commands of a stranger: unsigned, signed by another, in the proxy's name",
        stage: Stage::Relay(strangers::commands),
    },
    Attack {
        rows: "C1 C4",
        name: "a command of the proxy's, heard and sent again",
        stage: Stage::Relay(strangers::repeated),
    },
    Attack {
        rows: "C2",
        name: "nested, endless and broken bencode and JSON",
        stage: Stage::Relay(mad::bombs),
    },
    Attack {
        rows: "C3",
        name: "call-ids and tags that would be paths, lines, or 60 kB long",
        stage: Stage::Relay(mad::names),
    },
];
