//! The bare words of a request, in one spelling.

use std::collections::BTreeSet;

use crate::apply::canonical;

/// A set of flags. Each is kept in lower case with hyphens, whatever its spelling was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags(BTreeSet<String>);

impl Flags {
    /// Whether a flag of [`flag`] is set.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.0.contains(flag)
    }

    /// Sets a flag, in any spelling.
    pub fn set(&mut self, flag: &str) {
        self.0.insert(canonical(flag));
    }

    /// The same as [`set`](Self::set), for sets built in one expression.
    #[must_use]
    pub fn with(mut self, flag: &str) -> Self {
        self.set(flag);
        self
    }

    /// All flags, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether no flag is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

macro_rules! known {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// The flags that mean something to a reader of [`Flags`].
        pub mod flag {
            $($(#[$doc])* pub const $name: &str = $word;)*

            pub(crate) const KNOWN: &[&str] = &[$($word,)*];
        }
    };
}

known! {
    /// Apply to everything there is.
    ALL = "all";
    /// Lets a subscriber drop a codec.
    ALLOW_TRANSCODING = "allow-transcoding";
    /// Convert even where the codecs are the same.
    ALWAYS_TRANSCODE = "always-transcode";
    /// The endpoint sends from another address than it receives at: no address is learned.
    ASYMMETRIC = "asymmetric";
    /// `offer`, `answer`: as `block DTMF` for the sender.
    BLOCK_DTMF = "block-dtmf";
    /// `offer`, `answer`: as `block media` for the sender.
    BLOCK_MEDIA = "block-media";
    /// The receiver's media may ride on one transport.
    BUNDLE_ACCEPT = "bundle-accept";
    /// The receiver's media are offered on one transport only.
    BUNDLE_REQUIRE = "bundle-require";
    /// Log more about this call.
    DEBUG = "debug";
    /// Report DTMF events.
    DETECT_DTMF = "detect-dtmf";
    /// Only media of the named party.
    DIRECTIONAL = "directional";
    /// `delete`: no statistics in the reply.
    FAST = "fast";
    /// `delete`: an unknown call is an error.
    FATAL = "fatal";
    /// `a=rtcp` with its address.
    FULL_RTCP_ATTRIBUTE = "full-rtcp-attribute";
    /// The body is a trickle ICE fragment.
    FRAGMENT = "fragment";
    /// Add `a=mid` where it is missing.
    GENERATE_MID = "generate-mid";
    /// Make RTCP of our own.
    GENERATE_RTCP = "generate-rtcp";
    /// Add `a=ice-options:ice2`.
    ICE2 = "ice2";
    /// Make ready for `play DTMF`.
    INJECT_DTMF = "inject-dtmf";
    /// Do not touch a body that has been through here already.
    LOOP_PROTECT = "loop-protect";
    /// A new source address is followed later in the call as well.
    MEDIA_HANDOVER = "media-handover";
    /// The answer comes from another branch.
    NEW_BRANCH = "new-branch";
    /// No port latching, with ICE either.
    NO_PORT_LATCHING = "no-port-latching";
    /// Nothing to the shared store.
    NO_REDIS_UPDATE = "no-redis-update";
    /// No `a=rtcp` line.
    NO_RTCP_ATTRIBUTE = "no-rtcp-attribute";
    /// No `a=tls-id` line.
    NO_TLS_ID = "no-tls-id";
    /// A held body's direction is left alone.
    ORIGINAL_SENDRECV = "original-sendrecv";
    /// SDES keys with base64 padding.
    PAD_CRYPTO = "pad-crypto";
    /// Keep the local port although the remote one changed.
    PORT_LATCHING = "port-latching";
    /// Record the call.
    RECORD_CALL = "record-call";
    /// Decrypt and encrypt anew where the keys are the same.
    RECRYPT = "recrypt";
    /// Forget what was learned about the endpoints.
    RESET = "reset";
    /// `offer`, `answer`: as `silence media` for the sender.
    SILENCE_MEDIA = "silence-media";
    /// Answer with one codec.
    SINGLE_CODEC = "single-codec";
    /// Believe `received-from` rather than the body.
    SIP_SOURCE_ADDRESS = "sip-source-address";
    /// Drop what comes from anywhere but the endpoint.
    STRICT_SOURCE = "strict-source";
    /// Remove all `a=extmap`.
    STRIP_EXTMAP = "strip-extmap";
    /// Opposite of `asymmetric`.
    SYMMETRIC = "symmetric";
    /// `delete`: take notice of the to-tag.
    TO_TAG = "to-tag";
    /// Add `a=ice-options:trickle`.
    TRICKLE_ICE = "trickle-ice";
    /// Believe the address in the body: the default.
    TRUST_ADDRESS = "trust-address";
    /// Media in one direction only.
    UNIDIRECTIONAL = "unidirectional";
}
