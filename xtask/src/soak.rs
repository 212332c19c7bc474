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

/// Calls that come and go, three times.
const CHURN: &str = "10000";
/// What the resident set may have grown by the third time, in kB: half a kilobyte for each call. The allocator has its size
/// after the second.
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
        soak(&lab, &Kind::Ours { backend })?;
    }
    Ok(())
}

fn soak(lab: &Lab, kind: &Kind) -> Outcome {
    let mut relay = lab.start(kind)?;
    let talked = talk(&mut relay)?;
    let rounds = [churn(&mut relay)?, churn(&mut relay)?, churn(&mut relay)?];
    let [first, second, third] = &rounds;
    let (began, ended) = (
        get(&talked, "descriptors_before")?,
        get(third, "descriptors_after")?,
    );
    if began != ended {
        return Err(format!("{began} descriptors were open, and {ended} are"));
    }
    let resident = |round| get(round, "resident_kb_after");
    let grown = resident(third)? - resident(first)?.max(resident(second)?);
    println!("resident set: {grown:+} kB by the last {CHURN} calls");
    if grown > MAX_GROWTH {
        return Err(format!("the resident set has grown by {grown} kB"));
    }
    Ok(())
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
