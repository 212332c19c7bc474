//! Opportunistic SRTP (RFC 8643): keys under the name of a plain protocol. Who understands them answers with keys, who
//! does not answers without, and both are fine.
//!
//! An opportunistic offer is passed on as one, and accepted when the far side accepts. The older ways, with two
//! m-lines for one medium, are not spoken.

use control_proto::Request;
use sdp::Media;

use super::negotiate::Far;
use super::{Leg, Tools};

/// What was said of it on one leg.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Osrtp {
    /// This side's last offer had keys under a plain protocol.
    received: bool,
    /// Ours to this side shall have.
    wished: bool,
    /// Ours to this side had.
    offered: bool,
    /// What is spoken with this side is SRTP, whatever the protocol's name.
    agreed: bool,
}

impl Osrtp {
    pub(crate) fn was_received(self) -> bool {
        self.received
    }

    /// The far side's offer was an opportunistic one, or not.
    pub(crate) fn wish(&mut self, wished: bool) {
        self.wished = wished;
    }

    pub(crate) fn is_agreed(self) -> bool {
        self.agreed
    }
}

impl Leg {
    /// Whether SRTP is spoken with this side.
    pub(crate) fn is_secure(&self) -> bool {
        self.terms.protocol.is_secure() || self.terms.osrtp.agreed
    }

    /// This side offers.
    pub(super) fn take_osrtp_offer(&mut self, media: &Media) {
        let has_keys = self.terms.dtls.was_offered() || self.terms.sdes.was_offered();
        self.terms.osrtp.received =
            media.protocol.is_rtp() && !media.protocol.is_secure() && has_keys;
        if !self.terms.osrtp.received {
            self.end_osrtp();
        }
    }

    /// Whether our offer to this side, under a plain protocol, has keys.
    pub(super) fn offers_osrtp(&mut self, out: &Media, request: &Request) -> bool {
        let osrtp = &mut self.terms.osrtp;
        let is_plain = out.protocol.is_rtp() && !out.protocol.is_secure();
        osrtp.offered = is_plain && (osrtp.wished || osrtp.agreed || asks(request, "offer"));
        osrtp.offered
    }

    /// This side answers our offer under a plain protocol.
    pub(super) fn take_osrtp_answer(&mut self, media: &Media, tools: &mut Tools<'_>) {
        let agreed = self.terms.osrtp.offered && self.take_keys(media, tools);
        if agreed {
            self.terms.osrtp.agreed = true;
        } else {
            self.end_osrtp();
        }
    }

    /// Our answer to this side, under a plain protocol.
    pub(super) fn answer_osrtp(
        &mut self,
        out: &mut Media,
        far: Far,
        request: &Request,
        tools: &mut Tools<'_>,
    ) {
        let wanted = far.is_opportunistic || asks(request, "accept");
        let accepts = self.terms.osrtp.received && wanted;
        if accepts && self.answer_keys(out, far.suite, request, tools) {
            self.terms.osrtp.agreed = true;
        } else {
            self.end_osrtp();
        }
    }

    /// Plain from now on.
    fn end_osrtp(&mut self) {
        if self.terms.protocol.is_secure() {
            return;
        }
        if std::mem::take(&mut self.terms.osrtp.agreed) {
            self.keys = None;
        }
        if self.terms.osrtp.offered {
            self.end_dtls();
            self.terms.sdes.clear();
        }
    }
}

/// `offer` and `accept`, with `-RFC` or without.
fn asks(request: &Request, word: &str) -> bool {
    request.osrtp.iter().any(|given| {
        let given = given.to_ascii_lowercase();
        given == word || given.strip_suffix("-rfc") == Some(word)
    })
}
