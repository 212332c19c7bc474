//! Congestion feedback that numbers all packets of a transport: it is true only between sides whose media share their
//! ports alike. To a side with a port for each medium, the packets of the others would be lost.

use sdp::{Formats, Media, Text};

/// The header extension that numbers the packets, in its two versions.
const EXTENSIONS: [&str; 2] = [
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02",
];
/// The feedback about them.
const FEEDBACK: &str = "transport-cc";

/// Takes the numbers and the feedback out of a medium.
pub(super) fn take_out(media: &mut Media) {
    media
        .extmaps
        .retain(|extension| !EXTENSIONS.contains(&extension.uri.as_str()));
    let other = |feedback: &Text| feedback.as_str() != FEEDBACK;
    media.rtcp_fb_all.retain(other);
    if let Formats::Rtp(payloads) = &mut media.formats {
        for payload in payloads {
            payload.rtcp_fb.retain(other);
        }
    }
}
