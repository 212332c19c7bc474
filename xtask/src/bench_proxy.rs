//! Measures the proxy, in pairs with Kamailio where that is to be had: the same web clients before both, the same SIP
//! server and the same stand-in for a relay behind both. Each edge is started fresh in a namespace of its own, in an order
//! that alternates; what is told is the median of the pairs' ratios and their range. A client that is lost by ours fails
//! the whole; of the other it is a figure.

mod edge;
mod plan;

use edge::{Kind, Running};
use plan::{Measurement, Options};

use crate::bench::{Pair, machine, table};
use crate::install;
use crate::lab::{Lab, is_there};
use crate::steps::Outcome;

/// What Kamailio is made of as an edge for browsers.
const PACKAGES: [&str; 3] = [
    "kamailio",
    "kamailio-tls-modules",
    "kamailio-websocket-modules",
];

/// `cargo xtask bench-proxy`; see [`plan::USAGE`].
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    // Without it ours is measured alone.
    if !is_there("kamailio")
        && let Err(why) = install::packages(&PACKAGES)
    {
        println!("without Kamailio: {why}");
    }
    let lab = Lab::build()?.with_priority(options.priority);
    let kinds: &[Kind] = match is_there("kamailio") && !options.alone {
        true => &[Kind::Ours, Kind::Kamailio],
        false => &[Kind::Ours],
    };
    let began = machine();
    let mut done = Vec::new();
    let mut lost = Vec::new();
    for measurement in options.measurements() {
        println!("\n== {}", measurement.row.name);
        let pairs = pairs(&lab, kinds, measurement, &options);
        let failed = |pair: &&Pair| pair.0.get("failed") != Some(&0.0);
        if pairs.len() < options.pairs || pairs.iter().any(|pair| failed(&pair)) {
            lost.push(measurement.row.name);
        }
        done.push((measurement, pairs));
    }
    println!("\n{}", table::head("Kamailio"));
    for (measurement, pairs) in &done {
        println!("{}", table::lines(&measurement.row, pairs));
    }
    println!(
        "\n{began}\n`cargo xtask bench-proxy {}`",
        arguments.join(" ")
    );
    match lost.is_empty() {
        true => Ok(()),
        false => Err(format!("ours has lost something in: {}", lost.join(", "))),
    }
}

fn pairs(lab: &Lab, kinds: &[Kind], measurement: &Measurement, options: &Options) -> Vec<Pair> {
    let words = measurement.words(options);
    let mut pairs = Vec::new();
    for number in 0..options.pairs {
        let mut order: Vec<usize> = (0..kinds.len()).collect();
        order.rotate_left(number % kinds.len());
        let mut found = [None, None];
        for which in order {
            let measured =
                Running::start(lab, kinds[which]).and_then(|mut edge| edge.measure(&words));
            match measured {
                Ok(figures) => found[which] = Some(figures),
                Err(why) => println!("  {:?}: {why}", kinds[which]),
            }
        }
        let [Some(ours), theirs] = found else {
            continue;
        };
        let pair = (ours, theirs);
        let line = table::line(&measurement.row, &pair);
        println!("  pair {}: {line}", number + 1);
        pairs.push(pair);
    }
    pairs
}
