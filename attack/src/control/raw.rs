//! Datagrams for the control port that no client would write.

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control_proto::Key;

use crate::field::Place;
use crate::programs::NG;

/// How long a reply is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Who sends them.
pub(super) struct Raw {
    socket: UdpSocket,
    key: Option<Key>,
}

impl Raw {
    /// From a place; what it sends is signed if there is a key.
    pub(super) fn new(place: &Place, key: Option<Key>) -> Result<Self, String> {
        let socket = place.within(|| {
            let open = || {
                let socket = UdpSocket::bind("0.0.0.0:0")?;
                socket.connect(NG)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok::<_, std::io::Error>(socket)
            };
            open().map_err(|error| format!("a socket for {NG}: {error}"))
        })?;
        Ok(Self { socket, key })
    }

    /// The datagram of a message.
    pub(super) fn datagram(&self, cookie: &str, payload: &[u8]) -> Vec<u8> {
        let message = [cookie.as_bytes(), b" ", payload].concat();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let signed = (self.key.as_ref())
            .and_then(|key| key.sign_request(&message, unix.unwrap_or_default()));
        signed.unwrap_or(message)
    }

    /// Sends a datagram. One that is too long for UDP stays here.
    pub(super) fn send(&self, datagram: &[u8]) -> usize {
        self.socket.send(datagram).unwrap_or(0)
    }

    /// The next that comes back, if one does.
    pub(super) fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        let len = self.socket.recv(&mut buffer).ok()?;
        buffer.truncate(len);
        Some(buffer)
    }
}
