//! What is measured, and how often.

/// The options of `cargo xtask bench-relay`.
const USAGE: &str = "\
cargo xtask bench-relay [options]
  --quick            one pair of each of a few short runs: for a look
  --table            what BENCHMARKS.md says of the relay, with both backends
  --pairs N          [7]
  --seconds N        measured seconds of a run  [10; 5 with --table]
  --scenario NAME    only measurements whose name contains NAME; may come several times
  --backend NAME     how our relay reads and writes its sockets
  --shards N         media threads of our relay, on the one core  [1]
  --priority N       round-robin real-time priority for relay and generator, where other work shares the machine";

use super::table::Row;

/// One kind of run and what is told of it.
pub(super) struct Measurement {
    pub(super) row: Row,
    mode: Mode,
    scenario: &'static str,
    calls: &'static str,
    /// How our relay reads and writes its sockets, where the options do not say.
    backend: Option<&'static str>,
    /// Part of a quick look.
    quick: bool,
}

/// What the calls do.
enum Mode {
    /// They talk.
    Talk,
    /// They come up with their keys, and talk no longer than it takes to see that.
    ShakeHands,
    /// They come and go.
    Control,
    /// They talk faster and faster.
    Saturate,
    /// They come and go in crowds; and the relay rests, until replies are forgotten and memory is given back.
    Leave,
}

const CPU: (&str, &str) = ("cpu_us_per_packet", "CPU per packet, us");
const P50: (&str, &str) = ("latency_us_p50", "latency p50, us");
const P99: (&str, &str) = ("latency_us_p99", "latency p99, us");
const MEMORY: (&str, &str) = ("kb_per_call", "memory per call, kB");
const SET_UP: (&str, &str) = ("set_up_cpu_us", "CPU per offer and answer, us");
const HANDSHAKE: (&str, &str) = ("setup_cpu_us", "CPU per call set up, us");
const KEYS: (&str, &str) = ("keys_ms_p50", "answer to keys p50, ms");
const KEPT: (&str, &str) = ("kept_kb", "memory kept, kB");
const DESCRIPTORS: (&str, &str) = ("kept_descriptors", "descriptors kept");
const RATE: (&str, &str) = ("max_packets_per_s", "highest packets/s without loss");

const ALL: &[Measurement] = &[
    talking("avp-avp 500", "avp-avp", "500"),
    talking("avp-avp 1000", "avp-avp", "1000"),
    talking("avp-sdes 500", "avp-sdes", "500").quick(),
    talking("avp-sdes 1000", "avp-sdes", "1000"),
    talking("avp-dtls 500", "avp-dtls", "500"),
    talking("avp-dtls 1000", "avp-dtls", "1000"),
    handshake("handshake, relay passive").quick(),
    control("control avp-avp", "avp-avp"),
    control("control avp-sdes", "avp-sdes").quick(),
    saturation("saturate avp-avp", "avp-avp"),
    saturation("saturate avp-sdes", "avp-sdes"),
    measurement(
        Row {
            name: "leave avp-sdes",
            figures: &[KEPT, DESCRIPTORS],
        },
        Mode::Leave,
        "avp-sdes",
        "10000",
    ),
];

/// The table of BENCHMARKS.md, what is asked most first.
const TABLE: &[Measurement] = &[
    talking("plain to SDES, 500 calls, `sockets`", "avp-sdes", "500").by("sockets"),
    talking("plain to SDES, 500 calls, `steered`", "avp-sdes", "500").by("steered"),
    talking("plain to DTLS, 500 calls, `sockets`", "avp-dtls", "500").by("sockets"),
    talking("plain to DTLS, 500 calls, `steered`", "avp-dtls", "500").by("steered"),
    talking("plain to plain, 500 calls, `sockets`", "avp-avp", "500").by("sockets"),
    talking("plain to plain, 1000 calls, `sockets`", "avp-avp", "1000").by("sockets"),
    saturation("plain to SDES, 400 calls, `steered`", "avp-sdes").by("steered"),
    control("plain to plain, 1000 calls set up", "avp-avp"),
    control("plain to SDES, 1000 calls set up", "avp-sdes"),
    handshake("ICE and DTLS handshake, relay passive"),
];

const fn talking(name: &'static str, scenario: &'static str, calls: &'static str) -> Measurement {
    let row = Row {
        name,
        figures: &[CPU, P50, P99, MEMORY],
    };
    measurement(row, Mode::Talk, scenario, calls)
}

const fn handshake(name: &'static str) -> Measurement {
    let row = Row {
        name,
        figures: &[HANDSHAKE, KEYS],
    };
    measurement(row, Mode::ShakeHands, "avp-dtls-active", "200")
}

const fn control(name: &'static str, scenario: &'static str) -> Measurement {
    let row = Row {
        name,
        figures: &[SET_UP, MEMORY],
    };
    measurement(row, Mode::Control, scenario, "1000")
}

const fn saturation(name: &'static str, scenario: &'static str) -> Measurement {
    let row = Row {
        name,
        figures: &[RATE, CPU],
    };
    measurement(row, Mode::Saturate, scenario, "400")
}

const fn measurement(
    row: Row,
    mode: Mode,
    scenario: &'static str,
    calls: &'static str,
) -> Measurement {
    Measurement {
        row,
        mode,
        scenario,
        calls,
        backend: None,
        quick: false,
    }
}

impl Measurement {
    const fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    const fn by(mut self, backend: &'static str) -> Self {
        self.backend = Some(backend);
        self
    }

    /// The words of the generator's command line.
    pub(super) fn words(&self, options: &Options) -> Vec<String> {
        let seconds = options.seconds.to_string();
        let mode: &[&str] = match self.mode {
            Mode::Talk => &["run", "--seconds", &seconds],
            Mode::ShakeHands => &["run", "--warmup", "1", "--seconds", "1"],
            Mode::Control => &["control"],
            Mode::Saturate => &["saturate"],
            Mode::Leave => &["churn", "--at-once", "2500", "--rest", "75"],
        };
        let calls = ["--scenario", self.scenario, "--calls", self.calls];
        let words = mode.iter().copied().chain(calls);
        words.map(str::to_owned).collect()
    }

    /// How our relay reads and writes its sockets; `None` is its own choice.
    pub(super) fn backend(&self, options: &Options) -> Option<String> {
        let asked = options.backend.as_deref();
        asked.or(self.backend).map(str::to_owned)
    }
}

/// What was asked for.
pub(super) struct Options {
    pub(super) pairs: usize,
    pub(super) seconds: u32,
    pub(super) priority: Option<u32>,
    pub(super) backend: Option<String>,
    pub(super) shards: u32,
    scenarios: Vec<String>,
    quick: bool,
    table: bool,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            pairs: 7,
            seconds: 10,
            priority: None,
            backend: None,
            shards: 1,
            scenarios: Vec::new(),
            quick: false,
            table: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--quick" {
                options.quick = true;
                (options.pairs, options.seconds) = (1, 5);
                continue;
            }
            if word == "--table" {
                (options.table, options.seconds) = (true, 5);
                continue;
            }
            let value = words.next().ok_or(USAGE)?;
            let number = || value.parse::<u32>().map_err(|_| USAGE.to_owned());
            match word.as_str() {
                "--pairs" => options.pairs = number()?.clamp(1, 50) as usize,
                "--seconds" => options.seconds = number()?.clamp(1, 120),
                "--priority" => options.priority = Some(number()?.clamp(1, 99)),
                "--shards" => options.shards = number()?.clamp(1, 16),
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
        let all = if self.table { TABLE } else { ALL };
        all.iter().filter(move |m| {
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
        assert_eq!(names("--table").len(), TABLE.len());
        assert_eq!(names("--table --scenario SDES").len(), 4);
        assert_eq!(names("--scenario saturate --scenario dtls").len(), 4);
        assert_eq!(parse("--quick --pairs 3").unwrap().pairs, 3);
        let table = parse("--table --seconds 3").unwrap();
        assert_eq!((table.pairs, table.seconds), (7, 3));
        assert!(parse("--pairs").is_err() && parse("--pairs x").is_err());
        assert!(parse("--scenario nobody").is_err() && parse("--more 1").is_err());
    }
}
