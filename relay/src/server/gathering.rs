//! Commands that every shard has a part in: `list` and `statistics`. The parts are gathered here until
//! the last one has come.

use std::time::Duration;

use control_proto::{Command, Dictionary, Format, Request, Response, Value};
use net::status::Question;

use super::neighbours::Handed;
use crate::core::{Shard, Statistics};

/// How many call-ids `list` gives when it is not told.
const DEFAULT_LIMIT: usize = 32;

/// The most that it gives: what a long reply has room for.
const MAX_LIMIT: usize = 20_000;

/// One shard's part of a reply.
pub(super) enum Part {
    Calls(Vec<String>),
    Statistics(Box<Statistics>, Turning),
}

/// How one shard's thread is doing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Turning {
    /// What of its core it used in the last second, from 0 to 1.
    pub(super) load: f64,
    /// Whether it takes no more calls because of that.
    pub(super) is_full: bool,
    /// Timers that it has served, and how late they were all together.
    pub(super) timers: u64,
    pub(super) lateness: Duration,
    /// Datagrams that the system did not take.
    pub(super) unsent: u64,
    /// Datagrams that came to it and were other shards'.
    pub(super) handed: Handed,
}

/// Whether every shard is to be asked.
pub(super) fn is_for_all(request: &Request) -> bool {
    matches!(request.command, Command::List | Command::Statistics)
}

/// A shard's part; `None` if the request is not for all.
pub(super) fn part(
    shard: &Shard,
    request: &Request,
    turning: impl FnOnce() -> Turning,
) -> Option<Part> {
    match request.command {
        Command::List => Some(Part::Calls(shard.call_ids(limit(request)))),
        Command::Statistics => Some(Part::Statistics(Box::new(shard.statistics()), turning())),
        _ => None,
    }
}

/// A reply under way.
pub(super) struct Gathering {
    pub(super) format: Format,
    pub(super) max_reply: usize,
    pub(super) command: Command,
    /// Shards that have not given their part.
    missing: usize,
    limit: usize,
    calls: Vec<String>,
    statistics: Statistics,
    /// In the order in which they answered; by number in `shards`.
    pub(super) shards: Vec<(usize, ShardFigures)>,
    /// Who asked at the status door, if it was nobody at a control port.
    pub(super) question: Option<Question>,
}

/// What is told of each shard alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShardFigures {
    pub(super) turning: Turning,
    pub(super) packets: u64,
    pub(super) calls: u64,
}

impl Gathering {
    pub(super) fn new(request: &Request, format: Format, max_reply: usize, shards: usize) -> Self {
        Self {
            format,
            max_reply,
            command: request.command,
            missing: shards,
            limit: limit(request),
            calls: Vec::new(),
            statistics: Statistics::default(),
            shards: Vec::new(),
            question: None,
        }
    }

    /// Adds the part of the shard of this number; whether it was the last.
    pub(super) fn add(&mut self, shard: usize, part: Part) -> bool {
        match part {
            Part::Calls(calls) => {
                let room = self.limit.saturating_sub(self.calls.len());
                self.calls.extend(calls.into_iter().take(room));
            }
            Part::Statistics(statistics, turning) => {
                let (packets, calls) = (statistics.relayed.packets, statistics.sessions);
                let figures = ShardFigures {
                    turning,
                    packets,
                    calls,
                };
                self.shards.push((shard, figures));
                self.statistics.add(&statistics);
            }
        }
        self.missing = self.missing.saturating_sub(1);
        self.missing == 0
    }

    pub(super) fn calls(self) -> Response {
        let calls: Vec<Value> = self.calls.into_iter().map(Value::from).collect();
        Response::ok().with("calls", calls)
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.question.as_ref().is_some_and(Question::is_abandoned)
    }

    /// What came to one media thread and was another's.
    pub(super) fn handed(&self) -> Dictionary {
        let sum = |of: fn(&Handed) -> u64| {
            let shards = self.shards.iter();
            let all = shards.map(|(_, shard)| of(&shard.turning.handed));
            i64::try_from(all.fold(0, u64::saturating_add)).unwrap_or(i64::MAX)
        };
        Dictionary::new()
            .with("packets", sum(|handed| handed.over))
            .with("dropped", sum(|handed| handed.dropped))
    }

    pub(super) fn statistics(&self) -> &Statistics {
        &self.statistics
    }
}

fn limit(request: &Request) -> usize {
    let asked = request.other.get("limit").and_then(Value::as_integer);
    let limit = asked.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)
}
