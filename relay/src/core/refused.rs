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
    /// Any other command for a call that is not there.
    #[error("Unknown call-ID")]
    UnknownCallId,
    /// A command for one party that names none.
    #[error("No participant party specified")]
    NoParty,
    #[error("From-tag given, but no such tag exists")]
    NoFromParty,
    #[error("To-tag not found")]
    NoToParty,
    #[error("No monologue matching the given label")]
    NoSuchLabel,
    #[error("Failed to match address to any tag")]
    NoSuchAddress,
    /// DTMF is to be hidden in a way that takes a decoder.
    #[error("DTMF-security: only 'drop' is supported")]
    DtmfSecurity,
    #[error("DTMF code missing or unknown")]
    NoDtmfCode,
    /// `play DTMF` towards a side that takes no telephone events.
    #[error("No telephone-event payload type negotiated")]
    NoDtmf,
    /// `request picture` of a party that sends none, or hears no feedback.
    #[error("No pictures to ask for")]
    NoPictures,
    /// `start recording` on a relay that was given no directory for it.
    #[error("Recording is not configured")]
    RecordingOff,
    #[error("Call is not being recorded")]
    NotRecording,
    /// A command of the protocol that this relay does not have.
    #[error("Command '{0}' is not supported")]
    Unsupported(&'static str),
    #[error("No medias found (no monologues matched)")]
    NoMedia,
    /// The answer leaves out a codec that the source may use, or leaves no way to speak.
    #[error("Failed to process subscription answer")]
    Subscription,
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
    /// The core of this shard has no time left; the asker tries another relay.
    #[error("CPU usage limit exceeded")]
    Overloaded,
    /// `delete` with the flag `fatal`, and no such call or party.
    #[error("Call-ID not found or tags didn't match")]
    NotFound,
}
