//! The thread that does the DTLS handshakes of all shards: work with keys is a hundred times that of a packet, and no
//! packet waits for it. Neither side ever waits for the other: what does not fit the queue is lost, as the network would
//! lose it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use net::poll::Waker;

use super::lengths::Lengths;
use crate::core::{HandshakeId, HandshakeNews, HandshakeOrder, Handshakes};

/// Datagrams of handshakes that wait at most, of all shards: what this thread does in a tenth of a second.
const MAX_WAITING: usize = 1024;

/// Orders that are carried out before shards hear what came of them.
const BATCH: usize = 32;

/// Without deadlines there is nothing to wake for but orders.
const IDLE: Duration = Duration::from_secs(60);

/// An order, and of which shard.
type Order = (usize, HandshakeId, HandshakeOrder);

/// A shard's end of the queues.
pub(super) struct Desk {
    shard: usize,
    orders: Sender<Order>,
    waiting: Arc<AtomicUsize>,
    news: Receiver<(HandshakeId, HandshakeNews)>,
}

/// The thread's end.
pub(super) struct Handshaking {
    orders: Receiver<Order>,
    waiting: Arc<AtomicUsize>,
    seats: Vec<Seat>,
    measures: Arc<Measures>,
}

/// What was measured of all handshakes.
#[derive(Debug, Default)]
pub(super) struct Measures {
    /// Those in which something came, or was sent.
    pub(super) begun: AtomicUsize,
    /// Those that ended without keys.
    pub(super) failed: AtomicUsize,
    /// How long the others took to give keys.
    pub(super) took: Lengths,
}

/// What the thread has of one shard.
struct Seat {
    handshakes: Handshakes,
    news: Sender<(HandshakeId, HandshakeNews)>,
    waker: Waker,
    /// Since when each is under way; `None`: it is over, and its endpoint is still there.
    under_way: HashMap<HandshakeId, Option<Instant>>,
}

/// Where shards are given their ends; dropped when all have theirs.
pub(super) struct Desks {
    orders: Sender<Order>,
    waiting: Arc<AtomicUsize>,
    given: usize,
}

/// Both ends, without any shard yet.
pub(super) fn handshaking() -> (Desks, Handshaking) {
    let (sender, orders) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let desks = Desks {
        orders: sender,
        waiting: Arc::clone(&waiting),
        given: 0,
    };
    let handshaking = Handshaking {
        orders,
        waiting,
        seats: Vec::new(),
        measures: Arc::default(),
    };
    (desks, handshaking)
}

impl Desks {
    /// The next shard's end, and where its news go in; the seats must be taken in the same order.
    pub(super) fn give(&mut self) -> (Desk, Sender<(HandshakeId, HandshakeNews)>) {
        let (sender, news) = mpsc::channel();
        let desk = Desk {
            shard: self.given,
            orders: self.orders.clone(),
            waiting: Arc::clone(&self.waiting),
            news,
        };
        self.given = self.given.saturating_add(1);
        (desk, sender)
    }
}

impl Desk {
    /// Hands an order over, without waiting.
    pub(super) fn order(&self, id: HandshakeId, order: HandshakeOrder) {
        if matches!(order, HandshakeOrder::Datagram(_))
            && self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING
        {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        // The thread ends after all shards have.
        _ = self.orders.send((self.shard, id, order));
    }

    /// The next news, if there are any.
    pub(super) fn news(&self) -> Option<(HandshakeId, HandshakeNews)> {
        self.news.try_recv().ok()
    }
}

impl Handshaking {
    /// What is measured.
    pub(super) fn measures(&self) -> Arc<Measures> {
        Arc::clone(&self.measures)
    }

    /// A shard's endpoints, for the desk that was given last.
    pub(super) fn seat(
        &mut self,
        handshakes: Handshakes,
        news: Sender<(HandshakeId, HandshakeNews)>,
        waker: Waker,
    ) {
        self.seats.push(Seat {
            handshakes,
            news,
            waker,
            under_way: HashMap::new(),
        });
    }

    /// Serves until every [`Desk`] is gone.
    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            let deadlines = self.seats.iter().filter_map(|it| it.handshakes.deadline());
            let wait = deadlines
                .min()
                .map_or(IDLE, |at| at.saturating_duration_since(now));
            match self.orders.recv_timeout(wait) {
                Ok(order) => self.take(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for _ in 1..BATCH {
                let Ok(order) = self.orders.try_recv() else {
                    break;
                };
                self.take(order);
            }
            for seat in &mut self.seats {
                seat.tell(&self.measures);
            }
        }
    }

    fn take(&mut self, (shard, id, order): Order) {
        if matches!(order, HandshakeOrder::Datagram(_)) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(seat) = self.seats.get_mut(shard) {
            let now = Instant::now();
            seat.note(id, &order, now, &self.measures);
            seat.handshakes.take(id, order, now);
        }
    }
}

impl Seat {
    /// Notes when a handshake begins, and forgets it with its endpoint.
    fn note(&mut self, id: HandshakeId, order: &HandshakeOrder, now: Instant, of: &Measures) {
        match order {
            HandshakeOrder::Datagram(_) | HandshakeOrder::Start => {
                self.under_way.entry(id).or_insert_with(|| {
                    of.begun.fetch_add(1, Ordering::Relaxed);
                    Some(now)
                });
            }
            HandshakeOrder::Close | HandshakeOrder::Open { .. } => _ = self.under_way.remove(&id),
            HandshakeOrder::Expect(_) => {}
        }
    }

    /// Notes how one has ended.
    fn ended(&mut self, id: HandshakeId, how: &HandshakeNews, now: Instant, of: &Measures) {
        let HandshakeNews::Output(output) = how else {
            return;
        };
        let connected = match output {
            dtls::Output::Connected(_) => true,
            dtls::Output::Failed(_) => false,
            _ => return,
        };
        match (connected, self.under_way.insert(id, None).flatten()) {
            (true, Some(began)) => of.took.add(now.saturating_duration_since(began)),
            (true, None) => {}
            (false, _) => _ = of.failed.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Does what is due, and tells the shard what there is to tell.
    fn tell(&mut self, measures: &Measures) {
        let now = Instant::now();
        if self.handshakes.deadline().is_some_and(|at| at <= now) {
            self.handshakes.timeout(now);
        }
        let mut has_news = false;
        while let Some(news) = self.handshakes.poll() {
            self.ended(news.0, &news.1, now, measures);
            // A shard is gone only when all is ending.
            has_news = self.news.send(news).is_ok();
        }
        if has_news && let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a shard cannot be woken for its handshakes");
        }
    }
}
