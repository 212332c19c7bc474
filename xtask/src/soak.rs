//! Two tests that need real sockets and time: many calls that talk through a wrap of their sequence numbers without one
//! packet lost, reordered or wrong, and very many calls that leave nothing behind.

use crate::lab::{Figures, Kind, Lab, Relay};
use crate::steps::Outcome;

/// Calls that talk at once.
const CALLS: &str = "1000";
/// Packets a second and leg. Half of a phone's, so that two cores are not full and what is lost is the relay's fault.
const PPS: &str = "25";
/// Seconds that count, after four of warm-up: 1500 packets from each leg.
const SECONDS: &str = "60";
/// Some 900 packets before the wrap, which so comes in the middle of the window.
const FIRST_SEQUENCE: &str = "64700";

/// Calls that come and go in one round.
const CHURN: &str = "10000";
/// Rounds until the memory must have its size: the relay remembers replies for half a minute, and the allocator keeps what
/// was freed.
const MAX_ROUNDS: usize = 10;
/// What a round may add to the resident set then, in kB: half a kilobyte for each call.
const MAX_GROWTH: f64 = 5_000.0;

/// So that other programs of the machine cannot make packets late.
const PRIORITY: u32 = 10;

/// The relay's backends that are tested. `None` is its own choice: the best that this system allows.
const BACKENDS: [Option<&str>; 2] = [Some("sockets"), None];

/// `arguments` may name backends; without any it is all that are listed.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let lab = Lab::build()?.with_priority(Some(PRIORITY));
    let named = arguments.iter().map(|name| Some(name.as_str()));
    let mut backends: Vec<Option<&str>> = named.collect();
    if backends.is_empty() {
        backends.extend(BACKENDS);
    }
    for backend in backends {
        println!("-- backend: {}", backend.unwrap_or("its own choice"));
        let backend = backend.map(str::to_owned);
        soak(&lab, &Kind::Ours { backend, shards: 1 })?;
    }
    Ok(())
}

fn soak(lab: &Lab, kind: &Kind) -> Outcome {
    let mut relay = lab.start(kind)?;
    let talked = talk(&mut relay)?;
    let began = get(&talked, "descriptors_before")?;
    let mut most = resident(&churn(&mut relay)?)?;
    for round in 2..=MAX_ROUNDS {
        let figures = churn(&mut relay)?;
        let ended = get(&figures, "descriptors_after")?;
        if began != ended {
            return Err(format!("{began} descriptors were open, and {ended} are"));
        }
        let grown = resident(&figures)? - most;
        println!("resident set: {grown:+} kB by round {round} of {CHURN} calls");
        if grown <= MAX_GROWTH {
            return Ok(());
        }
        most += grown;
    }
    Err(format!(
        "the resident set still grows after {MAX_ROUNDS} rounds of {CHURN} calls"
    ))
}

fn resident(figures: &Figures) -> Result<f64, String> {
    get(figures, "resident_kb_after")
}

fn talk(relay: &mut Relay<'_>) -> Result<Figures, String> {
    let words = [
        ["run", "--scenario=avp-sdes"],
        ["--calls", CALLS],
        ["--pps", PPS],
        ["--seconds", SECONDS],
        ["--first-sequence", FIRST_SEQUENCE],
    ];
    let figures = relay.measure(&words.concat(), true)?;
    for name in ["lost", "reordered", "duplicate", "bad"] {
        let count = get(&figures, name)?;
        if count != 0.0 {
            return Err(format!("packets {name}: {count}"));
        }
    }
    Ok(figures)
}

fn churn(relay: &mut Relay<'_>) -> Result<Figures, String> {
    let words = ["churn", "--scenario", "avp-sdes", "--calls", CHURN];
    relay.measure(&words, true)
}

fn get(figures: &Figures, name: &str) -> Result<f64, String> {
    let found = figures.get(name).copied();
    found.ok_or_else(|| format!("the generator says nothing of {name}"))
}
