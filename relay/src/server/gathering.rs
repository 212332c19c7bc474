//! Commands that every shard has a part in: `list` and `statistics`. The parts are gathered here until
//! the last one has come.

use control_proto::{Command, Format, Request, Response, Value};

use crate::core::{Shard, Statistics};

/// How many call-ids `list` gives when it is not told.
const DEFAULT_LIMIT: usize = 32;

/// The most that it gives: what a long reply has room for.
const MAX_LIMIT: usize = 20_000;

/// One shard's part of a reply.
pub(super) enum Part {
    Calls(Vec<String>),
    Statistics(Box<Statistics>),
}

/// Whether every shard is to be asked.
pub(super) fn is_for_all(request: &Request) -> bool {
    matches!(request.command, Command::List | Command::Statistics)
}

/// A shard's part; `None` if the request is not for all.
pub(super) fn part(shard: &Shard, request: &Request) -> Option<Part> {
    match request.command {
        Command::List => Some(Part::Calls(shard.call_ids(limit(request)))),
        Command::Statistics => Some(Part::Statistics(Box::new(shard.statistics()))),
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
        }
    }

    /// Adds a part; whether it was the last.
    pub(super) fn add(&mut self, part: Part) -> bool {
        match part {
            Part::Calls(calls) => {
                let room = self.limit.saturating_sub(self.calls.len());
                self.calls.extend(calls.into_iter().take(room));
            }
            Part::Statistics(statistics) => self.statistics.add(&statistics),
        }
        self.missing = self.missing.saturating_sub(1);
        self.missing == 0
    }

    pub(super) fn calls(self) -> Response {
        let calls: Vec<Value> = self.calls.into_iter().map(Value::from).collect();
        Response::ok().with("calls", calls)
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
