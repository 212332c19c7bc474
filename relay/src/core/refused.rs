//! Why a command is refused, in ng's exact words: SIP servers' scripts compare them.

/// The `error-reason` of a reply. What was wrong is the asker's doing, or ours to be short of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// `offer` or `answer` without a body.
    #[error("No SDP body in message")]
    NoSdp,
    #[error("No call-id in message")]
    NoCallId,
    #[error("No from-tag in message")]
    NoFromTag,
    #[error("No to-tag in message")]
    NoToTag,
    /// An `answer` or `query` for a call that was never offered, or is over.
    #[error("Unknown call-id")]
    UnknownCall,
    /// The body is not SDP.
    #[error("Failed to parse SDP")]
    Sdp,
    /// The tags do not name two different parties of the call.
    #[error("Invalid dialogue association")]
    Association,
    /// Every port of the range is in use; the asker tries another relay.
    #[error("Ran out of ports")]
    NoPorts,
    /// This shard holds as many calls as it may; the asker tries another relay.
    #[error("Parallel session limit reached")]
    TooManyCalls,
    /// `delete` with the flag `fatal`, and no such call or party.
    #[error("Call-ID not found or tags didn't match")]
    NotFound,
    /// A command that this relay does not execute.
    #[error("Unrecognized command")]
    Unrecognized,
}
