//! Offer and answer with one side (RFC 3264): what it says is taken in, what it is told is written out.
//!
//! All that is here concerns one side alone. Of the far side come only the medium itself (codecs, direction,
//! attributes) and its wishes.

use std::net::SocketAddr;

use control_proto::{Dtls, Ice, Request, Sdes, TransportProtocol, flag};
use sdp::{Connection, Crypto, Direction, Media, Protocol, RtcpAddress, Token};
use srtp::Suite;

use super::ice::Exchange;
use super::{Keys, Leg, Tools};
use crate::core::bundle::is_offered;
use crate::core::codecs::Codecs;
use crate::core::learning::Learning;

/// Attributes that name the sources of one sender. They are never passed on: a source that was never named may be
/// changed, by a fork or by another relay that takes the call over, without new SDP.
const SOURCE_ATTRIBUTES: [&str; 2] = ["ssrc", "ssrc-group"];

/// What our answer to one side takes from the leg of the far side, which has answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Far {
    muxes: bool,
    /// Its suite, where its keys stood in the SDP.
    pub(super) suite: Option<Suite>,
    /// It took our opportunistic offer.
    pub(super) is_opportunistic: bool,
}

/// A port that is not zero, which would reject the medium.
const DISCARD: u16 = 9;

impl Leg {
    /// What the answer to the other side takes from here.
    pub(crate) fn far(&self) -> Far {
        let uses_sdes = self.terms.sdes.is_in_use();
        let keys = self.keys.as_ref().filter(|_| uses_sdes);
        Far {
            muxes: self.terms.mux.agreed,
            suite: keys.map(Keys::suite),
            is_opportunistic: self.terms.osrtp.is_agreed(),
        }
    }

    /// This side offers `media`. `false` when it can only speak in a way that we cannot: the medium is then rejected.
    pub(crate) fn take_offer(&mut self, media: &Media, request: &Request, strict: bool) -> bool {
        let protocol = &media.protocol;
        let terms = &mut self.terms;
        terms.mid = media.mid.clone();
        terms.sdes.take_offer(&media.cryptos);
        terms.dtls.take_offer(media, request);
        let is_browser =
            protocol.is_dtls() && terms.dtls.was_offered() && media.ice.ufrag.is_some();
        terms.mux.take_offer(media, request.rtcp_mux, is_browser);
        self.take_common(media, request, strict);
        self.set_protocol(protocol.clone());
        self.take_osrtp_offer(media);
        !protocol.is_secure() || self.terms.dtls.was_offered() || self.terms.sdes.was_offered()
    }

    /// The same, for what needs the ports of this leg.
    pub(crate) fn take_offered_addresses(
        &mut self,
        media: &Media,
        is_lite: bool,
        own: &[SocketAddr],
        tools: &mut Tools<'_>,
    ) {
        self.take_ice(media, is_lite, Exchange::Offer, tools);
        self.take_addresses(media, own);
    }

    /// The protocol that an offer to this side will name, given what the far side offered: the one asked for, or else
    /// the one this side has always been spoken to in.
    pub(crate) fn choose_protocol(&mut self, offered: &Protocol, request: &Request, is_new: bool) {
        let asked = request
            .transport_protocol
            .and_then(protocol)
            .filter(|_| offered.is_rtp());
        match asked {
            Some(asked) => self.set_protocol(asked),
            None if is_new || offered.is_rtp() != self.terms.protocol.is_rtp() => {
                self.set_protocol(offered.clone())
            }
            None => {}
        }
    }

    /// Turns `out`, the far side's offer, into ours to this side. `first` are the far side's own crypto lines.
    pub(crate) fn write_offer(
        &mut self,
        out: &mut Media,
        index: usize,
        first: &[Crypto],
        request: &Request,
        tools: &mut Tools<'_>,
    ) {
        let (had_ice, wished_mux) = (out.ice.ufrag.is_some(), out.rtcp_mux);
        let held = is_hold(out);
        strip(out);
        out.protocol = self.terms.protocol.clone();
        out.mid = self.terms.mid.clone().or(out.mid.take());
        if out.mid.is_none() && (request.flags.has(flag::GENERATE_MID) || is_offered(request)) {
            out.mid = Some(Token::from(index as u64));
        }
        self.terms.mid = out.mid.clone();

        let one_port = self.terms.mux.requires(request.rtcp_mux);
        out.rtcp_mux = self.terms.mux.offer(wished_mux, request.rtcp_mux) && out.protocol.is_rtp();
        if self.offers_ice(had_ice, request) {
            self.begin_ice(true, false, tools);
        } else {
            self.end_ice();
        }
        self.write_ice(out, !one_port, request);
        self.write_ports(out, one_port, held, request);
        if out.protocol.is_secure() || self.offers_osrtp(out, request) {
            self.offer_keys(out, first, request, tools);
        }
    }

    /// Whether our offer to this side will have ICE; `had_ice` says whether that of the far side has.
    pub(crate) fn offers_ice(&self, had_ice: bool, request: &Request) -> bool {
        match request.ice {
            Some(Ice::Force | Ice::Optional | Ice::ForceRelay) => true,
            Some(Ice::Remove) => false,
            _ => had_ice || self.has_ice(),
        }
    }

    /// This side answers our offer. `false` when the answer leaves no way to speak.
    pub(crate) fn take_answer(
        &mut self,
        media: &Media,
        is_lite: bool,
        own: &[SocketAddr],
        strict: bool,
        request: &Request,
        tools: &mut Tools<'_>,
    ) -> bool {
        self.take_common(media, request, strict);
        if media.mid.is_some() {
            self.terms.mid = media.mid.clone();
        }
        self.terms.mux.take_answer(media);
        if self.has_ice() {
            self.take_ice(media, is_lite, Exchange::Answer, tools);
        }
        self.take_addresses(media, own);
        if self.terms.protocol.is_secure() {
            return self.take_keys(media, tools);
        }
        self.take_osrtp_answer(media, tools);
        true
    }

    /// Turns `out`, the far side's answer, into ours to this side. `false` when there are no keys for it.
    pub(crate) fn write_answer(
        &mut self,
        out: &mut Media,
        far: Far,
        request: &Request,
        tools: &mut Tools<'_>,
    ) -> bool {
        let held = is_hold(out);
        strip(out);
        // What was asked of it must not change whether there are keys: nobody could make them any more.
        let is_alike = out.protocol.is_rtp() && out.protocol.is_secure() == self.is_secure();
        if request.transport_protocol == Some(TransportProtocol::Accept) && is_alike {
            self.terms.protocol = out.protocol.clone();
        }
        out.protocol = self.terms.protocol.clone();
        out.mid = self.terms.mid.clone();
        let is_bundled = self.bundle.is_shared();
        self.terms.extensions.answer(&mut out.extmaps, is_bundled);
        out.rtcp_mux = self.terms.mux.answer(far.muxes) && out.protocol.is_rtp();
        if request.ice == Some(Ice::Remove) {
            self.end_ice();
        }
        let one_port = out.rtcp_mux;
        self.write_ice(out, !one_port, request);
        self.write_ports(out, one_port, held, request);
        if out.protocol.is_secure() {
            return self.answer_keys(out, far.suite, request, tools);
        }
        self.answer_osrtp(out, far, request, tools);
        true
    }

    pub(super) fn take_common(&mut self, media: &Media, request: &Request, strict: bool) {
        self.terms.learning = Learning::asked(request).unwrap_or(self.terms.learning);
        if request.flags.has(flag::RESET) {
            self.transports_mut()
                .for_each(|(_, transport)| transport.peer.forget());
        }
        self.terms.direction = media.direction;
        self.terms.port = Some(media.port);
        self.terms.held = is_hold(media);
        self.terms.strict = strict;
        self.codecs = Codecs::of(media);
        self.terms.extensions.agree(&media.extmaps);
    }

    fn set_protocol(&mut self, protocol: Protocol) {
        if self.terms.protocol.is_secure() && !protocol.is_secure() {
            self.end_dtls();
            self.terms.sdes.clear();
            self.keys = None;
        }
        self.terms.protocol = protocol;
    }

    /// Offers what this side chose before, or else both kinds of keys.
    fn offer_keys(
        &mut self,
        out: &mut Media,
        first: &[Crypto],
        request: &Request,
        tools: &mut Tools<'_>,
    ) {
        let (dtls_runs, sdes_runs) = (
            self.terms.dtls.role().is_some(),
            self.terms.sdes.is_in_use(),
        );
        if request.dtls != Some(Dtls::Off) && !sdes_runs {
            self.offer_dtls(out, request, tools);
        }
        if !request.sdes.off && !dtls_runs {
            out.cryptos = self.terms.sdes.offer(first, &sdes_words(request), tools);
        }
    }

    pub(super) fn take_keys(&mut self, media: &Media, tools: &mut Tools<'_>) -> bool {
        if self.take_dtls_answer(media, tools) {
            self.terms.sdes.clear();
            return true;
        }
        let Some(agreed) = self.terms.sdes.take_answer(&media.cryptos) else {
            return false;
        };
        self.end_dtls();
        agreed.install(&mut self.keys);
        true
    }

    pub(super) fn answer_keys(
        &mut self,
        out: &mut Media,
        far: Option<Suite>,
        request: &Request,
        tools: &mut Tools<'_>,
    ) -> bool {
        let sdes_offered = self.terms.sdes.was_offered() && !request.sdes.off;
        let sdes_preferred = request.sdes.prefer || request.dtls == Some(Dtls::Off);
        if self.terms.dtls.was_offered() && !(sdes_offered && sdes_preferred) {
            self.answer_dtls(out, request, tools);
            return true;
        }
        let Some((line, agreed)) = self
            .terms
            .sdes
            .answer(&sdes_words(request), far, tools)
            .filter(|_| sdes_offered)
        else {
            return false;
        };
        self.end_dtls();
        agreed.install(&mut self.keys);
        out.cryptos = vec![line];
        true
    }

    pub(super) fn write_ports(
        &self,
        out: &mut Media,
        one_port: bool,
        held: bool,
        request: &Request,
    ) {
        let port = |transport: Option<&super::Transport>| {
            transport.map_or(0, |transport| transport.bound.at.port())
        };
        let shown = Connection::from(request.media_address.unwrap_or(self.terms.shown));
        // One that rides gets its carrier's, once all are written.
        let rtp = match self.bundle.carrier {
            Some(_) => DISCARD,
            None => port(self.rtp.as_ref()),
        };
        let rtcp = if one_port || self.rtcp.is_none() {
            rtp
        } else {
            port(self.rtcp.as_deref())
        };
        out.port = rtp;
        if out.protocol.is_rtp() && !request.flags.has(flag::NO_RTCP_ATTRIBUTE) {
            let connection = request
                .flags
                .has(flag::FULL_RTCP_ATTRIBUTE)
                .then(|| shown.clone());
            out.rtcp = Some(RtcpAddress {
                port: rtcp,
                connection,
            });
        }
        // A side with ICE takes no notice of c=: for it the direction says all.
        let pass_zero = held && !self.has_ice() && !request.replace.zero_address;
        out.connection = Some(if pass_zero {
            Connection::zero(shown.family)
        } else {
            shown
        });
        if held && !request.flags.has(flag::ORIGINAL_SENDRECV) {
            out.direction = Direction::new(out.direction.sends(), false);
        }
    }
}

/// The zero address, from a side that does not use ICE: a hold of the old kind (RFC 3264 section 8.4). A browser
/// that hides its addresses writes it too, and does not mean that.
fn is_hold(media: &Media) -> bool {
    media
        .connection
        .as_ref()
        .is_some_and(Connection::is_unspecified)
        && media.ice.ufrag.is_none()
}

/// Takes out what concerns only the side that wrote the medium.
fn strip(media: &mut Media) {
    media.bundle_only = false;
    media.rtcp_mux_only = false;
    media.cryptos.clear();
    media.setup = None;
    media.fingerprints.clear();
    media.tls_id = None;
    media.rtcp = None;
    media.ice = sdp::Ice::default();
    media
        .attributes
        .retain(|attribute| !SOURCE_ATTRIBUTES.contains(&attribute.name.as_str()));
}

/// `pad-crypto` is an older name of one of the words.
fn sdes_words(request: &Request) -> Sdes {
    let mut words = request.sdes.clone();
    words.pad |= request.flags.has(flag::PAD_CRYPTO);
    words
}

fn protocol(asked: TransportProtocol) -> Option<Protocol> {
    Some(match asked {
        TransportProtocol::RtpAvp => Protocol::RtpAvp,
        TransportProtocol::RtpAvpf => Protocol::RtpAvpf,
        TransportProtocol::RtpSavp => Protocol::RtpSavp,
        TransportProtocol::RtpSavpf => Protocol::RtpSavpf,
        TransportProtocol::UdpTlsRtpSavp => Protocol::DtlsSavp,
        TransportProtocol::UdpTlsRtpSavpf => Protocol::DtlsSavpf,
        TransportProtocol::Accept => return None,
    })
}
