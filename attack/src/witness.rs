//! The witness: ordinary calls that talk while others attack, and must not notice. Every packet is authenticated,
//! decrypted and compared with what was sent; what is missing afterwards was lost.

mod call;
mod end;

use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use peers::browser::Identity;
use peers::ng::Ng;
use peers::scenario::Scenario;

pub(crate) use call::Call;
pub(crate) use end::End;

use crate::field::Field;

/// How often it looks at its sockets: an arrival's time is the kernel's.
const TICK: Duration = Duration::from_millis(1);
/// What has not come so long after it was sent is lost.
const STRAGGLERS: Duration = Duration::from_millis(700);

/// How a stretch of the calls went, all ends together.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Report {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// Packets that are not what the other end sent, that came twice, or from elsewhere.
    pub(crate) wrong: u64,
    /// The longest silence between two packets, in nanoseconds. Where the sender was late himself, that is taken off.
    pub(crate) gap: u64,
}

/// Calls that talk on a thread of their own.
pub(crate) struct Witness {
    calls: Arc<Mutex<Vec<Call>>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A beginning of a stretch: how many packets each end had sent.
pub(crate) struct Mark(VecDeque<u64>);

impl Witness {
    /// Calls as [`start`](Self::start) makes them, whose ports begin at those of call `first`.
    pub(crate) fn start_at(
        first: usize,
        field: &Field,
        ng: &mut Ng,
        identity: &Identity,
        kinds: &[Scenario],
        priority: Option<u32>,
    ) -> Result<Self, String> {
        let mut calls = Vec::new();
        for (number, kind) in kinds.iter().enumerate() {
            calls.push(Call::set_up(field, ng, identity, *kind, first + number)?);
        }
        let calls = Arc::new(Mutex::new(calls));
        let end = Arc::new(AtomicBool::new(false));
        let (shared, ended) = (Arc::clone(&calls), Arc::clone(&end));
        let thread = thread::spawn(move || {
            prefer(priority);
            while !ended.load(Ordering::Relaxed) {
                for call in lock(&shared).iter_mut() {
                    call.tick();
                }
                thread::sleep(TICK);
            }
        });
        Ok(Self {
            calls,
            end,
            thread: Some(thread),
        })
    }

    /// Sets up a call of each kind. `priority` is that of its thread, where other work shares the machine.
    pub(crate) fn start(
        field: &Field,
        ng: &mut Ng,
        identity: &Identity,
        kinds: &[Scenario],
        priority: Option<u32>,
    ) -> Result<Self, String> {
        Self::start_at(0, field, ng, identity, kinds, priority)
    }

    /// The calls. They stand still while this is held.
    pub(crate) fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        lock(&self.calls)
    }

    /// Where the relay takes media of the browsers' sides.
    pub(crate) fn public_ports(&self) -> Vec<SocketAddrV4> {
        self.calls()
            .iter()
            .map(|call| call.browser().relay())
            .collect()
    }

    /// Where it takes that of the phones.
    pub(crate) fn private_ports(&self) -> Vec<SocketAddrV4> {
        self.calls()
            .iter()
            .map(|call| call.phone().relay())
            .collect()
    }

    /// Begins a stretch.
    pub(crate) fn mark(&self) -> Mark {
        Mark(
            self.calls()
                .iter_mut()
                .flat_map(Call::ends)
                .map(End::mark)
                .collect(),
        )
    }

    /// Ends it, and waits for what is still on its way.
    pub(crate) fn since(&self, mark: &Mark) -> Report {
        let ends = self.mark_only();
        thread::sleep(STRAGGLERS);
        let mut report = Report::default();
        let mut calls = self.calls();
        let both = calls.iter_mut().map(Call::halves);
        let mut numbers = mark.0.iter().zip(&ends);
        for [phone, browser] in both {
            for (from, to) in [(&*phone, &*browser), (&*browser, &*phone)] {
                let Some((first, last)) = numbers.next() else {
                    break;
                };
                report.sent += last - first;
                report.lost += (*first..*last).filter(|number| !to.has(*number)).count() as u64;
                report.wrong += from.wrong();
                report.gap = report.gap.max(from.gap());
            }
        }
        report
    }

    /// How many packets each end has sent.
    fn mark_only(&self) -> VecDeque<u64> {
        self.calls()
            .iter_mut()
            .flat_map(Call::ends)
            .map(|end| end.sent())
            .collect()
    }

    /// Ends the calls.
    pub(crate) fn tear_down(self, ng: &mut Ng) {
        let names: Vec<_> = self.calls().iter().map(|call| call.name.clone()).collect();
        drop(self);
        for name in names {
            _ = ng.ask(&peers::scenario::delete(&name), || {});
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(calls: &Mutex<Vec<Call>>) -> MutexGuard<'_, Vec<Call>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives this thread a real-time priority, where the system lets it have one.
pub(crate) fn prefer(priority: Option<u32>) {
    let own = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    if let (Some(priority), Some(id)) = (priority, own.file_name()) {
        let id = id.to_string_lossy();
        _ = crate::field::run(&format!("chrt -r -p {priority} {id}"));
    }
}
