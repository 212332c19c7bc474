//! The commands of the protocol, by their names on the wire.

macro_rules! commands {
    ($($variant:ident = $name:literal, $doc:literal;)*) => {
        /// What a request asks for. That a command has a name here does not mean that every relay
        /// executes it; one that does not answers `Unrecognized command`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command {
            $(#[doc = $doc] $variant,)*
        }

        impl Command {
            /// The name on the wire, such as `start recording`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

commands! {
    Ping = "ping", "Liveness; the answer is `pong`.";
    Offer = "offer", "A body from one side, to be rewritten for the other; makes the call.";
    Answer = "answer", "The body that comes back; needs a known call.";
    Delete = "delete", "Ends a call, a branch or a party.";
    Query = "query", "State and statistics of a call.";
    List = "list", "The call-ids.";
    Statistics = "statistics", "The relay's counters.";
    StartRecording = "start recording", "Starts recording a call.";
    StopRecording = "stop recording", "Stops recording a call.";
    PauseRecording = "pause recording", "Pauses recording a call.";
    BlockDtmf = "block DTMF", "Drops or replaces DTMF events.";
    UnblockDtmf = "unblock DTMF", "Ends `block DTMF`.";
    BlockMedia = "block media", "Drops media of a call, a party or one flow.";
    UnblockMedia = "unblock media", "Ends `block media`.";
    SilenceMedia = "silence media", "Replaces media by silence.";
    UnsilenceMedia = "unsilence media", "Ends `silence media`.";
    StartForwarding = "start forwarding", "Starts PCM forwarding.";
    StopForwarding = "stop forwarding", "Stops PCM forwarding.";
    PlayMedia = "play media", "Plays a file towards a party.";
    StopMedia = "stop media", "Ends `play media`.";
    PlayDtmf = "play DTMF", "Injects a DTMF event as if a party had sent it.";
    RequestPicture = "request picture", "Asks a party for a picture that stands alone (RTCP PLI). Causeway's own: rtpengine has no such command.";
    Publish = "publish", "Takes media from a publisher.";
    SubscribeRequest = "subscribe request", "Asks for a copy of a party's media.";
    SubscribeAnswer = "subscribe answer", "The subscriber's answer.";
    Unsubscribe = "unsubscribe", "Ends a subscription.";
    InjectStart = "inject start", "Mixes a party's audio into another's.";
    InjectStop = "inject stop", "Ends `inject start`.";
    Connect = "connect", "Joins two parties without signalling.";
    Create = "create", "Makes a call or a party, and an offer body for it.";
    CreateAnswer = "create answer", "The answer to `create`.";
    Mesh = "mesh", "Merges calls and lays media flows between parties.";
    Transform = "transform", "A media transform between two relays.";
    Cli = "cli", "A line for the command line interface.";
}

impl Command {
    /// The command of that name, whichever of a space, hyphen or underscore joins its words.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let spelled = |c: char| {
            if c == '-' || c == '_' {
                ' '
            } else {
                c.to_ascii_lowercase()
            }
        };
        Self::ALL.iter().copied().find(|command| {
            command
                .name()
                .chars()
                .map(|c| c.to_ascii_lowercase())
                .eq(name.trim().chars().map(spelled))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_name() {
        for &command in Command::ALL {
            assert_eq!(Command::from_name(command.name()), Some(command));
        }
        assert_eq!(Command::from_name("block-dtmf"), Some(Command::BlockDtmf));
        assert_eq!(Command::from_name("offers"), None);
    }
}
