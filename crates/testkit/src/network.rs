//! A network that loses, doubles, delays and so reorders, and the clock that all on it share. An hour passes on it in
//! milliseconds: time goes from one event to the next.

use std::time::{Duration, Instant};

use crate::Dice;

/// One datagram on its way between addresses `A`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram<A> {
    /// Who sent it.
    pub from: A,
    /// Who it is for.
    pub to: A,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// Something sans-IO that is connected to a network: an agent or an endpoint with what the test remembers of it.
pub trait Peer<A> {
    /// The next datagram it wants to send. Whatever else it has to say it keeps for the test; `elapsed` is the
    /// network's time.
    fn poll(&mut self, elapsed: Duration) -> Option<Datagram<A>>;
    /// Takes a datagram, or ignores it because it is for somebody else.
    fn receive(&mut self, datagram: &Datagram<A>, now: Instant);
    /// When [`Peer::timeout`] is due.
    fn deadline(&self) -> Option<Instant>;
    /// Its deadline has come.
    fn timeout(&mut self, now: Instant);
}

impl<A, P: Peer<A>> Peer<A> for &mut P {
    fn poll(&mut self, elapsed: Duration) -> Option<Datagram<A>> {
        (**self).poll(elapsed)
    }

    fn receive(&mut self, datagram: &Datagram<A>, now: Instant) {
        (**self).receive(datagram, now);
    }

    fn deadline(&self) -> Option<Instant> {
        (**self).deadline()
    }

    fn timeout(&mut self, now: Instant) {
        (**self).timeout(now);
    }
}

/// A network between peers, good until its fields say otherwise.
#[derive(Debug)]
pub struct Network<A> {
    /// When it was made.
    pub start: Instant,
    /// Its time.
    pub now: Instant,
    /// Of a hundred datagrams, how many get lost.
    pub loss: u32,
    /// Of a hundred datagrams, how many come twice.
    pub doubling: u32,
    /// The delay of each lies between these.
    pub delay: (Duration, Duration),
    /// What comes from or goes to these gets lost.
    pub dead: Vec<A>,
    /// Everything that was sent, lost or not.
    pub log: Vec<Datagram<A>>,
    dice: Dice,
    flying: Vec<(Instant, Datagram<A>)>,
}

impl<A: Copy + PartialEq> Network<A> {
    /// A network that loses nothing and needs 5 ms for everything.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            loss: 0,
            doubling: 0,
            delay: (Duration::from_millis(5), Duration::from_millis(5)),
            dead: Vec::new(),
            log: Vec::new(),
            dice: Dice::new(seed),
            flying: Vec::new(),
        }
    }

    /// A network as bad as a telephone call could just bear: one in four lost, some doubled, all reordered.
    #[must_use]
    pub fn bad(seed: u64) -> Self {
        let mut network = Self::new(seed);
        network.loss = 25;
        network.doubling = 15;
        network.delay = (Duration::from_millis(1), Duration::from_millis(80));
        network
    }

    /// Time since it was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Lets time pass until `until` says so or the time is over. Says whether `until` did.
    pub fn run<P: Peer<A>>(
        &mut self,
        peers: &mut [P],
        time: Duration,
        until: impl Fn(&[P]) -> bool,
    ) -> bool {
        let end = self.now + time;
        loop {
            peers.iter_mut().for_each(|peer| self.collect(peer));
            if until(peers) {
                return true;
            }
            let deadlines = peers.iter().filter_map(Peer::deadline);
            let arrivals = self.flying.iter().map(|(at, _)| *at);
            let Some(next) = arrivals.chain(deadlines).min().filter(|next| *next <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            self.deliver(peers);
            for peer in peers.iter_mut() {
                if peer.deadline().is_some_and(|at| at <= self.now) {
                    peer.timeout(self.now);
                }
            }
        }
    }

    /// Takes what a peer wants to send.
    pub fn collect<P: Peer<A>>(&mut self, peer: &mut P) {
        while let Some(datagram) = peer.poll(self.elapsed()) {
            self.send(datagram);
        }
    }

    /// What is under way gets lost.
    pub fn forget(&mut self) {
        self.flying.clear();
    }

    fn send(&mut self, datagram: Datagram<A>) {
        self.log.push(datagram.clone());
        let copies = 1 + usize::from(self.dice.chance(self.doubling));
        let ends = [datagram.from, datagram.to];
        for _ in 0..copies {
            let at = self.now + self.delay();
            if !self.dice.chance(self.loss) && !self.dead.iter().any(|dead| ends.contains(dead)) {
                self.flying.push((at, datagram.clone()));
            }
        }
    }

    fn delay(&mut self) -> Duration {
        let (least, most) = self.delay;
        let spread = u64::try_from((most - least).as_micros()).unwrap_or(u64::MAX);
        least + Duration::from_micros(self.dice.below(spread))
    }

    fn deliver<P: Peer<A>>(&mut self, peers: &mut [P]) {
        let now = self.now;
        let (mut due, flying): (Vec<_>, Vec<_>) =
            self.flying.drain(..).partition(|(at, _)| *at <= now);
        self.flying = flying;
        due.sort_by_key(|(at, _)| *at);
        for (_, datagram) in due {
            for peer in peers.iter_mut() {
                peer.receive(&datagram, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a number every 20 ms and remembers what it hears.
    struct Talker {
        name: u8,
        next: u8,
        due: Instant,
        heard: Vec<u8>,
    }

    impl Talker {
        fn new(name: u8, now: Instant) -> Self {
            let (next, heard) = (0, Vec::new());
            Self {
                name,
                next,
                due: now,
                heard,
            }
        }
    }

    impl Peer<u8> for Talker {
        fn poll(&mut self, elapsed: Duration) -> Option<Datagram<u8>> {
            let is_time = elapsed >= Duration::from_millis(20) * u32::from(self.next);
            (is_time && self.next < 200).then(|| {
                self.next += 1;
                self.due += Duration::from_millis(20);
                Datagram {
                    from: self.name,
                    to: 1 - self.name,
                    bytes: vec![self.next - 1],
                }
            })
        }

        fn receive(&mut self, datagram: &Datagram<u8>, _: Instant) {
            if datagram.to == self.name {
                self.heard.extend(&datagram.bytes);
            }
        }

        fn deadline(&self) -> Option<Instant> {
            (self.next < 200).then_some(self.due)
        }

        fn timeout(&mut self, _: Instant) {}
    }

    fn talk(mut network: Network<u8>) -> [Talker; 2] {
        let mut talkers = [0, 1].map(|name| Talker::new(name, network.now));
        network.run(&mut talkers, Duration::from_secs(10), |_| false);
        assert_eq!(network.elapsed(), Duration::from_secs(10));
        assert_eq!(network.log.len(), 400);
        talkers
    }

    #[test]
    fn a_good_network_brings_everything_once_in_order_to_whom_it_is_for() {
        for talker in talk(Network::new(1)) {
            assert_eq!(talker.heard, (0..200).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_bad_network_loses_doubles_and_reorders_the_same_way_each_time() {
        let [one, other] = talk(Network::bad(3));
        assert_eq!(talk(Network::bad(3))[0].heard, one.heard);
        assert_ne!(talk(Network::bad(4))[0].heard, one.heard);
        for heard in [one.heard, other.heard] {
            let different = heard.iter().collect::<std::collections::HashSet<_>>().len();
            assert!((140..190).contains(&different), "{different}");
            assert!(heard.len() > different);
            assert!(!heard.is_sorted());
        }
    }

    #[test]
    fn nothing_comes_from_or_to_the_dead_nor_what_is_forgotten() {
        let mut network = Network::new(1);
        network.dead.push(1);
        assert!(talk(network).iter().all(|talker| talker.heard.is_empty()));

        let mut network = Network::new(1);
        let mut talkers = [0, 1].map(|name| Talker::new(name, network.now));
        network.run(&mut talkers, Duration::from_millis(1), |_| false);
        network.forget();
        network.run(&mut talkers, Duration::from_millis(30), |_| false);
        assert_eq!(talkers[0].heard, [1]);
    }
}
