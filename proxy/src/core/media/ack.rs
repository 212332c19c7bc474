//! The body of an ACK to a 2xx: the answer to the offer that the 2xx made, or nothing that anybody has asked for.

use sip::Message;

use super::super::Core;
use super::super::names::{MediaId, Side};
use super::super::route::Route;
use super::body::Body;
use super::ng;
use super::webrtc::is_webrtc;

/// What becomes of it.
pub(in crate::core) enum AckBody {
    /// There is none.
    None,
    /// It came before, and is rewritten as it was then.
    Known(Vec<u8>),
    /// Nothing waits for an answer: the ACK goes on without it.
    Unasked,
    /// The relay must be asked.
    Ask {
        media: MediaId,
        call_id: String,
        question: Box<control_proto::Request>,
    },
    /// It cannot go on.
    Unusable,
}

impl Core {
    /// Decides.
    pub(in crate::core) fn media_of_ack(
        &self,
        request: &Message,
        route: &Route,
        [sender, receiver]: [Side; 2],
    ) -> AckBody {
        let Body::Sdp(sdp) = Body::of(request) else {
            return AckBody::None;
        };
        let Some(media) = route.media else {
            return AckBody::Unusable;
        };
        let Some(parties) = ng::Parties::of(request, media) else {
            return AckBody::Unusable;
        };
        if sender == Side::Browser && !is_webrtc(sdp) {
            return AckBody::Unusable;
        }
        if let Some(after) = self.media.answered_before(media, sdp) {
            return AckBody::Known(after);
        }
        let offerer = match self.media.late_offerer(media) {
            Some(offerer) => offerer,
            // Forgotten since (we may have been restarted): the relay still knows what it waits for.
            None if !self.media.knows(media) => parties.to_tag.clone().unwrap_or_default(),
            None => return AckBody::Unasked,
        };
        let question = ng::answer(
            &parties.call,
            &offerer,
            &parties.from_tag,
            sdp.to_vec(),
            receiver,
        );
        AckBody::Ask {
            media,
            call_id: parties.call_id,
            question: Box::new(question),
        }
    }
}
