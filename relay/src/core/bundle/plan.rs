//! Which media of an offer are to share a port, as far as the offer and its command say.

use control_proto::{Request, Value};
use sdp::{Media, Session};

use super::{group_of, share, tells_apart};

/// Which media of an offer share a port, by their places, and whose it is.
#[derive(Debug, Default)]
pub(in crate::core) struct Plan {
    pub(super) carrier: usize,
    pub(super) riders: Vec<usize>,
    /// The side has offered it.
    pub(super) agreed: bool,
    /// Each has a port of its own until the side says that it takes them on one.
    pub(super) apart: bool,
}

impl Plan {
    /// Which media of the offer may ride, where `bundle=accept` is asked for. They take over what stands at their
    /// carrier only.
    pub(in crate::core) fn of(body: &mut Session, request: &Request) -> Self {
        let Some(group) = group_of(body).filter(|_| asks(request, "accept")) else {
            return Self::default();
        };
        let in_group = |media: &Media| {
            let mid = media.mid.as_ref();
            mid.is_some_and(|mid| group.mids.contains(mid))
        };
        let carries = |media: &Media| in_group(media) && media.port != 0 && media.rtcp_mux;
        let carrier = body.media.iter().position(carries);
        let Some((carrier, shared)) =
            carrier.and_then(|at| Some((at, body.media.get(at)?.clone())))
        else {
            return Self::default();
        };
        let mut together = vec![shared.clone()];
        let mut riders = Vec::new();
        for (index, media) in body
            .media
            .iter_mut()
            .enumerate()
            .skip(carrier.saturating_add(1))
        {
            let is_live = media.protocol.is_rtp() && (media.port != 0 || media.bundle_only);
            if in_group(media) && is_live && tells_apart(media, &together) {
                riders.push(index);
                share(&shared, media);
                together.push(media.clone());
            }
        }
        Self {
            carrier,
            riders,
            agreed: true,
            apart: false,
        }
    }

    /// Which media share a port towards a side that `bundle=offer` or `bundle=require` is asked for.
    pub(in crate::core) fn toward(body: &Session, request: &Request) -> Self {
        let mux = request.rtcp_mux;
        let must = requires(request) && mux.require;
        let may = asks(request, "offer") && (mux.offer || mux.require);
        let is_live =
            |media: &&(usize, &Media)| media.1.protocol.is_rtp() && !media.1.is_rejected();
        let media: Vec<(usize, &Media)> = body.media.iter().enumerate().collect();
        let mut live = media.iter().filter(is_live).map(|(index, _)| *index);
        let Some(carrier) = live.next().filter(|_| must || may) else {
            return Self::default();
        };
        Self {
            carrier,
            riders: live.collect(),
            agreed: false,
            apart: !must,
        }
    }

    /// Whether the medium at `index` is to share a port with others.
    pub(in crate::core) fn includes(&self, index: usize) -> bool {
        let is_carrier = index == self.carrier && !self.riders.is_empty();
        is_carrier || self.riders.contains(&index)
    }
}

/// Whether media of an offer are to be named as a bundle.
pub(in crate::core) fn is_offered(request: &Request) -> bool {
    requires(request) || asks(request, "offer")
}

/// Media that share the first one's port have none of their own in the offer (RFC 8843 section 7.2.1).
pub(in crate::core) fn is_strict(request: &Request) -> bool {
    asks(request, "strict")
}

fn requires(request: &Request) -> bool {
    asks(request, "require")
}

/// `bundle=...`, alone or among others, or as a flag.
fn asks(request: &Request, wanted: &str) -> bool {
    let is_it = |word: &str| word.eq_ignore_ascii_case(wanted);
    let asked = request.other.get("bundle").is_some_and(|value| {
        let one = value
            .as_str()
            .map(|words| words.split([' ', ',']).any(is_it));
        let several = || {
            value
                .as_list()
                .map(|list| list.iter().filter_map(Value::as_str).any(is_it))
        };
        one.or_else(several).unwrap_or(false)
    });
    asked || request.flags.has(&format!("bundle-{wanted}"))
}
