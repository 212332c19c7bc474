//! What holds of both ways, and what the tests of each are made of.

#![allow(clippy::unwrap_used)] // a test may stop on the first surprise

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::late::Patience;
use super::sockets::Files;
use super::*;

/// Nothing takes as long that works.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// In the place of a shard: remembers what it is given and passes it on as it is told.
#[derive(Default)]
pub(super) struct Core {
    pub(super) heard: Vec<(SocketId, SocketAddr, Vec<u8>)>,
    pub(super) late: Vec<(SocketId, SocketAddr, Vec<u8>)>,
    /// By the socket it came to: the socket it leaves by, and where it goes.
    pub(super) routes: HashMap<SocketId, (SocketId, SocketAddr)>,
}

impl Relay for Core {
    fn receive(
        &mut self,
        socket: SocketId,
        from: SocketAddr,
        buffer: &mut [u8],
        len: usize,
    ) -> Option<Send> {
        self.heard.push((socket, from, buffer[..len].to_vec()));
        let (socket, to) = *self.routes.get(&socket)?;
        Some(Send { socket, to, len })
    }

    fn late(&mut self, socket: SocketId, from: SocketAddr, datagram: &[u8]) {
        self.late.push((socket, from, datagram.to_vec()));
    }
}

/// Opens any free port.
pub(super) fn open(backend: &mut impl Backend, id: SocketId) -> SocketAddr {
    loop {
        let at = phone().local_addr().unwrap();
        if backend.open(id, at) {
            return at;
        }
    }
}

/// Serves until it is done.
pub(super) fn serve(backend: &mut impl Backend, core: &mut Core, done: impl Fn(&Core) -> bool) {
    let until = Instant::now() + LONG;
    let mut lost = Lost::default();
    while !done(core) {
        assert!(Instant::now() < until, "{} heard", core.heard.len());
        backend.wait(Some(Duration::from_secs(1))).unwrap();
        backend.turn(core, &mut lost);
    }
}

pub(super) fn phone() -> UdpSocket {
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(LONG)).unwrap();
    phone
}

/// What waited for too long is told, and is nothing else; and all is as before when there is time again.
fn late_ones_are_dropped<B: Backend>(
    mut backend: B,
    patience: fn(&mut B) -> &mut Option<Patience>,
) {
    let (mut core, phone) = (Core::default(), phone());
    let at = open(&mut backend, SocketId(3));
    let (from, id) = (phone.local_addr().unwrap(), SocketId(3));
    let datagram = |byte| (id, from, vec![byte]);
    backend.set_overloaded(true);
    *patience(&mut backend) = Some(Patience::without());
    // Opened meanwhile: it is no different.
    let later = open(&mut backend, SocketId(4));
    // The kernel begins to note times a moment after it was asked to; what it notes none of is fresh.
    let until = Instant::now() + LONG;
    let is_late = |core: &Core, id| core.late.iter().any(|(late, ..)| *late == id);
    while !(is_late(&core, id) && is_late(&core, SocketId(4))) {
        assert!(Instant::now() < until, "nothing is late: {:?}", core.heard);
        let before = core.heard.len() + core.late.len();
        for to in [at, later] {
            phone.send_to(&[1], to).unwrap();
        }
        serve(&mut backend, &mut core, |core| {
            core.heard.len() + core.late.len() == before + 2
        });
    }
    assert!(core.late.contains(&datagram(1)));
    core.late.clear();
    core.heard.clear();
    // Fresh ones pass in any case: these are as fresh as a datagram can be.
    *patience(&mut backend) = Some(Patience::new(std::time::SystemTime::now()));
    phone.send_to(&[2], at).unwrap();
    serve(&mut backend, &mut core, |core| {
        core.heard.len() + core.late.len() > 0
    });
    backend.set_overloaded(false);
    assert!(patience(&mut backend).is_none());
    phone.send_to(&[3], at).unwrap();
    let is_three = |core: &Core| core.heard.last().is_some_and(|(_, _, bytes)| *bytes == [3]);
    serve(&mut backend, &mut core, is_three);
    assert_eq!(core.heard.last(), Some(&datagram(3)));
}

#[test]
fn late_datagrams_are_dropped_while_there_is_no_time_for_them() {
    let files = Arc::new(Files::new(1000));
    late_ones_are_dropped(Sockets::new(files, Vec::new()).unwrap(), |backend| {
        &mut backend.patience
    });
    match Common::new(1024..=65_535, b"A") {
        Ok(common) => {
            let backend = common.share(vec![Vec::new()]).unwrap().remove(0);
            late_ones_are_dropped(backend, |backend| &mut backend.patience);
        }
        Err(error) => eprintln!("not tested: {error}"),
    }
}
