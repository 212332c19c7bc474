//! The thread that does the DTLS handshakes of all shards: work with keys is a hundred times that of a packet, and no
//! packet waits for it. Neither side ever waits for the other: what does not fit the queue is lost, as the network would
//! lose it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use net::poll::Waker;

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
}

/// What the thread has of one shard.
struct Seat {
    handshakes: Handshakes,
    news: Sender<(HandshakeId, HandshakeNews)>,
    waker: Waker,
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
            self.seats.iter_mut().for_each(Seat::tell);
        }
    }

    fn take(&mut self, (shard, id, order): Order) {
        if matches!(order, HandshakeOrder::Datagram(_)) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(seat) = self.seats.get_mut(shard) {
            seat.handshakes.take(id, order, Instant::now());
        }
    }
}

impl Seat {
    /// Does what is due, and tells the shard what there is to tell.
    fn tell(&mut self) {
        let now = Instant::now();
        if self.handshakes.deadline().is_some_and(|at| at <= now) {
            self.handshakes.timeout(now);
        }
        let mut has_news = false;
        while let Some(news) = self.handshakes.poll() {
            // A shard is gone only when all is ending.
            has_news = self.news.send(news).is_ok();
        }
        if has_news && let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a shard cannot be woken for its handshakes");
        }
    }
}
