//! Attacks on media.

mod edge;
mod endless;
mod forged;
mod greedy;
mod hello;
mod home;
mod impostor;
mod junk;
mod rtcp;
mod spray;

use crate::attack::{Attack, Stage};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        rows: "M12 M20",
        name: "junk of every kind at all media ports, 200,000 a second",
        stage: Stage::Relay(junk::everywhere),
    },
    Attack {
        rows: "M13 M20",
        name: "checks with wrong fragments at the browsers' port, 200,000 a second",
        stage: Stage::Relay(junk::checks),
    },
    Attack {
        rows: "M13 M20",
        name: "checks with the right fragment and a wrong password",
        stage: Stage::Relay(junk::unproved_checks),
    },
    Attack {
        rows: "M1",
        name: "RTP at the whole range while calls are set up, talk and end",
        stage: Stage::Relay(spray::whole_range),
    },
    Attack {
        rows: "M2",
        name: "plain RTP in each stream's name from a stranger",
        stage: Stage::Relay(forged::injected),
    },
    Attack {
        rows: "M3 M4 M8",
        name: "a million forged SRTP packets from the browsers' own addresses",
        stage: Stage::Relay(forged::srtp),
    },
    Attack {
        rows: "M9",
        name: "each SRTP packet five times more",
        stage: Stage::Relay(forged::replayed),
    },
    Attack {
        rows: "M5",
        name: "ClientHellos of a stranger during 200 set-ups",
        stage: Stage::Relay(hello::strangers),
    },
    Attack {
        rows: "M6",
        name: "ClientHellos in the browser's name during 200 set-ups",
        stage: Stage::Relay(hello::in_the_browsers_name),
    },
    Attack {
        rows: "M17",
        name: "50,000 authentic packets a second from one browser",
        stage: Stage::Relay(greedy::flood),
    },
    Attack {
        rows: "M7",
        name: "a browser with another certificate than its SDP told of",
        stage: Stage::Relay(impostor::another_certificate),
    },
    Attack {
        rows: "M14",
        name: "offers with 700 candidates each, at strangers and nowhere",
        stage: Stage::Relay(endless::candidates),
    },
    Attack {
        rows: "M15",
        name: "answers that name loopback, multicast, broadcast, the metadata service",
        stage: Stage::Relay(home::forbidden),
    },
    Attack {
        rows: "M16",
        name: "two calls that are each other's peers on both sides",
        stage: Stage::Relay(home::looped),
    },
    Attack {
        rows: "M18",
        name: "goodbyes and reports of total loss in the clear",
        stage: Stage::Relay(rtcp::lies),
    },
    Attack {
        rows: "M19",
        name: "20,000 offers that nobody answers",
        stage: Stage::Relay(endless::unanswered),
    },
    Attack {
        rows: "M12 M20",
        name: "junk at all media ports of a whole edge",
        stage: Stage::Edge(edge::junk),
    },
];
