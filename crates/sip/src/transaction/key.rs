//! How a message finds its transaction (RFC 3261 sections 17.1.3 and 17.2.3).

/// Names a server transaction.
///
/// The RFC's key is branch, sent-by and method. The connection is part of ours because browsers'
/// libraries draw branches from only 10^7 values and write a sent-by that nobody checks: without it one
/// browser could hit another's transaction, by accident or on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerKey {
    /// Method and sent-by, in which there is no space, and branch.
    text: Box<str>,
    port: Option<u16>,
    flow: Option<u64>,
}

impl ServerKey {
    /// The key of a request; `host` and `port` are those of its sent-by. An ACK has the key of the INVITE that it may
    /// acknowledge. `flow` is the connection it came by; `None` for a datagram.
    pub fn new(
        branch: &str,
        host: &str,
        port: Option<u16>,
        method: &str,
        flow: Option<u64>,
    ) -> Self {
        let method = if method == "ACK" { "INVITE" } else { method };
        let mut text = [method, " ", host, " ", branch].concat();
        let begin = method.len().saturating_add(1);
        if let Some(host) = text.get_mut(begin..begin.saturating_add(host.len())) {
            host.make_ascii_lowercase();
        }
        let text = text.into();
        Self { text, port, flow }
    }

    /// The INVITE that a CANCEL with this key would cancel (section 9.2).
    pub fn cancelled(&self) -> Self {
        let (_, rest) = self.text.split_once(' ').unwrap_or_default();
        let text = ["INVITE ", rest].concat().into();
        Self { text, ..*self }
    }
}

/// Names a client transaction: the branch is ours, and so unique; CANCEL shares it with its INVITE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientKey(
    /// Method, in which there is no space, and branch.
    Box<str>,
);

impl ClientKey {
    /// The key of a response, from its top Via's branch and its CSeq's method.
    pub fn new(branch: &str, method: &str) -> Self {
        Self([method, " ", branch].concat().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_and_a_cancel_find_their_invite() {
        let invite = ServerKey::new("z9hG4bK1", "a.invalid", None, "INVITE", Some(1));
        assert_eq!(
            ServerKey::new("z9hG4bK1", "A.invalid", None, "ACK", Some(1)),
            invite
        );
        let cancel = ServerKey::new("z9hG4bK1", "a.invalid", None, "CANCEL", Some(1));
        assert_ne!(cancel, invite);
        assert_eq!(cancel.cancelled(), invite);
    }

    #[test]
    fn the_same_branch_on_another_connection_is_another_transaction() {
        let one = ServerKey::new("z9hG4bK1234567", "a.invalid", None, "INVITE", Some(1));
        assert_ne!(
            ServerKey::new("z9hG4bK1234567", "a.invalid", None, "INVITE", Some(2)),
            one
        );
        assert_ne!(
            ServerKey::new("z9hG4bK1234567", "a.invalid", None, "INVITE", None),
            one
        );
    }
}
