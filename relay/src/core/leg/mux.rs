//! rtcp-mux (RFC 5761) with one side.

use control_proto::RtcpMux;
use sdp::Media;

/// What was said about rtcp-mux on one leg.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mux {
    /// RTP and RTCP share the RTP port.
    pub(crate) agreed: bool,
    /// We offered it to this side.
    offered: bool,
    /// This side offered it to us.
    wished: bool,
    /// To be accepted whatever the other side does.
    accept: bool,
    reject: bool,
}

impl Mux {
    /// This side offers. `certain` says that it has no other choice: a browser.
    pub(crate) fn take_offer(&mut self, media: &Media, words: RtcpMux, certain: bool) {
        self.wished = media.rtcp_mux;
        self.accept = words.demux || words.accept || certain;
        self.reject = words.reject;
    }

    /// Whether one port is enough for this side, which offered.
    pub(crate) fn will_be_accepted(&self) -> bool {
        self.wished && !self.reject && (self.accept || self.agreed)
    }

    /// The answer to this side. `other_side` says whether the far side multiplexes.
    pub(crate) fn answer(&mut self, other_side: bool) -> bool {
        self.agreed = self.wished && !self.reject && (self.accept || self.agreed || other_side);
        self.agreed
    }

    /// Whether an offer to this side insists: one port only. Once in use it stays so.
    pub(crate) fn requires(&self, words: RtcpMux) -> bool {
        self.agreed || words.require
    }

    /// The offer to this side; `wished` says whether the far side wished for it.
    pub(crate) fn offer(&mut self, wished: bool, words: RtcpMux) -> bool {
        self.offered = self.requires(words) || words.offer || (wished && !words.demux);
        self.offered
    }

    /// This side answers.
    pub(crate) fn take_answer(&mut self, media: &Media) {
        self.agreed = self.offered && media.rtcp_mux;
    }
}
