//! The shape of the file: names and kinds only. Every value keeps its place in
//! the text, so that a judgement can name the line.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::Fault;

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) domain: Option<Spanned<String>>,
    pub(super) upstream: Option<Spanned<Upstreams>>,
    #[serde(default)]
    pub(super) dns: Vec<Spanned<String>>,
    pub(super) register_rate: Option<Spanned<i64>>,
    pub(super) registration: Option<Spanned<String>>,
    pub(super) client_expires: Option<Spanned<i64>>,
    pub(super) upstream_expires: Option<Spanned<i64>>,
    pub(super) users: Option<Spanned<UsersOf>>,
    #[serde(default)]
    pub(super) listen: Listen,
    pub(super) acme: Option<Spanned<Acme>>,
    pub(super) sign_in: Option<Spanned<SignIn>>,
    #[serde(default)]
    pub(super) browsers: Browsers,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) calls: Calls,
    #[serde(default)]
    pub(super) tls: Tls,
    #[serde(default)]
    pub(super) relay: Relay,
    #[serde(default)]
    pub(super) media: Media,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Listen {
    pub(super) ws: Option<Spanned<OneOrMore>>,
    pub(super) wss: Option<Spanned<OneOrMore>>,
    pub(super) udp: Option<Spanned<OneOrMore>>,
    pub(super) tcp: Option<Spanned<OneOrMore>>,
    pub(super) tls: Option<Spanned<OneOrMore>>,
    #[serde(default)]
    pub(super) udp_only: bool,
    #[serde(default)]
    pub(super) proxy_protocol: Vec<Spanned<String>>,
    pub(super) cert: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) origins: Vec<Spanned<String>>,
    pub(super) ping: Option<Spanned<i64>>,
    pub(super) metrics: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) public_metrics: bool,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Browsers {
    pub(super) callers: Option<Spanned<String>>,
    pub(super) methods: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(super) strip: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) assert_identity: bool,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) connections: Option<Spanned<i64>>,
    pub(super) connections_per_address: Option<Spanned<i64>>,
    pub(super) new_connections_per_address: Option<Spanned<i64>>,
    pub(super) messages_per_connection: Option<Spanned<i64>>,
    pub(super) messages_per_address: Option<Spanned<i64>>,
    pub(super) ringing_per_connection: Option<Spanned<i64>>,
    pub(super) ringing_per_account: Option<Spanned<i64>>,
    pub(super) calls_per_account: Option<Spanned<i64>>,
    pub(super) wrong_passwords_per_address: Option<Spanned<i64>>,
    pub(super) wrong_passwords_per_account: Option<Spanned<i64>>,
    pub(super) silent: Option<Spanned<i64>>,
    pub(super) unregistered: Option<Spanned<i64>>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    pub(super) issuer: Option<Spanned<String>>,
    pub(super) audience: Option<Spanned<String>>,
    pub(super) jwks: Option<Spanned<String>>,
    pub(super) ca: Option<Spanned<String>>,
    pub(super) claim: Option<Spanned<String>>,
    pub(super) accounts: Option<Spanned<String>>,
    pub(super) realm: Option<Spanned<String>>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Acme {
    #[serde(default)]
    pub(super) names: Vec<Spanned<String>>,
    pub(super) contact: Option<Spanned<String>>,
    pub(super) directory: Option<Spanned<String>>,
    pub(super) store: Option<Spanned<String>>,
    pub(super) ca: Option<Spanned<String>>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Calls {
    pub(super) records: Option<Spanned<String>>,
    pub(super) token_key: Option<Spanned<String>>,
    pub(super) grace: Option<Spanned<i64>>,
    pub(super) longest: Option<Spanned<i64>>,
    pub(super) drain_timeout: Option<Spanned<i64>>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) upstream_ca: Option<Spanned<String>>,
    pub(super) upstream_cert: Option<Spanned<String>>,
    pub(super) upstream_key: Option<Spanned<String>>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Relay {
    pub(super) control: Option<Spanned<Upstreams>>,
    pub(super) listen: Option<Spanned<OneOrMore>>,
    #[serde(default)]
    pub(super) public_control: bool,
    pub(super) control_key: Option<Spanned<String>>,
    pub(super) recordings: Option<Spanned<String>>,
    pub(super) metrics: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) public_metrics: bool,
    pub(super) max_load: Option<Spanned<i64>>,
    pub(super) backend: Option<Spanned<String>>,
    pub(super) max_calls: Option<Spanned<i64>>,
    pub(super) answer_timeout: Option<Spanned<i64>>,
    pub(super) silence_timeout: Option<Spanned<i64>>,
    pub(super) hold_timeout: Option<Spanned<i64>>,
    pub(super) final_timeout: Option<Spanned<i64>>,
    pub(super) delete_delay: Option<Spanned<i64>>,
    pub(super) drain_timeout: Option<Spanned<i64>>,
    pub(super) audio_packet_rate: Option<Spanned<i64>>,
    pub(super) other_packet_rate: Option<Spanned<i64>>,
}

/// One SIP server or relay, or a list.
#[derive(Deserialize, Debug)]
#[serde(
    untagged,
    expecting = "upstream is \"udp:10.0.0.5:5060\" or a name, or a list of such and of { to = \"...\", weight = 1, priority = 0 }; [relay] control is the same of relays"
)]
pub(super) enum Upstreams {
    One(Upstream),
    More(Vec<Upstream>),
}

impl Upstreams {
    pub(super) fn as_slice(&self) -> &[Upstream] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

/// An address or name, alone or with its share.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
pub(super) enum Upstream {
    Text(String),
    Table(Weighed),
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Weighed {
    pub(super) to: String,
    pub(super) weight: Option<i64>,
    pub(super) priority: Option<i64>,
}

/// A string, or a list of them.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

/// The users of an edge that is its own registrar.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
pub(super) enum UsersOf {
    /// A file with a user in each line.
    File(String),
    /// Their passwords, by name.
    Table(BTreeMap<String, String>),
}

/// A port, or a word in its place.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
pub(super) enum BrowserPort {
    Number(i64),
    Word(String),
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Media {
    pub(super) public: Option<Spanned<OneOrMore>>,
    pub(super) advertise: Option<Spanned<String>>,
    pub(super) private: Option<Spanned<OneOrMore>>,
    #[serde(default)]
    pub(super) interfaces: BTreeMap<String, Spanned<OneOrMore>>,
    pub(super) tos: Option<Spanned<i64>>,
    pub(super) ports: Option<Spanned<String>>,
    pub(super) browser_port: Option<Spanned<BrowserPort>>,
    pub(super) ice: Option<Spanned<String>>,
    pub(super) dtmf: Option<Spanned<String>>,
    pub(super) shards: Option<Spanned<usize>>,
    #[serde(default)]
    pub(super) strict_source: bool,
    #[serde(default)]
    pub(super) pin: bool,
}

pub(super) fn parse(text: &str) -> Result<File, Fault> {
    toml::from_str(text).map_err(|error| Fault {
        at: error.span().map(|span| span.start),
        // TOML's own message names the token and what was expected instead.
        what: error.message().to_owned(),
    })
}
