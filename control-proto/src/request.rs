//! A request: what one side asks the relay to do with one body or call.

use std::net::IpAddr;
use std::time::Duration;

use crate::apply::Reading;
use crate::command::Command;
use crate::envelope::{Format, seal};
use crate::error::Refusal;
use crate::flags::Flags;
use crate::options::{AddressFamily, Codec, Dtls, Ice, Replace, RtcpMux, Sdes, TransportProtocol};
use crate::value::{Dictionary, Value};

/// One request. The fields are public, since a request is plain data: start from
/// [`new`](Self::new) and set what is wanted.
///
/// Strings that must be text and are not UTF-8 are as if they had not been given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub command: Command,
    /// The call.
    pub call_id: Option<String>,
    /// The party that the command is about: in `offer` and `answer` the tag of the offerer.
    pub from_tag: Option<String>,
    /// The other party: in an `answer` the one that the body comes from.
    pub to_tag: Option<String>,
    /// Tells the branches of a forked call apart.
    pub via_branch: Option<String>,
    /// The session description, as it stood in the SIP message.
    pub sdp: Option<Vec<u8>>,
    /// The protocol towards the receiver of the body.
    pub transport_protocol: Option<TransportProtocol>,
    /// What becomes of ICE; `None` is as [`Ice::Default`].
    pub ice: Option<Ice>,
    /// How RTCP multiplexing is negotiated.
    pub rtcp_mux: RtcpMux,
    /// Which crypto suites are offered and taken.
    pub sdes: Sdes,
    /// Whether DTLS is used, and in which role.
    pub dtls: Option<Dtls>,
    /// Opportunistic SRTP: the words as they came.
    pub osrtp: Vec<String>,
    /// Parts of the body's head that are to be our own.
    pub replace: Replace,
    /// Names of the interfaces that face the sender of the body and its receiver.
    pub direction: Option<[String; 2]>,
    /// The address family of the body that goes out.
    pub address_family: Option<AddressFamily>,
    /// The address to be written instead of the interface's.
    pub media_address: Option<IpAddr>,
    /// Where the SIP message came from.
    pub received_from: Option<IpAddr>,
    /// How long a deleted call goes on; `None` leaves it to the relay.
    pub delete_delay: Option<Duration>,
    /// The bare words.
    pub flags: Flags,
    /// What is to be done with which codecs.
    pub codec: Codec,
    /// What the sender understands, such as `load limit`.
    pub supports: Vec<String>,
    /// A name for the party that sends the body.
    pub label: Option<String>,
    /// A name for the party that is made.
    pub set_label: Option<String>,
    /// Several parties at once.
    pub from_tags: Vec<String>,
    /// Keys that have no field here, spelled in lower case with hyphens, with their values.
    pub other: Dictionary,
    /// Keys, flags and values that nobody knows; to be logged, and otherwise ignored.
    pub unknown: Vec<String>,
}

impl Request {
    /// A request that says nothing but its command.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self {
            command,
            call_id: None,
            from_tag: None,
            to_tag: None,
            via_branch: None,
            sdp: None,
            transport_protocol: None,
            ice: None,
            rtcp_mux: RtcpMux::default(),
            sdes: Sdes::default(),
            dtls: None,
            osrtp: Vec::new(),
            replace: Replace::default(),
            direction: None,
            address_family: None,
            media_address: None,
            received_from: None,
            delete_delay: None,
            flags: Flags::default(),
            codec: Codec::default(),
            supports: Vec::new(),
            label: None,
            set_label: None,
            from_tags: Vec::new(),
            other: Dictionary::new(),
            unknown: Vec::new(),
        }
    }

    /// Reads a request, leniently: keys and flags in any spelling, lists and numbers as strings, and
    /// flags such as `SDES-off` that stand for keys. A key that comes twice counts as it came last.
    pub fn decode(dictionary: Dictionary) -> Result<Self, Refusal> {
        let name = dictionary
            .get("command")
            .and_then(Value::as_str)
            .ok_or(Refusal::NoCommand)?;
        let mut reading = Reading::new(Command::from_name(name).ok_or(Refusal::UnknownCommand)?);
        for (key, value) in dictionary {
            reading.apply(&key, value);
        }
        Ok(reading.request)
    }

    /// Writes the dictionary, in the spelling that rtpengine's document gives.
    #[must_use]
    pub fn dictionary(&self) -> Dictionary {
        let mut out = Dictionary::new().with("command", self.command.name());
        let texts = [
            ("call-id", &self.call_id),
            ("from-tag", &self.from_tag),
            ("to-tag", &self.to_tag),
            ("via-branch", &self.via_branch),
            ("label", &self.label),
            ("set-label", &self.set_label),
        ];
        for (key, text) in texts {
            push_some(&mut out, key, text.clone());
        }
        push_some(&mut out, "sdp", self.sdp.clone().map(Value::Bytes));
        push_some(
            &mut out,
            "transport-protocol",
            self.transport_protocol.map(TransportProtocol::word),
        );
        push_some(&mut out, "ICE", self.ice.map(Ice::word));
        push_some(&mut out, "DTLS", self.dtls.map(Dtls::word));
        push_some(
            &mut out,
            "address-family",
            self.address_family.map(AddressFamily::word),
        );
        push_some(
            &mut out,
            "media-address",
            self.media_address.map(|address| address.to_string()),
        );
        push_list(&mut out, "rtcp-mux", self.rtcp_mux.words());
        push_list(&mut out, "SDES", self.sdes.words());
        push_list(&mut out, "OSRTP", self.osrtp.clone());
        push_list(&mut out, "replace", self.replace.words());
        push_list(
            &mut out,
            "direction",
            self.direction.iter().flatten().cloned(),
        );
        push_list(
            &mut out,
            "received-from",
            self.received_from.iter().flat_map(family_and_address),
        );
        push_list(&mut out, "from-tags", self.from_tags.clone());
        push_list(&mut out, "supports", self.supports.clone());
        push_list(&mut out, "flags", self.flags.iter());
        push_some(
            &mut out,
            "delete-delay",
            self.delete_delay
                .and_then(|delay| i64::try_from(delay.as_secs()).ok()),
        );
        let mut codec = Dictionary::new();
        for (operation, names) in self.codec.lists() {
            push_list(&mut codec, operation, names.to_vec());
        }
        push_some(
            &mut out,
            "codec",
            Some(codec).filter(|codec| !codec.is_empty()),
        );
        self.other
            .iter()
            .for_each(|(key, value)| out.push(key, value.clone()));
        out
    }

    /// Writes the whole datagram.
    #[must_use]
    pub fn encode(&self, cookie: &[u8], format: Format) -> Vec<u8> {
        seal(cookie, format, &self.dictionary())
    }
}

fn push_some(out: &mut Dictionary, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        out.push(key, value);
    }
}

fn push_list<T: Into<Value>>(out: &mut Dictionary, key: &str, words: impl IntoIterator<Item = T>) {
    let words: Vec<Value> = words.into_iter().map(Into::into).collect();
    if !words.is_empty() {
        out.push(key, words);
    }
}

fn family_and_address(address: &IpAddr) -> [String; 2] {
    let family = if address.is_ipv4() {
        AddressFamily::Ip4
    } else {
        AddressFamily::Ip6
    };
    [family.word().to_owned(), address.to_string()]
}
