//! What is measured, and how often.

/// The options of `cargo xtask bench-relay`.
const USAGE: &str = "\
cargo xtask bench-relay [options]
  --quick            one pair of each of a few short runs: for a look
  --pairs N          [7]
  --seconds N        measured seconds of a run  [10]
  --scenario NAME    only measurements whose name contains NAME; may come several times
  --backend NAME     how our relay reads and writes its sockets
  --priority N       round-robin real-time priority for relay and generator, where other work shares the machine";

use super::table::Row;

/// One kind of run and what is told of it.
pub(super) struct Measurement {
    pub(super) row: Row,
    mode: &'static str,
    scenario: &'static str,
    calls: &'static str,
    /// Part of a quick look.
    quick: bool,
}

const CPU: (&str, &str) = ("cpu_us_per_packet", "CPU per packet, us");
const P50: (&str, &str) = ("latency_us_p50", "latency p50, us");
const P99: (&str, &str) = ("latency_us_p99", "latency p99, us");
const MEMORY: (&str, &str) = ("kb_per_call", "memory per call, kB");
const SET_UP: (&str, &str) = ("set_up_cpu_us", "CPU per offer and answer, us");
const HANDSHAKE: (&str, &str) = ("setup_cpu_us", "CPU per call set up, us");
const KEYS: (&str, &str) = ("keys_ms_p50", "answer to keys p50, ms");
const RATE: (&str, &str) = ("max_packets_per_s", "highest packets/s without loss");

const ALL: &[Measurement] = &[
    talking("avp-avp 500", "avp-avp", "500", false),
    talking("avp-avp 1000", "avp-avp", "1000", false),
    talking("avp-sdes 500", "avp-sdes", "500", true),
    talking("avp-sdes 1000", "avp-sdes", "1000", false),
    talking("avp-dtls 500", "avp-dtls", "500", false),
    talking("avp-dtls 1000", "avp-dtls", "1000", false),
    Measurement {
        row: Row {
            name: "handshake, relay passive",
            figures: &[HANDSHAKE, KEYS],
        },
        mode: "run",
        scenario: "avp-dtls-active",
        calls: "200",
        quick: true,
    },
    control("control avp-avp", "avp-avp", false),
    control("control avp-sdes", "avp-sdes", true),
    saturation("saturate avp-avp", "avp-avp"),
    saturation("saturate avp-sdes", "avp-sdes"),
];

const fn talking(
    name: &'static str,
    scenario: &'static str,
    calls: &'static str,
    quick: bool,
) -> Measurement {
    Measurement {
        row: Row {
            name,
            figures: &[CPU, P50, P99, MEMORY],
        },
        mode: "run",
        scenario,
        calls,
        quick,
    }
}

const fn control(name: &'static str, scenario: &'static str, quick: bool) -> Measurement {
    Measurement {
        row: Row {
            name,
            figures: &[SET_UP, MEMORY],
        },
        mode: "control",
        scenario,
        calls: "1000",
        quick,
    }
}

const fn saturation(name: &'static str, scenario: &'static str) -> Measurement {
    Measurement {
        row: Row {
            name,
            figures: &[RATE, CPU],
        },
        mode: "saturate",
        scenario,
        calls: "400",
        quick: false,
    }
}

impl Measurement {
    /// The words of the generator's command line.
    pub(super) fn words(&self, options: &Options) -> Vec<String> {
        let mut words = vec![self.mode, "--scenario", self.scenario];
        words.extend(["--calls", self.calls]);
        let seconds = options.seconds.to_string();
        if self.mode == "run" {
            words.extend(["--seconds", &seconds]);
        }
        words.into_iter().map(str::to_owned).collect()
    }
}

/// What was asked for.
pub(super) struct Options {
    pub(super) pairs: usize,
    pub(super) seconds: u32,
    pub(super) priority: Option<u32>,
    pub(super) backend: Option<String>,
    scenarios: Vec<String>,
    quick: bool,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            pairs: 7,
            seconds: 10,
            priority: None,
            backend: None,
            scenarios: Vec::new(),
            quick: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--quick" {
                options.quick = true;
                (options.pairs, options.seconds) = (1, 5);
                continue;
            }
            let value = words.next().ok_or(USAGE)?;
            let number = || value.parse::<u32>().map_err(|_| USAGE.to_owned());
            match word.as_str() {
                "--pairs" => options.pairs = number()?.clamp(1, 50) as usize,
                "--seconds" => options.seconds = number()?.clamp(1, 120),
                "--priority" => options.priority = Some(number()?.clamp(1, 99)),
                "--backend" => options.backend = Some(value.clone()),
                "--scenario" => options.scenarios.push(value.clone()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        if options.measurements().next().is_none() {
            return Err(format!("nothing of that name is measured\n{USAGE}"));
        }
        Ok(options)
    }

    pub(super) fn measurements(&self) -> impl Iterator<Item = &'static Measurement> + '_ {
        let is_named =
            |m: &Measurement| self.scenarios.iter().any(|name| m.row.name.contains(name));
        ALL.iter().filter(move |m| {
            if self.scenarios.is_empty() {
                !self.quick || m.quick
            } else {
                is_named(m)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options, String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn what_is_asked_for_is_measured() {
        let names = |words: &str| -> Vec<_> {
            let options = parse(words).unwrap();
            options.measurements().map(|m| m.row.name).collect()
        };
        assert_eq!(names("").len(), ALL.len());
        assert_eq!(names("--quick").len(), 3);
        assert_eq!(names("--scenario saturate --scenario dtls").len(), 4);
        assert_eq!(parse("--quick --pairs 3").unwrap().pairs, 3);
        assert!(parse("--pairs").is_err() && parse("--pairs x").is_err());
        assert!(parse("--scenario nobody").is_err() && parse("--more 1").is_err());
    }
}
