//! What a ClientHello offers, read before an engine sees it.

use super::hello::ClientHello;
use super::kind;
use super::reassembly::{Reassembly, fragments};
use super::record::{HANDSHAKE, records};

/// A ClientHello that is still coming, for whoever must choose by it.
#[derive(Debug, Default)]
pub(crate) struct FirstHello(Reassembly);

impl FirstHello {
    /// Takes a datagram. Once the hello is whole: whether it offers DTLS 1.3. One that cannot be read offers nothing.
    pub(crate) fn take(&mut self, datagram: &[u8]) -> Option<bool> {
        for record in records(datagram).filter(|it| it.epoch() == 0 && it.kind == HANDSHAKE) {
            fragments(record.body).for_each(|fragment| self.0.take(&fragment));
        }
        let message = self.0.pop()?;
        let hello = ClientHello::parse(&message.body);
        Some(message.kind == kind::CLIENT_HELLO && hello.is_some_and(|hello| hello.has_dtls13))
    }
}
