//! A relay that dies while users call: no attack, and felt as one.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use control_proto::{Command, Request, Value};

use super::dialog::Dialog;
use super::socket::Socket;
use crate::attack::Outcome;
use crate::field;
use crate::flood::Sent;
use crate::programs::{self, Kind, Program};
use crate::whole::{CALLERS, Whole, caller};

/// Each caller calls once in so long and hangs up at once.
const EACH: Duration = Duration::from_secs(1);
/// When the relay dies, and when all is over.
const KILLED: Duration = Duration::from_secs(6);
const OVER: Duration = Duration::from_secs(16);
/// Calls that begin so long after that have no excuse.
const AFTER: Duration = Duration::from_secs(3);

/// When a call began, how long it took until it was answered, and why it was not.
struct Tried {
    began: Duration,
    took: Duration,
    failed: Option<String>,
}

/// Its process ends: its machine says that nobody listens there.
pub(super) fn one_killed(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    one_lost(whole, Program::kill)
}

/// It stands still, as a machine that has no power says nothing.
pub(super) fn one_silent(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    one_lost(whole, |relay| {
        field::run(&format!("kill -STOP {}", relay.id()))
    })
}

/// Calls at a constant rate; then one of the relays that does not have the witness is no more.
fn one_lost(
    whole: &mut Whole<'_>,
    lose: fn(&mut Program) -> Result<(), String>,
) -> Result<Outcome, String> {
    let sockets: Result<Vec<Socket>, String> = (0..CALLERS)
        .map(|number| Socket::of_user(&whole.field.alley, &caller(number)))
        .collect();
    let victim = spare(whole)?;
    let (began, tried) = (Instant::now(), Mutex::new(Vec::new()));
    let killed = std::thread::scope(|scope| {
        for (number, mut socket) in (0..).zip(sockets?) {
            let tried = &tried;
            scope.spawn(move || {
                let calls = keeps_calling(&mut socket, number, began);
                if let Ok(mut tried) = tried.lock() {
                    tried.extend(calls);
                }
            });
        }
        std::thread::sleep(KILLED.saturating_sub(began.elapsed()));
        let relay = whole.relays.get_mut(victim).ok_or("no such relay")?;
        lose(relay).map(|()| began.elapsed())
    })?;
    let tried = tried.into_inner().unwrap_or_default();
    let bad = |it: &&Tried| it.failed.is_some();
    let between = |it: &&Tried| it.began + AFTER > killed && it.began < killed + AFTER;
    let fatal: Vec<_> = tried.iter().filter(bad).filter(|it| !between(it)).collect();
    let failed = tried.iter().filter(bad).filter(between).count();
    let after = tried.iter().filter(|it| it.began > killed);
    let slowest = after.map(|it| it.took).max().unwrap_or_default();
    let bite = fatal.first().map(|first| {
        let why = first.failed.as_deref().unwrap_or_default();
        let began = first.began.as_secs_f64() - killed.as_secs_f64();
        format!(
            "{} calls failed, the first {began:.1} s after it: {why}",
            fatal.len()
        )
    });
    let note = format!(
        "{} calls, {failed} failed that began within 3 s of it; the slowest after it took {} ms",
        tried.len(),
        slowest.as_millis()
    );
    let sent = Sent {
        datagrams: tried.len() as u64,
        bytes: 0,
        took: began.elapsed(),
    };
    Ok(Outcome::of(sent).biting(bite).saying(note))
}

/// One user, who calls at his own beat and is late for none but his own calls.
fn keeps_calling(socket: &mut Socket, number: u32, start: Instant) -> Vec<Tried> {
    let mut tried = Vec::new();
    let first = EACH * number / CALLERS;
    for round in 0.. {
        let due = first + EACH * round;
        if due > OVER {
            break;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let began = start.elapsed();
        let dialog = Dialog::begin(socket, &caller(number), &format!("p{number}-{round}"));
        let took = start.elapsed().saturating_sub(began);
        // What its BYE is answered with is not asked here: its relay may be gone.
        let failed = match dialog {
            Ok(dialog) => dialog.end(socket).err(),
            Err(why) => Some(why),
        };
        tried.push(Tried {
            began,
            took,
            failed,
        });
    }
    tried
}

/// A relay that has no call: the witness is another's.
fn spare(whole: &Whole<'_>) -> Result<usize, String> {
    for number in 0..whole.relays.len() {
        let address = programs::control(number as u16);
        let mut ng =
            (whole.field.house).within(|| programs::ask_at(address, Kind::shared_key()))?;
        let (list, _) = ng.ask(&Request::new(Command::List), || {})?;
        let calls = list.other.get("calls").and_then(Value::as_list);
        if calls.is_some_and(|calls| calls.is_empty()) {
            return Ok(number);
        }
    }
    Err("every relay has a call before there are any".to_owned())
}
