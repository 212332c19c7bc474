//! Attacks on the proxy: what strangers and users send to it.

mod calls;
mod crowds;
mod dialog;
mod floods;
mod relays;
mod socket;

use crate::attack::{Attack, Stage};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        rows: "S12 S26",
        name: "100,000 SIP datagrams a second for 10 s at the SIP server's door",
        stage: Stage::Edge(floods::datagrams),
    },
    Attack {
        rows: "S12",
        name: "SIP messages over 100 WebSockets as fast as they go, for 10 s",
        stage: Stage::Edge(floods::messages),
    },
    Attack {
        rows: "S11",
        name: "5,000 connections half open",
        stage: Stage::Edge(crowds::half_open),
    },
    Attack {
        rows: "S21 M19",
        name: "20,000 INVITEs of a user that nobody answers",
        stage: Stage::Edge(calls::unanswered),
    },
    Attack {
        rows: "S14",
        name: "requests of a user that name the attacker's host in every place",
        stage: Stage::Edge(calls::led_away),
    },
    Attack {
        rows: "S16",
        name: "BYE and CANCEL of another's call, with all that stands in it",
        stage: Stage::Edge(calls::hung_up_by_another),
    },
    Attack {
        rows: "S18",
        name: "2,000 passwords for the witness's account",
        stage: Stage::Edge(crowds::guessed),
    },
    Attack {
        rows: "S15 S19",
        name: "requests of every method without a registration, and in the witness's name",
        stage: Stage::Edge(calls::in_anothers_name),
    },
    Attack {
        rows: "R1",
        name: "one of three relays killed under 40 calls a second",
        stage: Stage::Pool(relays::one_killed),
    },
    Attack {
        rows: "R1",
        name: "one of three relays falls silent under 40 calls a second",
        stage: Stage::Pool(relays::one_silent),
    },
];
