//! Attacks a relay, or a whole edge, in network namespaces of its own, and prints what came of it: a row for each attack,
//! made beside ordinary calls that must lose nothing. `cargo xtask attack` is who calls it.
//!
//! It knows the edge as a stranger, a user or a proxy knows it, and shares no line with it.

mod attack;
mod control;
mod field;
mod flood;
mod media;
mod programs;
mod signalling;
mod table;
mod tap;
mod whole;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use attack::{Attack, Done, Scene, Stage};
use clap::Parser;
use field::Field;
use peers::browser::Identity;
use peers::ng::Ng;
use peers::scenario::Scenario;
use programs::{Kind, Program, Start};
use tap::Tap;
use whole::Whole;
use witness::Witness;

/// How long the witness talks before each attack: what this machine does to a call that nobody attacks.
const CALM: Duration = Duration::from_secs(1);
/// How long it talks at the head of each table, where nobody attacks.
const NOBODY_FOR: Duration = Duration::from_secs(10);
/// Of an edge that has several.
const RELAYS: u16 = 3;
/// Over both tables.
const HOW: &str = "Attackers run where no core has other work (SCHED_IDLE): on machines of their own they would take no \
                   time from what they attack. Relay, proxy and witnesses are started as usual, and share the cores.";
/// What comes back late still counts.
const ECHO: Duration = Duration::from_millis(300);

/// Freed ports rest for five seconds.
const REST: Duration = Duration::from_secs(20);

/// Attacks a relay and an edge, beside calls that must lose nothing.
#[derive(Parser, Debug)]
#[command(name = "causeway-attack")]
struct Arguments {
    /// Only attacks with this in their name or rows
    #[arg(default_value = "")]
    part: String,
    /// The program that is attacked
    #[arg(long, value_name = "FILE")]
    causeway: PathBuf,
    /// `anchor`: attacks Debian's rtpengine instead, to see attacks bite
    #[arg(long, value_name = "WHOM")]
    against: Option<String>,
    /// Ways to the relay's sockets that are attacked
    #[arg(long, default_values = ["sockets", "steered"], value_delimiter = ',')]
    backend: Vec<String>,
    /// Real-time priority of relay and witness, where other work shares the machine
    #[arg(long)]
    priority: Option<u32>,
    /// Names the attacks and makes none
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let attacks: Vec<&Attack> = [media::ATTACKS, control::ATTACKS, signalling::ATTACKS]
        .into_iter()
        .flatten()
        .filter(|it| it.name.contains(&arguments.part) || it.rows.contains(&arguments.part))
        .collect();
    if arguments.list {
        attacks
            .iter()
            .for_each(|it| println!("{:<8} {}", it.rows, it.name));
        return ExitCode::SUCCESS;
    }
    match all(&arguments, &attacks) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(bad) => {
            println!("\n{bad} rows do not hold");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("causeway-attack: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Makes them, and says how many rows do not hold.
fn all(arguments: &Arguments, attacks: &[&Attack]) -> Result<usize, String> {
    let start = Start {
        causeway: arguments.causeway.clone(),
        priority: arguments.priority,
    };
    let kinds: Vec<Kind> = match arguments.against.as_deref() {
        None => arguments.backend.iter().cloned().map(Kind::Ours).collect(),
        Some("anchor") => vec![Kind::Anchor],
        Some(other) => return Err(format!("--against {other} is not known; there is `anchor`")),
    };
    // The attacker gives way to what he attacks, and to nobody else.
    witness::prefer(
        arguments
            .priority
            .map(|priority| priority.saturating_sub(1).max(1)),
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{HOW} This machine has {cores}.");
    let field = Field::new()?;
    let mut bites = 0;
    for kind in &kinds {
        let on_relay = attacks
            .iter()
            .filter(|it| matches!(it.stage, Stage::Relay(_)));
        let on_relay: Vec<_> = on_relay.copied().collect();
        if !on_relay.is_empty() {
            println!("\n{}\n\n{}", kind.title(), table::HEAD);
            bites += relay(&start, &field, kind, &on_relay)?;
        }
    }
    let on_edge = attacks
        .iter()
        .filter(|it| matches!(it.stage, Stage::Edge(_) | Stage::Pool(_)));
    let on_edge: Vec<_> = on_edge.copied().collect();
    if !on_edge.is_empty() && !kinds.contains(&Kind::Anchor) {
        println!("\nA whole edge\n\n{}", table::HEAD);
        bites += edge(&start, &field, &on_edge)?;
    }
    Ok(bites)
}

/// What this machine does to a relay's calls.
const NOBODY: Attack = Attack {
    rows: "-",
    name: "nobody",
    stage: Stage::Relay(|_| Ok(nobody())),
};

/// The same for a whole edge.
const NOBODY_AT_ALL: Attack = Attack {
    rows: "-",
    name: "nobody",
    stage: Stage::Edge(|_| Ok(nobody())),
};

fn nobody() -> attack::Outcome {
    std::thread::sleep(NOBODY_FOR);
    attack::Outcome::default()
}

/// One relay under all attacks in turn, so that what one leaves behind meets the next.
fn relay(start: &Start, field: &Field, kind: &Kind, attacks: &[&Attack]) -> Result<usize, String> {
    let identity = Identity::generate()?;
    let mut relay = Program::relay(start, field, kind)?;
    let mut ng = field.house.within(|| programs::connect(kind.key()))?;
    let mut bites = 0;
    for attack in std::iter::once(&NOBODY).chain(attacks.iter().copied()) {
        let Stage::Relay(run) = attack.stage else {
            continue;
        };
        let kinds = [Scenario::AvpSdes, Scenario::AvpDtlsActive];
        let witness =
            again_and_again(|| Witness::start(field, &mut ng, &identity, &kinds, start.priority))?;
        let tap = Tap::open(&field.alley)?;
        let mut attempt = || {
            let mut scene = Scene {
                field,
                relay: &relay,
                process: relay.id(),
                key: kind.key(),
                witness: &witness,
                ng: &mut ng,
                identity: &identity,
            };
            beside(attack, &tap, &witness, || run(&mut scene))
                .map_err(|why| format!("{}: {why}", attack.name))
        };
        let mut done = attempt()?;
        if done.is_a_gap_alone() {
            let gap = done.attacked.gap / 1_000_000;
            done = attempt()?;
            done.outcome = done
                .outcome
                .and_saying(&format!("a second time: the first had a gap of {gap} ms"));
        }
        bites += tell(&done);
        witness.tear_down(&mut ng);
        // A relay that has died is the worst bite; the next attack is on another.
        if let Err(why) = relay.is_alive().and_then(|()| ping(&mut ng)) {
            println!("| | | | | | | **BITES**: the relay is gone: {why} |");
            bites += 1;
            drop(relay);
            relay = Program::relay(start, field, kind)?;
            ng = field.house.within(|| programs::connect(kind.key()))?;
        }
    }
    Ok(bites)
}

/// What the attack before has filled may take a while to be free again.
fn again_and_again<T>(mut work: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let end = Instant::now() + REST;
    loop {
        match work() {
            Err(_) if Instant::now() < end => std::thread::sleep(ECHO),
            done => return done,
        }
    }
}

fn edge(start: &Start, field: &Field, attacks: &[&Attack]) -> Result<usize, String> {
    let mut bites = 0;
    for attack in std::iter::once(&NOBODY_AT_ALL).chain(attacks.iter().copied()) {
        let (run, relays) = match attack.stage {
            Stage::Edge(run) => (run, 0),
            Stage::Pool(run) => (run, RELAYS),
            Stage::Relay(_) => continue,
        };
        let tap = Tap::open(&field.alley)?;
        let mut whole = Whole::start(start, field, relays)?;
        let witness = whole.witness();
        let done = beside(attack, &tap, &witness, || run(&mut whole))
            .map_err(|why| format!("{}: {why}", attack.name))?;
        bites += tell(&done);
        if let Err(why) = whole.end() {
            println!("| | | | | | | **BITES**: {why} |");
            bites += 1;
        }
    }
    Ok(bites)
}

impl Heard for Witness {
    type Mark = witness::Mark;

    fn mark(&self) -> Self::Mark {
        Self::mark(self)
    }

    fn since(&self, mark: &Self::Mark) -> witness::Report {
        Self::since(self, mark)
    }
}

/// Who is heard while an attack is made.
trait Heard {
    type Mark;
    fn mark(&self) -> Self::Mark;
    fn since(&self, mark: &Self::Mark) -> witness::Report;
}

fn beside<H: Heard>(
    attack: &Attack,
    tap: &Tap,
    witness: &H,
    run: impl FnOnce() -> Result<attack::Outcome, String>,
) -> Result<Done, String> {
    let mark = witness.mark();
    std::thread::sleep(CALM);
    let calm = witness.since(&mark);
    let (mark, before) = (witness.mark(), tap.came());
    let outcome = run()?;
    std::thread::sleep(ECHO);
    let attacked = witness.since(&mark);
    Ok(Done {
        rows: attack.rows,
        name: attack.name,
        outcome,
        came: tap.came().since(before),
        calm,
        attacked,
    })
}

fn tell(done: &Done) -> usize {
    println!("{}", table::row(done));
    usize::from(!done.holds())
}

fn ping(ng: &mut Ng) -> Result<(), String> {
    let (reply, _) = ng.ask(
        &control_proto::Request::new(control_proto::Command::Ping),
        || {},
    )?;
    match reply.is_pong() {
        true => Ok(()),
        false => Err("it does not say pong".to_owned()),
    }
}
