//! Measures the relay, in pairs with rtpengine where that is to be had. Only ratios that were taken on one machine at one
//! time carry over; so each pair is run at once, each relay fresh in a namespace of its own, in an order that alternates,
//! and what is told is the median of the pairs' ratios and their range. The table is what is written to the standard
//! output, each measurement as soon as it is done; how it goes meanwhile is told beside it.

mod plan;
pub(crate) mod table;

use std::process::Command;

use plan::{Measurement, Options};

use crate::install;
use crate::lab::{Figures, Kind, Lab, is_there};
use crate::steps::Outcome;

/// Ours, and rtpengine's where there is one.
pub(crate) type Pair = (Figures, Option<Figures>);

/// `cargo xtask bench-relay`; see [`plan::USAGE`].
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    // Without it ours is measured alone.
    if !is_there("rtpengine")
        && let Err(why) = install::packages(&["rtpengine-daemon"])
    {
        eprintln!("without rtpengine: {why}");
    }
    let lab = Lab::build()?.with_priority(options.priority);
    println!("`cargo xtask bench-relay {}`", arguments.join(" "));
    println!("{}\n\n{}", machine(), table::head("rtpengine"));
    for measurement in options.measurements() {
        eprintln!("\n== {}", measurement.row.name);
        let mut kinds = vec![Kind::Ours {
            backend: measurement.backend(&options),
            shards: options.shards,
        }];
        if is_there("rtpengine") {
            kinds.push(Kind::Rtpengine);
        }
        let pairs = pairs(&lab, &kinds, measurement, &options)?;
        println!("{}", table::lines(&measurement.row, &pairs));
    }
    Ok(())
}

fn pairs(
    lab: &Lab,
    kinds: &[Kind],
    measurement: &Measurement,
    options: &Options,
) -> Result<Vec<Pair>, String> {
    let words = measurement.words(options);
    let mut pairs = Vec::new();
    for number in 0..options.pairs {
        let mut order: Vec<usize> = (0..kinds.len()).collect();
        order.rotate_left(number % kinds.len());
        let mut found = [None, None];
        for which in order {
            // Loss ends a run of the generator, not the bench: what a relay cannot do is a result.
            match lab.start(&kinds[which])?.measure(&words, false) {
                Ok(figures) => found[which] = Some(figures),
                Err(why) => eprintln!("  {:?}: {why}", kinds[which]),
            }
        }
        let [Some(ours), theirs] = found else {
            continue;
        };
        let pair = (ours, theirs);
        eprintln!(
            "  pair {}: {}",
            number + 1,
            table::line(&measurement.row, &pair)
        );
        pairs.push(pair);
    }
    Ok(pairs)
}

/// Machine, kernel and day, without which a figure says nothing.
pub(crate) fn machine() -> String {
    let first = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        text.unwrap_or_default()
    };
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{cores} cores of {}, {}, {}",
        model.map_or("a processor", |(_, model)| model),
        first("uname", &["-sr"]),
        first("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
    )
}
