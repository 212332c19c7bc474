//! The calls on their socket: sends packets when they are due, takes what comes, and keeps handshakes going.

use std::io;
use std::net::SocketAddrV4;

use peers::browser::Signal;
use peers::clock::{self, SECOND};
use peers::kernel::{self, BATCH, Inbox, Outbox, ROOM};
use socket2::Socket;

use crate::calls::Calls;

/// Calls with their sockets.
pub(crate) struct Engine {
    socket: Socket,
    /// Where phones without multiplexing would have RTCP: emptied, and not looked at.
    rtcp: Socket,
    inbox: Inbox,
    outbox: Outbox,
    signals: Outbox,
    out: Vec<Signal>,
    pub(crate) calls: Calls,
    /// UDP port of all endpoints.
    pub(crate) port: u16,
    /// Legs whose handshake is under way.
    shaking: Vec<usize>,
}

impl Engine {
    /// `batch` packets share a send call at most.
    pub(crate) fn new(calls: Calls, port: u16, batch: usize) -> io::Result<Self> {
        Ok(Self {
            socket: kernel::endpoints("lo", port)?,
            rtcp: kernel::endpoints("lo", port + 1)?,
            inbox: Inbox::new(),
            outbox: Outbox::new(batch),
            signals: Outbox::new(16),
            out: Vec::new(),
            calls,
            port,
            shaking: Vec::new(),
        })
    }

    /// The address of a leg.
    pub(crate) fn at(&self, leg: usize) -> SocketAddrV4 {
        SocketAddrV4::new(self.calls.legs[leg].ip, self.port)
    }

    /// Queues the next packet of a leg, and sends the queue when it is full.
    #[inline]
    pub(crate) fn send_packet(&mut self, leg: usize) {
        let leg = &mut self.calls.legs[leg];
        let len = leg.next_packet(clock::now(), self.outbox.room());
        if self.outbox.push(len, leg.ip, leg.relay) {
            self.flush();
        }
    }

    /// Sends what is queued.
    pub(crate) fn flush(&mut self) {
        self.calls.counts.refused += self.outbox.flush(&self.socket);
    }

    /// Takes what is waiting, at most so many batches.
    pub(crate) fn receive(&mut self, batches: usize) {
        for _ in 0..batches {
            let count = self.inbox.fill(&self.socket);
            for k in 0..count {
                let (arrival, buffer, len) = self.inbox.datagram(k);
                self.calls.arrived(arrival, buffer, len, &mut self.out);
            }
            if count < BATCH {
                break;
            }
        }
        self.send_signals();
    }

    /// Empties the RTCP port.
    pub(crate) fn drain_rtcp(&mut self) {
        self.inbox.fill(&self.rtcp);
    }

    /// Takes what is still on its way.
    pub(crate) fn settle(&mut self, nanoseconds: u64) {
        let began = clock::now();
        while clock::now() - began < nanoseconds {
            self.receive(64);
            clock::sleep(SECOND / 1000);
        }
    }

    /// A consent check of a browser.
    pub(crate) fn consent(&mut self, leg: usize) {
        let browser = self.calls.legs[leg].browser.as_mut();
        self.out.extend(browser.and_then(|b| b.consent()));
        self.send_signals();
    }

    /// A leg's handshake is under way from now on.
    pub(crate) fn shake(&mut self, leg: usize) {
        self.shaking.push(leg);
        self.pump();
    }

    /// Keeps handshakes going until there are fewer than `below`. Each gives up by itself.
    pub(crate) fn shake_until(&mut self, below: usize) {
        while self.shaking.len() >= below.max(1) {
            kernel::wait_readable(&self.socket, 5);
            self.pump();
        }
    }

    /// What is to be done beside packets.
    pub(crate) fn pump(&mut self) {
        self.receive(8);
        let now = clock::now();
        let (legs, out) = (&mut self.calls.legs, &mut self.out);
        self.shaking.retain(|&number| {
            let leg = &mut legs[number];
            let Some(browser) = &mut leg.browser else {
                return false;
            };
            browser.tick(now, out);
            let goes_on = !browser.is_done();
            leg.take_keys();
            goes_on
        });
        self.send_signals();
    }

    fn send_signals(&mut self) {
        for signal in self.out.drain(..) {
            let len = signal.bytes.len().min(ROOM);
            self.signals.room()[..len].copy_from_slice(&signal.bytes[..len]);
            let from = self.calls.legs[signal.leg].ip;
            if self.signals.push(len, from, signal.to) {
                self.calls.counts.refused += self.signals.flush(&self.socket);
            }
        }
        self.calls.counts.refused += self.signals.flush(&self.socket);
    }
}
