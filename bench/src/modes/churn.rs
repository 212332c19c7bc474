//! Calls come and go, some of them at once: what the relay holds before and after. A relay remembers its replies for a
//! while, and its allocator may keep what was freed: without rest only a second and a third such run can be compared.

use control_proto::{Command, Request};
use peers::clock::{self, SECOND};
use peers::ng::{Ng, Outcome};
use peers::process;
use peers::random;
use peers::scenario::delete;

use super::control::{answers, offers};
use crate::args::Churn;
use crate::calls::Calls;
use crate::engine::Engine;
use crate::figures::Figures;
use crate::setup::Setup;

/// Pings after the last call. Our relay remembers the replies to 2 * 65,536 commands at most, for up to a minute; so many
/// pings push out what it said of the calls, and nobody has to wait.
const PINGS: usize = 2 * 65_536;

/// Nanoseconds that a wave of calls takes at least, for each of them. A relay lets the ports of a call rest, ours for five
/// seconds: at four ports to a call and 1700 calls a second some 33,000 are in use or at rest.
const PACE: u64 = SECOND / 1700;

/// Commands on their way at once.
const IN_FLIGHT: usize = 8;

pub(crate) fn churn(arguments: &Churn, figures: &mut Figures) -> Result<(), String> {
    let common = &arguments.common;
    let pid = common.pid.ok_or("whose memory? name the relay's --pid")?;
    let mut ng = Ng::connect(common.ng, None)?;
    let at_once = arguments.at_once.min(common.calls) as usize;
    let descriptors = process::descriptors(pid);
    let resident = process::resident(Some(pid));
    let mut done = 0;
    while done < common.calls() {
        let ends = clock::now() + PACE * at_once as u64;
        wave(arguments, at_once, &mut ng)?;
        clock::sleep(ends.saturating_sub(clock::now()));
        done += at_once;
    }
    match arguments.rest > 0.0 {
        true => clock::sleep(clock::nanoseconds(arguments.rest)),
        false => forget(&mut ng)?,
    }
    let (fds, kb) = (process::descriptors(pid), process::resident(Some(pid)));
    println!(
        "{done} calls, {at_once} at once: descriptors {descriptors} -> {fds}, resident {resident} -> {kb} kB"
    );
    figures.put("calls", done as f64);
    figures.put("descriptors_after", fds as f64);
    figures.put("resident_kb_after", kb as f64);
    figures.put("kept_kb", kb as f64 - resident as f64);
    figures.put("kept_descriptors", fds as f64 - descriptors as f64);
    Ok(())
}

/// Gives the relay other things to remember.
fn forget(ng: &mut Ng) -> Result<(), String> {
    let pings = vec![Request::new(Command::Ping); 4096];
    for _ in 0..PINGS / pings.len() {
        let answered = ng.ask_all(&pings, IN_FLIGHT).replies.into_iter();
        if answered.flatten().count() < pings.len() {
            return Err("the relay does not answer pings".to_owned());
        }
    }
    Ok(())
}

/// Calls that are set up, and all deleted.
fn wave(arguments: &Churn, count: usize, ng: &mut Ng) -> Result<(), String> {
    let common = &arguments.common;
    let setup = Setup {
        prefix: random::token(10),
        ..common.setup(1)?
    };
    let calls = Calls::new(count, None, 1);
    let mut engine = Engine::new(calls, common.port, 1)
        .map_err(|error| format!("the endpoints' socket: {error}"))?;
    let offered = checked("offer", ng.ask_all(&offers(&setup, &engine), IN_FLIGHT))?;
    let answers = answers(&setup, &mut engine, &offered)?;
    checked("answer", ng.ask_all(&answers, IN_FLIGHT))?;
    let deletes: Vec<_> = (0..count)
        .map(|number| delete(&setup.call(number)))
        .collect();
    checked("delete", ng.ask_all(&deletes, IN_FLIGHT)).map(|_| ())
}

fn checked(name: &str, outcome: Outcome) -> Result<Outcome, String> {
    match outcome.first_failure() {
        Some(why) => Err(format!("{} of {name} failed: {why}", outcome.failed())),
        None => Ok(outcome),
    }
}
