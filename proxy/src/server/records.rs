//! Call records: a line of JSON for every call, appended to a file by a thread of its own, so that no disk makes a call
//! wait. The file is opened anew for each batch: one that was moved away is followed by a new one. Without a file the
//! records stand in the log.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::StartError;
use super::held::{Ended, Held};
use crate::core::{CallRecord, Party};

/// Records that may wait for the disk; further ones go to the log.
const QUEUE: usize = 4096;
/// Octets that are written at once.
const BATCH: usize = 64 * 1024;

/// Where records go.
pub(super) struct Records {
    writer: Option<Writer>,
    held: Held,
}

struct Writer {
    queue: SyncSender<String>,
    thread: JoinHandle<()>,
}

impl Records {
    /// To a file, which is opened once to see that it can be; or to the log.
    pub(super) fn to(path: Option<PathBuf>) -> Result<Self, StartError> {
        let Some(path) = path else {
            return Ok(Self {
                writer: None,
                held: Held::default(),
            });
        };
        let wrong = |error| StartError::Records {
            path: path.clone(),
            error,
        };
        open(&path).map_err(wrong)?;
        let (queue, records) = sync_channel(QUEUE);
        let written = path.clone();
        let thread = std::thread::Builder::new().name("records".to_owned());
        let thread = thread
            .spawn(move || write_all(&records, &written))
            .map_err(wrong)?;
        let writer = Some(Writer { queue, thread });
        let held = Held::default();
        Ok(Self { writer, held })
    }

    /// Takes the record of a call that ended now. Never waits.
    pub(super) fn take(&mut self, record: Box<CallRecord>, now: Instant) {
        if let Some(ended) = self.held.keep((record, SystemTime::now()), now) {
            self.write(&ended);
        }
    }

    /// What the relay says of a call's media.
    pub(super) fn heard(&mut self, media: &str, fault: Option<&str>) {
        if let Some(ended) = self.held.heard(media, fault) {
            self.write(&ended);
        }
    }

    /// Writes what has waited long enough for the relay.
    pub(super) fn flush(&mut self, now: Instant) {
        while let Some(ended) = self.held.next(Some(now)) {
            self.write(&ended);
        }
    }

    /// When something has.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.deadline()
    }

    fn write(&self, (record, end): &Ended) {
        let Some(line) = line(record, *end) else {
            return;
        };
        let text = line.trim_end();
        let queue = self.writer.as_ref().map(|writer| &writer.queue);
        match queue.map(|queue| queue.try_send(line.clone())) {
            Some(Ok(())) => {}
            Some(Err(_)) => tracing::warn!(record = text, "the disk is behind; a call record"),
            None => tracing::info!(record = text, "call"),
        }
    }

    /// Waits until everything is written.
    pub(super) fn finish(mut self) {
        while let Some(ended) = self.held.next(None) {
            self.write(&ended);
        }
        if let Some(Writer { queue, thread }) = self.writer {
            drop(queue);
            // It ends by itself; had it panicked, its records would be lost all the same.
            let _ = thread.join();
        }
    }
}

fn write_all(records: &Receiver<String>, path: &Path) {
    // What a full disk has cut short is not to be the beginning of another record.
    let mut cut = false;
    while let Ok(mut text) = records.recv() {
        while text.len() < BATCH
            && let Ok(next) = records.try_recv()
        {
            text += &next;
        }
        let begin: &[u8] = if cut { b"\n" } else { b"" };
        let written = open(path).and_then(|mut file| {
            file.write_all(begin)?;
            file.write_all(text.as_bytes())
        });
        cut = written.is_err();
        if let Err(error) = written {
            for record in text.lines() {
                tracing::error!(path = %path.display(), %error, record, "a call record that could not be written");
            }
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    // Who called whom is not for everybody on this machine.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.append(true).create(true).open(path)
}

#[derive(Serialize)]
struct Line<'a> {
    call_id: &'a str,
    from: &'a str,
    to: &'a str,
    direction: &'static str,
    start: String,
    answer: Option<String>,
    end: String,
    talk_seconds: f64,
    status: u16,
    ended_by: &'static str,
    reason: &'a str,
    flow: Option<u64>,
    client: Option<&'a str>,
    media: Option<&'a str>,
    fault: Option<&'a str>,
}

/// The record of a call that ended at `end`, with its line end.
fn line(record: &CallRecord, end: SystemTime) -> Option<String> {
    let ago = |duration: Duration| end.checked_sub(duration).unwrap_or(end);
    let line = Line {
        call_id: &record.call_id,
        from: &record.from,
        to: &record.to,
        direction: match record.browser_called {
            true => "from browser",
            false => "to browser",
        },
        start: stamp(ago(record.lasted))?,
        answer: match record.talked {
            Some(talked) => Some(stamp(ago(talked))?),
            None => None,
        },
        end: stamp(end)?,
        talk_seconds: record.talked.unwrap_or_default().as_secs_f64(),
        status: record.status,
        ended_by: match record.ended_by {
            Party::Browser => "browser",
            Party::Phone => "phone",
            Party::Edge => "edge",
        },
        reason: &record.reason,
        flow: record.flow.map(|flow| flow.0),
        client: record.client.as_deref(),
        media: record.media.as_deref(),
        fault: record.fault.as_deref(),
    };
    serde_json::to_string(&line).ok().map(|line| line + "\n")
}

/// RFC 3339, in UTC, to the millisecond.
fn stamp(at: SystemTime) -> Option<String> {
    let at = OffsetDateTime::from(at);
    let milliseconds = at.millisecond();
    let at = at.replace_millisecond(milliseconds).ok()?;
    at.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(call_id: &str) -> CallRecord {
        CallRecord {
            call_id: call_id.to_owned(),
            from: "alice@example.com".to_owned(),
            to: "bob@example.com".to_owned(),
            browser_called: true,
            lasted: Duration::from_secs(75),
            talked: Some(Duration::from_millis(60_500)),
            status: 200,
            ended_by: Party::Phone,
            reason: "Q.850;cause=16;text=\"done\"".to_owned(),
            flow: Some(crate::core::FlowId(7)),
            client: Some("00ff".to_owned()),
            media: None,
            fault: None,
        }
    }

    #[test]
    fn a_record_is_one_line_with_times_of_the_wall_clock() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        let line = line(&record("c"), end).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["start"], "2023-11-14T22:12:05.25Z");
        assert_eq!(value["answer"], "2023-11-14T22:12:19.75Z");
        assert_eq!(value["end"], "2023-11-14T22:13:20.25Z");
        assert_eq!(value["talk_seconds"], 60.5);
        assert_eq!(value["ended_by"], "phone");
        assert_eq!(value["reason"], "Q.850;cause=16;text=\"done\"");
        assert!(value["media"].is_null());
    }

    #[test]
    fn records_are_appended_and_a_file_that_was_moved_away_is_followed_by_a_new_one() {
        let folder = std::env::temp_dir().join(format!("causeway-records-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, moved) = (folder.join("calls.jsonl"), folder.join("calls.jsonl.1"));
        let calls = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
        for name in ["one", "two"] {
            let mut records = Records::to(Some(path.clone())).unwrap();
            records.take(Box::new(record(name)), Instant::now());
            records.finish();
        }
        assert_eq!(calls(&path), 2);
        let mut records = Records::to(Some(path.clone())).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        records.take(Box::new(record("three")), Instant::now());
        records.finish();
        assert_eq!((calls(&moved), calls(&path)), (2, 1));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_at_the_start() {
        let path = std::env::temp_dir().join("causeway-nowhere/calls.jsonl");
        let error = Records::to(Some(path)).err().unwrap().to_string();
        assert!(error.contains("[calls] records"), "{error}");
    }

    #[test]
    fn a_record_waits_a_moment_for_what_the_relay_has_to_say() {
        let folder = std::env::temp_dir().join(format!("causeway-faults-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("calls.jsonl");
        let mut records = Records::to(Some(path.clone())).unwrap();
        let now = Instant::now();
        for name in ["told", "untold", "unfinished"] {
            let mut record = record(name);
            record.media = Some(format!("{name}-1"));
            records.take(Box::new(record), now);
        }
        records.heard("told-1", Some("the phone sent nothing"));
        let due = records.deadline().unwrap();
        let mut late = record("late");
        late.media = Some("untold-1".to_owned());
        records.take(Box::new(late), now);
        records.flush(due);
        records.heard("untold-1", Some("too late"));
        assert_eq!(records.deadline(), None);
        records.finish();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let faults = text.lines().map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            (value["call_id"].to_string(), value["fault"].to_string())
        });
        let mut faults: Vec<_> = faults.collect();
        faults.sort();
        let quoted = |name: &str| format!("{name:?}");
        let null = "null".to_owned();
        assert_eq!(
            faults,
            [
                (quoted("late"), null.clone()),
                (quoted("told"), quoted("the phone sent nothing")),
                (quoted("unfinished"), null.clone()),
                (quoted("untold"), null),
            ]
        );
    }
}
