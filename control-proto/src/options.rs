//! What a request may ask for, as types: each reads its words leniently and writes them in the
//! spelling that rtpengine's document gives.

use crate::apply::canonical;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $alias:literal)*;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The word on the wire.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The option that a word names, in any of the word's spellings.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                let word = canonical(word);
                $(if word == canonical($word) $(|| word == $alias)* { return Some(Self::$variant); })*
                None
            }
        }
    };
}

macro_rules! switches {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident = $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $name { $($(#[$field_doc])* pub $field: bool,)* }

        impl $name {
            /// The words that are switched on.
            #[must_use]
            pub fn words(self) -> Vec<&'static str> {
                let mut words = Vec::new();
                $(if self.$field { words.push($word); })*
                words
            }

            /// Switches a word on; false if there is no such word.
            pub(crate) fn apply(&mut self, word: &str) -> bool {
                let word = canonical(word);
                $(if word == canonical($word) { self.$field = true; return true; })*
                false
            }
        }
    };
}

words! {
    /// `transport-protocol`: how the medium is to be offered to the receiver of this body.
    TransportProtocol {
        /// Plain RTP.
        RtpAvp = "RTP/AVP" | "rtp" | "avp";
        /// Plain RTP with early feedback (RFC 4585).
        RtpAvpf = "RTP/AVPF" | "avpf";
        /// SRTP keyed by SDES or, by name only, DTLS.
        RtpSavp = "RTP/SAVP" | "srtp" | "savp";
        /// SRTP with early feedback.
        RtpSavpf = "RTP/SAVPF" | "savpf";
        /// DTLS-SRTP (RFC 5764).
        UdpTlsRtpSavp = "UDP/TLS/RTP/SAVP" | "dtls";
        /// DTLS-SRTP with early feedback: what browsers speak.
        UdpTlsRtpSavpf = "UDP/TLS/RTP/SAVPF";
        /// In an answer: the answerer's own choice goes through.
        Accept = "accept";
    }
}

words! {
    /// `ICE`: what becomes of ICE in the body. Without the key it is as [`Ice::Default`].
    Ice {
        /// Made anew when the body had ICE, else none.
        Default = "default";
        /// Always there.
        Force = "force";
        /// Never there.
        Remove = "remove";
        /// Ours beside the peer's own candidates.
        Optional = "optional";
        /// Ours as relay candidates beside the peer's own.
        ForceRelay = "force-relay";
    }
}

words! {
    /// `DTLS`: whether it is offered, and the role that is taken in an answer.
    Dtls {
        /// No DTLS.
        Off = "off" | "no" | "disable";
        /// Be the server wherever there is a choice.
        Passive = "passive";
        /// Be the client wherever there is a choice: the default.
        Active = "active";
    }
}

words! {
    /// `address-family`: the family of the addresses in the body that goes out.
    AddressFamily {
        /// IPv4.
        Ip4 = "IP4" | "inet" | "ipv4";
        /// IPv6.
        Ip6 = "IP6" | "inet6" | "ipv6";
    }
}

switches! {
    /// `rtcp-mux`: how RTCP multiplexing (RFC 5761) is negotiated. With none of them the sender's
    /// own wish is passed on.
    RtcpMux {
        /// Offer it although the sender did not.
        offer = "offer";
        /// Offer it and insist: one port only.
        require = "require";
        /// Do not offer it on, but accept it towards the sender.
        demux = "demux";
        /// Accept it towards the sender.
        accept = "accept";
        /// Refuse it towards the sender.
        reject = "reject";
    }
}

switches! {
    /// `replace`: the parts of the body's head that are to be our own.
    Replace {
        /// The address in `o=`.
        origin = "origin";
        /// The whole of `o=`.
        origin_full = "origin-full";
        /// The user name in `o=`, kept stable towards the receiver.
        username = "username";
        /// The session name `s=`, kept stable towards the receiver.
        session_name = "session-name";
        /// The version in `o=`, raised only when the body changed.
        sdp_version = "SDP-version";
        /// The version in `o=`, raised always.
        force_increment_sdp_version = "force-increment-sdp-ver";
        /// A zero address in `c=`.
        zero_address = "zero-address";
        /// The session's `c=`; every medium has one of its own in any case.
        session_connection = "session-connection";
    }
}

/// `SDES`: which crypto suites are offered and taken. Suite names are as in RFC 4568 and RFC 7714,
/// upper case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sdes {
    /// No SDES at all.
    pub off: bool,
    /// SDES rather than DTLS where both were offered.
    pub prefer: bool,
    /// Keys are written with their base64 padding.
    pub pad: bool,
    /// Keys are written with the lifetime `2^31`.
    pub lifetime: bool,
    /// In an answer: keep the suite that was taken before.
    pub static_suite: bool,
    /// Add no suites of our own; beats `only` and `no`.
    pub no_new: bool,
    /// Suites that must not be added.
    pub no: Vec<String>,
    /// The only suites that may be added; beats `no`.
    pub only: Vec<String>,
    /// The order in which suites are offered.
    pub order: Vec<String>,
    /// The order in which an offerer's suites are preferred.
    pub offerer_pref: Vec<String>,
    /// Words that mean nothing to us, kept so that a request is sent on as it came.
    pub other: Vec<String>,
}

impl Sdes {
    pub(crate) fn apply(&mut self, word: &str) -> bool {
        let key = canonical(word);
        let after = |length: usize| word.get(length..).unwrap_or_default().to_ascii_uppercase();
        let suites = |length: usize| after(length).split([';', ',']).map(str::to_owned).collect();
        match key.as_str() {
            "off" | "no" | "disable" => self.off = true,
            "prefer" => self.prefer = true,
            "pad" => self.pad = true,
            "lifetime" => self.lifetime = true,
            "static" => self.static_suite = true,
            "nonew" | "no-new" => self.no_new = true,
            _ if key.starts_with("no-") => self.no.push(after(3)),
            _ if key.starts_with("only-") => self.only.push(after(5)),
            _ if key.starts_with("order:") => self.order = suites(6),
            _ if key.starts_with("offerer-pref:") => self.offerer_pref = suites(13),
            _ => {
                self.other.push(word.to_owned());
                return false;
            }
        }
        true
    }

    /// The words on the wire.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let switches = [
            (self.off, "off"),
            (self.prefer, "prefer"),
            (self.pad, "pad"),
            (self.lifetime, "lifetime"),
            (self.static_suite, "static"),
            (self.no_new, "nonew"),
        ];
        words.extend(
            switches
                .iter()
                .filter(|(on, _)| *on)
                .map(|(_, word)| (*word).to_owned()),
        );
        words.extend(self.no.iter().map(|suite| format!("no-{suite}")));
        words.extend(self.only.iter().map(|suite| format!("only-{suite}")));
        for (name, order) in [("order", &self.order), ("offerer_pref", &self.offerer_pref)] {
            if !order.is_empty() {
                words.push(format!("{name}:{}", order.join(";")));
            }
        }
        words.extend(self.other.iter().cloned());
        words
    }
}

/// `codec`: what is to be done with which codecs. The names are as in `a=rtpmap`, with whatever
/// follows them (`opus/48000/2`), in the case in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codec {
    /// Remove from the body.
    pub strip: Vec<String>,
    /// Keep in the body although another rule strips all.
    pub except: Vec<String>,
    /// Offer, if the sender has it.
    pub offer: Vec<String>,
    /// Offer, and convert if need be.
    pub transcode: Vec<String>,
    /// Hide from the receiver, but use towards the sender.
    pub mask: Vec<String>,
    /// Use towards the sender although the receiver lacks it.
    pub consume: Vec<String>,
    /// Take as accepted by the receiver.
    pub accept: Vec<String>,
    /// Parameters for a codec.
    pub set: Vec<String>,
    /// Remove from the body unless named here.
    pub ignore: Vec<String>,
}

impl Codec {
    /// The lists by their names on the wire.
    pub(crate) fn lists(&self) -> [(&'static str, &[String]); 9] {
        [
            ("strip", &self.strip),
            ("except", &self.except),
            ("offer", &self.offer),
            ("transcode", &self.transcode),
            ("mask", &self.mask),
            ("consume", &self.consume),
            ("accept", &self.accept),
            ("set", &self.set),
            ("ignore", &self.ignore),
        ]
    }

    pub(crate) fn list(&mut self, operation: &str) -> Option<&mut Vec<String>> {
        Some(match operation {
            "strip" => &mut self.strip,
            "except" => &mut self.except,
            "offer" => &mut self.offer,
            "transcode" => &mut self.transcode,
            "mask" => &mut self.mask,
            "consume" => &mut self.consume,
            "accept" => &mut self.accept,
            "set" => &mut self.set,
            "ignore" => &mut self.ignore,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_every_spelling() {
        assert_eq!(
            TransportProtocol::from_word("rtp/savpf"),
            Some(TransportProtocol::RtpSavpf)
        );
        assert_eq!(
            TransportProtocol::from_word("AVP"),
            Some(TransportProtocol::RtpAvp)
        );
        assert_eq!(TransportProtocol::from_word("UDP/TLS/RTP/SAVPFX"), None);
        assert_eq!(Ice::from_word("force_relay"), Some(Ice::ForceRelay));
        assert_eq!(Dtls::from_word("Disable"), Some(Dtls::Off));
    }

    #[test]
    fn replace_takes_names_with_spaces() {
        let mut replace = Replace::default();
        assert!(
            replace.apply("SDP version")
                && replace.apply("session-name")
                && replace.apply("zero_address")
        );
        assert!(!replace.apply("everything"));
        assert_eq!(
            replace.words(),
            ["session-name", "SDP-version", "zero-address"]
        );
    }

    #[test]
    fn sdes_words_survive() {
        let mut sdes = Sdes::default();
        for word in [
            "pad",
            "no-AES_256_CM_HMAC_SHA1_80",
            "only-aead_aes_128_gcm",
            "order:A;B",
            "offerer_pref:C",
        ] {
            assert!(sdes.apply(word), "{word}");
        }
        assert!(!sdes.apply("unheard-of"));
        assert_eq!(
            sdes.words(),
            [
                "pad",
                "no-AES_256_CM_HMAC_SHA1_80",
                "only-AEAD_AES_128_GCM",
                "order:A;B",
                "offerer_pref:C",
                "unheard-of"
            ]
        );
    }
}
