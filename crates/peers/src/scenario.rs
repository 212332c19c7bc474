//! What the two legs of a call speak. Leg A is always a plain phone and offers; leg B answers.

use clap::ValueEnum;
use control_proto::{Command, Dtls, Ice, Request, TransportProtocol};

use crate::srtp::Suite;

/// The kinds of call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Scenario {
    /// RTP/AVP on both legs
    AvpAvp,
    /// RTP/SAVPF with SDES, AES_CM_128_HMAC_SHA1_80
    AvpSdes,
    /// RTP/SAVPF with SDES, AES_CM_128_HMAC_SHA1_32
    AvpSdes32,
    /// RTP/SAVPF with SDES, AEAD_AES_128_GCM
    AvpGcm,
    /// A browser: ICE and DTLS-SRTP, in turn the active and the passive side
    AvpDtls,
    /// The same, the browser always active
    AvpDtlsActive,
    /// The same, the browser always passive
    AvpDtlsPassive,
}

impl Scenario {
    /// Whether leg B is a browser.
    pub fn is_dtls(self) -> bool {
        matches!(
            self,
            Self::AvpDtls | Self::AvpDtlsActive | Self::AvpDtlsPassive
        )
    }

    /// The suite of SDES.
    pub fn suite(self) -> Option<Suite> {
        match self {
            Self::AvpSdes => Some(Suite::CmSha1_80),
            Self::AvpSdes32 => Some(Suite::CmSha1_32),
            Self::AvpGcm => Some(Suite::Gcm128),
            _ => None,
        }
    }

    /// Whether the browser of call `number` is to be the DTLS client.
    pub fn is_active(self, number: usize) -> bool {
        match self {
            Self::AvpDtlsActive => true,
            Self::AvpDtlsPassive => false,
            _ => number.is_multiple_of(2),
        }
    }

    /// The plain phone's offer, on its way to leg B.
    pub fn offer(self, call: &str, sdp: String) -> Request {
        let mut offer = body(Command::Offer, call, sdp);
        if self.is_dtls() {
            offer.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavpf);
            offer.ice = Some(Ice::Force);
            offer.sdes.off = true;
            offer.rtcp_mux.offer = true;
        } else if self.suite().is_some() {
            offer.transport_protocol = Some(TransportProtocol::RtpSavpf);
            offer.ice = Some(Ice::Remove);
            offer.dtls = Some(Dtls::Off);
        } else {
            offer.transport_protocol = Some(TransportProtocol::RtpAvp);
            offer.ice = Some(Ice::Remove);
        }
        offer
    }
}

/// Leg B's answer, on its way to the phone.
pub fn answer(call: &str, sdp: String) -> Request {
    let mut answer = body(Command::Answer, call, sdp);
    answer.to_tag = Some("answerer".to_owned());
    answer.ice = Some(Ice::Remove);
    answer
}

/// The end of a call, at once.
pub fn delete(call: &str) -> Request {
    let mut delete = named(Command::Delete, call);
    delete.delete_delay = Some(std::time::Duration::ZERO);
    delete
}

fn body(command: Command, call: &str, sdp: String) -> Request {
    let mut request = named(command, call);
    request.sdp = Some(sdp.into_bytes());
    request.replace.origin = true;
    request.flags.set("trust-address");
    request
}

fn named(command: Command, call: &str) -> Request {
    let mut request = Request::new(command);
    request.call_id = Some(call.to_owned());
    request.from_tag = Some("offerer".to_owned());
    request
}
