//! Names that nobody can guess or forge: client and media session ids, branches, tags.
//!
//! All are keyed hashes. Those under the token key are the same on every edge that shares it and after a
//! restart; those under the seed are of this process only.

use std::fmt;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::config::Secrets;
use super::face::FlowId;
use super::hop::Hop;

/// A registered client (or, without registration, a flow): what a token leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ClientId(pub(super) [u8; 8]);

/// One call's media at a relay, as seen from one pass through this edge: the call's name, and the relay's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MediaId(pub(super) [u8; 12]);

impl MediaId {
    /// The call of this name at this relay.
    pub(super) fn new(name: [u8; 8], relay: RelayId) -> Self {
        let mut octets = name.into_iter().chain(relay.0);
        Self(std::array::from_fn(|_| octets.next().unwrap_or_default()))
    }

    /// The same at every relay.
    pub(super) fn name(self) -> [u8; 8] {
        let mut octets = self.0.into_iter();
        std::array::from_fn(|_| octets.next().unwrap_or_default())
    }

    /// Where it is.
    pub(super) fn relay(self) -> RelayId {
        let mut octets = self.0.into_iter().skip(8);
        RelayId(std::array::from_fn(|_| octets.next().unwrap_or_default()))
    }
}

/// One relay: what a token remembers of where a call's media are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RelayId(pub(super) [u8; 4]);

impl From<RelayId> for [u8; 4] {
    fn from(id: RelayId) -> Self {
        id.0
    }
}

/// One address of the SIP server: what a token remembers of the way that a dialog takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TargetId(pub(super) [u8; 4]);

impl From<TargetId> for [u8; 4] {
    fn from(id: TargetId) -> Self {
        id.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {self}")
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "media {self}")
    }
}

impl fmt::Display for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.name()))
    }
}

/// Which side of the edge a message comes from or goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// WebSocket and WebRTC.
    Browser,
    /// The upstream and the phones behind it.
    Phone,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Browser => Self::Phone,
            Self::Phone => Self::Browser,
        }
    }
}

/// Octets of a branch that has a mark.
pub(super) const MARKED_BRANCH: usize = 35;

/// The keys, and how many names were drawn from the seed.
pub(super) struct Names {
    token_key: Key,
    seed: Key,
    drawn: u64,
}

impl Names {
    pub(super) fn new(secrets: &Secrets) -> Self {
        Self {
            token_key: Key::new(&secrets.token_key),
            seed: Key::new(&secrets.seed),
            drawn: 0,
        }
    }

    /// The client behind an address of record; `device` tells its devices apart.
    pub(super) fn client(&self, aor: &str, device: &str) -> ClientId {
        let hash = self
            .token_key
            .hash(b"client", &[aor.as_bytes(), device.as_bytes()]);
        ClientId(first(&hash))
    }

    /// The name of the media session of a call that begins with an INVITE from `from`.
    ///
    /// A retry after 407 has the same Call-ID and From-tag, and so the same session; a call that passes
    /// this edge a second time goes the other way, a fork goes to another client: other sessions.
    pub(super) fn media(
        &self,
        call_id: &str,
        from_tag: &str,
        from: Side,
        client: ClientId,
    ) -> [u8; 8] {
        let direction: &[u8] = match from {
            Side::Browser => b"up",
            Side::Phone => b"down",
        };
        let parts = [
            call_id.as_bytes(),
            from_tag.as_bytes(),
            direction,
            &client.0,
        ];
        first(&self.token_key.hash(b"media", &parts))
    }

    /// The name of a relay: the same on every edge, in any order of the list.
    pub(super) fn relay(&self, address: SocketAddr) -> RelayId {
        let address = address.to_string();
        RelayId(first(&self.token_key.hash(b"relay", &[address.as_bytes()])))
    }

    /// The name of an address of the SIP server: the same on every edge, in any order of the list.
    pub(super) fn target(&self, hop: Hop) -> TargetId {
        let hop = hop.to_string();
        TargetId(first(&self.token_key.hash(b"target", &[hop.as_bytes()])))
    }

    /// What spreads requests over the SIP server's addresses: the same for one name of one kind, and nobody can make a
    /// name that goes where he likes.
    pub(super) fn spread(&self, kind: &str, name: &str) -> u64 {
        let parts = [kind.as_bytes(), name.as_bytes()];
        u64::from_be_bytes(first(&self.token_key.hash(b"spread", &parts)))
    }

    /// A number by chance, below `bound` or 0.
    pub(super) fn jitter(&mut self, bound: u32) -> u32 {
        let drawn = u32::from_be_bytes(self.draw(b"jitter"));
        drawn.checked_rem(bound).unwrap_or(0)
    }

    /// The signature of a token's contents.
    pub(super) fn signature(&self, contents: &[u8]) -> [u8; 12] {
        first(&self.token_key.hash(b"token", &[contents]))
    }

    /// The signature of what rides beside this token, in the requests of this call.
    pub(super) fn beside_signature(&self, token: &str, call_id: &str, contents: &str) -> [u8; 12] {
        let parts = [token, call_id, contents].map(str::as_bytes);
        first(&self.token_key.hash(b"beside", &parts))
    }

    /// A To-tag for our own answer to a request: the same again when the request comes again.
    pub(super) fn tag(&self, call_id: &str, branch: &str) -> String {
        let hash = self
            .seed
            .hash(b"tag", &[call_id.as_bytes(), branch.as_bytes()]);
        URL_SAFE_NO_PAD.encode(first::<9>(&hash))
    }

    /// A branch that was never used before.
    pub(super) fn branch(&mut self) -> String {
        self.marked_branch("")
    }

    /// A branch that was never used before, and that its request is known by when it comes back.
    pub(super) fn marked_branch(&mut self, mark: &str) -> String {
        let mut branch = String::with_capacity(MARKED_BRANCH);
        branch.push_str("z9hG4bK");
        URL_SAFE_NO_PAD.encode_string(self.draw::<12>(b"branch"), &mut branch);
        branch.push_str(mark);
        branch
    }

    /// What this process, and no other, makes of these parts.
    pub(super) fn mark(&self, parts: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(first::<9>(&self.seed.hash(b"mark", parts)))
    }

    /// The name of a flow whose client has not registered.
    pub(super) fn anonymous_client(&mut self) -> ClientId {
        ClientId(self.draw(b"flow"))
    }

    /// A nonce for this flow, made so many seconds after the first one.
    pub(super) fn nonce(&mut self, flow: FlowId, made: u64) -> String {
        self.drawn = self.drawn.wrapping_add(1);
        let contents = [self.drawn.to_be_bytes(), made.to_be_bytes()].concat();
        let signature: [u8; 12] = self.nonce_signature(flow, &contents);
        URL_SAFE_NO_PAD.encode([contents.as_slice(), &signature].concat())
    }

    /// The serial number of a nonce that was made for this flow, and when it was made; `None` of any other text.
    pub(super) fn nonce_of(&self, text: &str, flow: FlowId) -> Option<(u64, u64)> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (contents, signature) = bytes.split_at_checked(16)?;
        if !bool::from(self.nonce_signature(flow, contents).ct_eq(signature)) {
            return None;
        }
        let (serial, made) = contents.split_at_checked(8)?;
        let number = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
        Some((number(serial)?, number(made)?))
    }

    fn nonce_signature(&self, flow: FlowId, contents: &[u8]) -> [u8; 12] {
        first(&self.seed.hash(b"nonce", &[&flow.0.to_be_bytes(), contents]))
    }

    /// A client's part of a digest, never used before.
    pub(super) fn cnonce(&mut self) -> String {
        sip::digest::nonce(self.draw(b"cnonce"))
    }

    /// What clients give back with their credentials: the same in every challenge of this process.
    pub(super) fn opaque(&self) -> String {
        URL_SAFE_NO_PAD.encode(first::<9>(&self.seed.hash(b"opaque", &[])))
    }

    /// A temporary GRUU's user part for a client (RFC 5627), and its serial number. Two of one client have nothing in
    /// common that others could see.
    pub(super) fn temporary(&mut self, client: ClientId) -> (String, u64) {
        self.drawn = self.drawn.wrapping_add(1);
        let serial = self.drawn.to_be_bytes();
        let contents = [serial, self.masked(client.0, serial)].concat();
        let signature: [u8; 12] = first(&self.seed.hash(b"gruu", &[&contents]));
        let text = URL_SAFE_NO_PAD.encode([contents.as_slice(), &signature].concat());
        (text, self.drawn)
    }

    /// The client and serial number of a temporary GRUU that we made.
    pub(super) fn temporary_of(&self, text: &str) -> Option<(ClientId, u64)> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (contents, signature) = bytes.split_at_checked(16)?;
        let right: [u8; 12] = first(&self.seed.hash(b"gruu", &[contents]));
        if !bool::from(right.ct_eq(signature)) {
            return None;
        }
        let (serial, masked) = contents.split_at_checked(8)?;
        let serial: [u8; 8] = serial.try_into().ok()?;
        let client = self.masked(masked.try_into().ok()?, serial);
        Some((ClientId(client), u64::from_be_bytes(serial)))
    }

    fn masked(&self, id: [u8; 8], serial: [u8; 8]) -> [u8; 8] {
        let mask: [u8; 8] = first(&self.seed.hash(b"mask", &[&serial]));
        (u64::from_be_bytes(id) ^ u64::from_be_bytes(mask)).to_be_bytes()
    }

    fn draw<const N: usize>(&mut self, label: &[u8]) -> [u8; N] {
        self.drawn = self.drawn.wrapping_add(1);
        first(&self.seed.hash(label, &[&self.drawn.to_be_bytes()]))
    }
}

/// A key of HMAC-SHA256, as far as it is hashed already.
struct Key(Hmac<Sha256>);

impl Key {
    fn new(key: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        for (into, byte) in block.iter_mut().zip(key) {
            *into = *byte;
        }
        Self(Hmac::new(&block.into()))
    }

    /// The hash of a label and parts, each with its length, so that no two lists of parts look alike.
    fn hash(&self, label: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in std::iter::once(&label).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&Secrets {
            token_key: [1; 32],
            seed: [2; 32],
        })
    }

    #[test]
    fn a_retry_keeps_its_media_session_and_everything_else_has_its_own() {
        let (names, client) = (names(), ClientId([7; 8]));
        let first = names.media("call", "tag", Side::Browser, client);
        assert_eq!(names.media("call", "tag", Side::Browser, client), first);
        assert_ne!(names.media("call", "tag", Side::Phone, client), first);
        assert_ne!(names.media("call", "tag2", Side::Browser, client), first);
        assert_ne!(
            names.media("call", "tag", Side::Browser, ClientId([8; 8])),
            first
        );
        assert_ne!(names.media("callt", "ag", Side::Browser, client), first);
    }

    #[test]
    fn a_nonce_is_good_on_its_own_flow_only() {
        let mut names = names();
        let nonce = names.nonce(FlowId(1), 7);
        let (serial, made) = names.nonce_of(&nonce, FlowId(1)).unwrap();
        assert_eq!(made, 7);
        assert_eq!(names.nonce_of(&nonce, FlowId(2)), None);
        let next = names.nonce(FlowId(1), 7);
        assert!(names.nonce_of(&next, FlowId(1)).unwrap().0 > serial);
        for bad in ["", "AAAA", &nonce[1..], &format!("A{}", &nonce[1..])] {
            assert!(bad == nonce || names.nonce_of(bad, FlowId(1)).is_none());
        }
    }

    #[test]
    fn temporary_gruus_of_one_client_have_nothing_in_common() {
        let mut names = names();
        let client = ClientId([7; 8]);
        let (one, first) = names.temporary(client);
        let (other, second) = names.temporary(client);
        assert_eq!(names.temporary_of(&one), Some((client, first)));
        assert_eq!(names.temporary_of(&other), Some((client, second)));
        assert_ne!(one[11..22], other[11..22]);
        assert_eq!(names.temporary_of(&one[1..]), None);
    }

    #[test]
    fn branches_never_repeat() {
        let mut names = names();
        let all: std::collections::HashSet<String> = (0..1000).map(|_| names.branch()).collect();
        assert_eq!(all.len(), 1000);
        assert!(all.iter().all(|branch| branch.starts_with("z9hG4bK")));
        let mark = names.mark(&[b"request"]);
        assert_eq!(names.marked_branch(&mark).len(), MARKED_BRANCH);
    }
}
