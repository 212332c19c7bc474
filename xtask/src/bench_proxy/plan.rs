//! What is measured, and how often.

use crate::bench::table::Row;

/// The options of `cargo xtask bench-proxy`.
const USAGE: &str = "\
cargo xtask bench-proxy [options]
  --quick            one pair, short runs and few clients: for a look
  --pairs N          [5]
  --seconds N        measured seconds of registrations and calls  [10]
  --clients N        clients whose memory is measured while they are idle  [5000]
  --only NAME        only measurements whose name contains NAME; may come several times
  --alone            ours, and nothing beside it
  --priority N       round-robin real-time priority for edge and generator, where other work shares the machine";

/// One kind of run and what is told of it.
pub(super) struct Measurement {
    pub(super) row: Row,
    /// The generator's words.
    words: &'static str,
    run: Run,
}

/// What an option changes about a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Measured over a window.
    Traffic,
    /// Clients, as many as asked for.
    Idle,
    /// Clients, as many as may be.
    Crowd,
}

/// Clients of a crowd, and in a quick look.
const CROWD: (u32, u32) = (10_000, 1_000);

/// A second, over WebSockets that are open.
const REGISTRATION: (&str, &str) = ("cpu_ms", "CPU per registration, ms");
const CALL: (&str, &str) = ("cpu_ms", "CPU per call, ms");
const LATENCY: (&str, &str) = ("latency_ms_p50", "time p50, ms");
const CLIENT: (&str, &str) = ("cpu_ms", "CPU per new client, registered, ms");
const MEMORY: (&str, &str) = ("kib_per_client", "memory per idle client, KiB");
const CAME: &[(&str, &str)] = &[
    ("registered", "registered"),
    ("failed", "lost"),
    ("seconds", "seconds"),
    CLIENT,
    ("mib_held", "memory with all idle, MiB"),
    ("mib_after", "memory after they left, MiB"),
];

const ALL: &[Measurement] = &[
    Measurement {
        row: Row {
            name: "registrations, WS",
            figures: &[REGISTRATION, LATENCY, ("failed", "lost")],
        },
        words: "traffic registrations --rate 200",
        run: Run::Traffic,
    },
    Measurement {
        row: Row {
            name: "calls, WS",
            figures: &[CALL, ("failed", "lost")],
        },
        words: "traffic calls --rate 100",
        run: Run::Traffic,
    },
    Measurement {
        row: Row {
            name: "clients, WS",
            figures: &[CLIENT, MEMORY, ("failed", "lost")],
        },
        words: "clients --at-once 20",
        run: Run::Idle,
    },
    Measurement {
        row: Row {
            name: "clients, WSS",
            figures: &[CLIENT, MEMORY, ("failed", "lost")],
        },
        words: "clients --at-once 20 --secure",
        run: Run::Idle,
    },
    Measurement {
        row: Row {
            name: "crowd, WSS, 20 at a time",
            figures: CAME,
        },
        words: "clients --at-once 20 --secure",
        run: Run::Crowd,
    },
    Measurement {
        row: Row {
            name: "crowd, WSS, 500 at a time",
            figures: CAME,
        },
        words: "clients --at-once 500 --secure",
        run: Run::Crowd,
    },
];

impl Measurement {
    /// The words of the generator's command line.
    pub(super) fn words(&self, options: &Options) -> Vec<String> {
        let crowd = if options.quick { CROWD.1 } else { CROWD.0 };
        let more = match self.run {
            Run::Traffic => format!("--seconds {}", options.seconds),
            Run::Idle => format!("--clients {}", options.clients),
            Run::Crowd => format!("--clients {crowd}"),
        };
        let port = if self.words.contains("--secure") {
            super::edge::WSS
        } else {
            super::edge::WS
        };
        let words = format!("proxy {} {more} --edge 127.0.0.1:{port}", self.words);
        words.split(' ').map(str::to_owned).collect()
    }
}

/// What was asked for.
pub(super) struct Options {
    pub(super) pairs: usize,
    pub(super) priority: Option<u32>,
    pub(super) alone: bool,
    seconds: u32,
    clients: u32,
    only: Vec<String>,
    quick: bool,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            pairs: 5,
            priority: None,
            alone: false,
            seconds: 10,
            clients: 5_000,
            only: Vec::new(),
            quick: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--quick" {
                options.quick = true;
                (options.pairs, options.seconds, options.clients) = (1, 5, 500);
                continue;
            }
            if word == "--alone" {
                options.alone = true;
                continue;
            }
            let value = words.next().ok_or(USAGE)?;
            let number = || value.parse::<u32>().map_err(|_| USAGE.to_owned());
            match word.as_str() {
                "--pairs" => options.pairs = number()?.clamp(1, 50) as usize,
                "--seconds" => options.seconds = number()?.clamp(1, 120),
                "--clients" => options.clients = number()?.clamp(1, 15_000),
                "--priority" => options.priority = Some(number()?.clamp(1, 99)),
                "--only" => options.only.push(value.clone()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        if options.measurements().next().is_none() {
            return Err(format!("nothing of that name is measured\n{USAGE}"));
        }
        Ok(options)
    }

    pub(super) fn measurements(&self) -> impl Iterator<Item = &'static Measurement> + '_ {
        let is_named = |m: &Measurement| self.only.iter().any(|name| m.row.name.contains(name));
        ALL.iter()
            .filter(move |m| self.only.is_empty() || is_named(m))
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
        let words = |asked: &str| -> Vec<_> {
            let options = parse(asked).unwrap();
            let all = options.measurements().map(|m| m.words(&options).join(" "));
            all.collect()
        };
        assert_eq!(words("").len(), ALL.len());
        assert_eq!(
            words("--only registrations --seconds 3"),
            ["proxy traffic registrations --rate 200 --seconds 3 --edge 127.0.0.1:8080"]
        );
        assert_eq!(
            words("--only 500 --clients 7"),
            ["proxy clients --at-once 500 --secure --clients 10000 --edge 127.0.0.1:8443"]
        );
        assert!(words("--quick")[3].contains("--clients 500 "));
        assert!(parse("--pairs").is_err() && parse("--pairs x").is_err());
        assert!(parse("--only nobody").is_err() && parse("--more 1").is_err());
    }
}
