//! The messages of a handshake, as both sides hash and sign them.

use super::reassembly::Message;

/// All messages so far, and the number of our next one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    bytes: Vec<u8>,
    next: u16,
}

impl Transcript {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// With these behind it, though they may yet prove to be wrong.
    pub(crate) fn with(&self, messages: &[Message]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        messages
            .iter()
            .for_each(|message| message.write(&mut bytes));
        bytes
    }

    /// A message of the peer's.
    pub(crate) fn hear(&mut self, message: &Message) {
        message.write(&mut self.bytes);
    }

    /// A message of ours, with its number.
    pub(crate) fn say(&mut self, kind: u8, body: Vec<u8>) -> Message {
        let message = Message {
            kind,
            sequence: self.next,
            body,
        };
        self.next = self.next.saturating_add(1);
        message.write(&mut self.bytes);
        message
    }

    /// A ClientHello that was asked for a cookie does not count (RFC 6347 section 4.2.1); its number does.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
    }
}
