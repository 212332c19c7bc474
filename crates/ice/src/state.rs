//! What must outlive a process so that another can go on with the same peer: plain data, nothing derived.

use std::net::SocketAddr;

use crate::{AddressPolicy, Credentials, Local, Role};

/// One way between us and the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// Our bound address.
    pub local: SocketAddr,
    /// The peer's address as we see it.
    pub remote: SocketAddr,
}

/// Everything an [`crate::Agent`] needs to go on elsewhere without the peer noticing: it may send to the selected
/// pair at once, and answers checks made with the old credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Lite or full, and who controls.
    pub role: Role,
    /// 1 for RTP, 2 for RTCP.
    pub component: u8,
    /// Where may be sent to.
    pub policy: AddressPolicy,
    /// Our own credentials.
    pub credentials: Credentials,
    /// The peer's, once known.
    pub remote: Option<Credentials>,
    /// Our addresses, in the order they are advertised.
    pub locals: Vec<Local>,
    /// Where media goes, once known.
    pub selected: Option<Pair>,
}
