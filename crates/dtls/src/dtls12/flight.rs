//! What we send (RFC 6347 section 4.2.4): a flight is kept until the peer's next one has come, and repeated meanwhile.

use std::time::{Duration, Instant};

use super::reassembly::Message;
use super::record::{self, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER, Protection, SEALED};
use crate::identity::{FLIGHT_RTO, MTU};

/// The wait doubles up to this.
const LONGEST_WAIT: Duration = Duration::from_millis(3200);
/// A peer that repeats itself is answered no oftener than this: what it sends is not signed.
const LEAST_GAP: Duration = Duration::from_millis(50);
/// Type, length, sequence, fragment offset and length.
const HANDSHAKE_HEADER: usize = 12;
/// Headers of a fragment in the clear.
const PLAIN: usize = HEADER + HANDSHAKE_HEADER;
/// The second epoch, where the numbers of records have it.
const EPOCH_1: u64 = 1 << 48;

/// One thing in a flight.
pub(crate) enum Part {
    Plain(Message),
    ChangeCipherSpec,
    Sealed(Message),
}

/// The flight under way and the numbers of our records.
pub(crate) struct Sender {
    parts: Vec<Part>,
    /// Next record numbers in epoch 0 and in epoch 1.
    plain: u64,
    sealed: u64,
    protection: Option<Protection>,
    wait: Duration,
    /// When to repeat; none when no answer is owed.
    due: Option<Instant>,
    last: Option<Instant>,
    datagrams: Vec<Vec<u8>>,
}

impl Sender {
    pub(crate) fn new() -> Self {
        Sender {
            parts: Vec::new(),
            plain: 0,
            sealed: EPOCH_1,
            protection: None,
            wait: FLIGHT_RTO,
            due: None,
            last: None,
            datagrams: Vec::new(),
        }
    }

    pub(crate) fn protect_with(&mut self, protection: Protection) {
        self.protection = Some(protection);
    }

    /// Sends a flight, and again until [`Sender::rest`].
    pub(crate) fn send(&mut self, parts: Vec<Part>, now: Instant) {
        self.parts = parts;
        self.wait = FLIGHT_RTO;
        self.due = now.checked_add(self.wait);
        self.transmit(now);
    }

    /// No answer is owed any more; the flight may still be asked for.
    pub(crate) fn rest(&mut self) {
        self.due = None;
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Repeats the flight when it is time.
    pub(crate) fn timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| now >= due) {
            self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
            self.due = now.checked_add(self.wait);
            self.transmit(now);
        }
    }

    /// The peer repeats what our flight answers: ours was lost.
    pub(crate) fn asked_again(&mut self, now: Instant) {
        if self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= LEAST_GAP)
        {
            self.transmit(now);
        }
    }

    /// Sends one protected record outside of any flight.
    pub(crate) fn send_sealed(&mut self, kind: u8, body: &[u8]) {
        let mut datagram = Vec::new();
        if self.seal(&mut datagram, kind, body).is_some() {
            self.datagrams.push(datagram);
        }
    }

    /// What is to be sent, once.
    pub(crate) fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.datagrams)
    }

    fn transmit(&mut self, now: Instant) {
        self.last = Some(now);
        let parts = std::mem::take(&mut self.parts);
        let mut datagram = Vec::new();
        for part in &parts {
            match part {
                Part::Plain(message) => self.put(&mut datagram, message, false),
                Part::Sealed(message) => self.put(&mut datagram, message, true),
                Part::ChangeCipherSpec => {
                    self.make_room(&mut datagram, HEADER + 1);
                    self.put_plain(&mut datagram, CHANGE_CIPHER_SPEC, &[1]);
                }
            }
        }
        if !datagram.is_empty() {
            self.datagrams.push(datagram);
        }
        self.parts = parts;
    }

    /// A message in as many records as it needs: whole if it fits the datagram or one of its own.
    fn put(&mut self, datagram: &mut Vec<u8>, message: &Message, is_sealed: bool) {
        let overhead = if is_sealed { PLAIN + SEALED } else { PLAIN };
        let mut offset = 0_usize;
        // A message without a body is one fragment too.
        let pieces = message.body.chunks(MTU.saturating_sub(overhead).max(1));
        for piece in pieces.chain(message.body.is_empty().then_some(&[][..])) {
            self.make_room(datagram, overhead.saturating_add(piece.len()));
            let mut fragment = Vec::new();
            message.write_fragment(&mut fragment, offset, piece);
            if is_sealed {
                let _ = self.seal(datagram, HANDSHAKE, &fragment);
            } else {
                self.put_plain(datagram, HANDSHAKE, &fragment);
            }
            offset = offset.saturating_add(piece.len());
        }
    }

    fn make_room(&mut self, datagram: &mut Vec<u8>, length: usize) {
        if datagram.len().saturating_add(length) > MTU && !datagram.is_empty() {
            self.datagrams.push(std::mem::take(datagram));
        }
    }

    fn put_plain(&mut self, datagram: &mut Vec<u8>, kind: u8, body: &[u8]) {
        record::write(datagram, kind, self.plain, body);
        self.plain = self.plain.saturating_add(1);
    }

    fn seal(&mut self, datagram: &mut Vec<u8>, kind: u8, body: &[u8]) -> Option<()> {
        let number = self.sealed;
        // Counted first: no number may ever be used twice.
        self.sealed = number.checked_add(1)?;
        self.protection.as_ref()?.seal(datagram, kind, number, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtls12::reassembly::{Reassembly, fragments};
    use crate::dtls12::record::records;

    #[test]
    fn a_long_flight_is_cut_to_the_mtu_and_repeated_with_new_record_numbers() {
        let now = Instant::now();
        let long = Message {
            kind: 11,
            sequence: 0,
            body: (0..5000_u32).map(|i| (i % 251) as u8).collect(),
        };
        let mut sender = Sender::new();
        sender.send(vec![Part::Plain(long.clone()), Part::ChangeCipherSpec], now);
        let first = sender.take();
        assert!(first.iter().all(|datagram| datagram.len() <= MTU));
        let mut reassembly = Reassembly::default();
        for datagram in first.iter().rev() {
            for record in records(datagram) {
                fragments(record.body).for_each(|fragment| reassembly.take(&fragment));
            }
        }
        assert_eq!(reassembly.pop().unwrap().body, long.body);

        sender.timeout(now);
        assert!(sender.take().is_empty(), "not yet");
        sender.timeout(now + FLIGHT_RTO);
        let again = sender.take();
        assert_eq!(again.len(), first.len());
        assert_ne!(again, first, "the numbers of the records differ");
        assert_eq!(sender.due(), Some(now + FLIGHT_RTO * 3), "the wait doubles");
        sender.rest();
        sender.timeout(now + Duration::from_secs(60));
        assert!(sender.take().is_empty());
    }

    #[test]
    fn who_asks_again_and_again_is_answered_at_a_pace() {
        let now = Instant::now();
        let mut sender = Sender::new();
        sender.send(vec![Part::ChangeCipherSpec], now);
        let answers = (0..1000).map(|ms| {
            sender.asked_again(now + Duration::from_millis(ms));
            sender.take().len()
        });
        assert_eq!(answers.sum::<usize>(), 20);
    }
}
