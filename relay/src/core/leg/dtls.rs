//! DTLS-SRTP (RFC 5763, RFC 8842) with one side.
//!
//! An association is named by the peer's fingerprint and tls-id. While those stay, nothing about it changes: not the
//! role, whatever `a=setup` says, not the keys, not for a new address or an ICE restart (RFC 8842 section 5.5).

use control_proto::{Dtls, Value, flag};
use dtls::{Fingerprint, Hash, Role};
use sdp::{Media, Setup, Token};

use super::{Leg, Tools};
use control_proto::Request;

/// What was said about DTLS on one leg.
#[derive(Debug, Clone, Default)]
pub(crate) struct DtlsTerms {
    /// The association that keys come from, or will.
    association: Option<Association>,
    /// Our part in it; kept for good once it is known.
    role: Option<Role>,
    /// Our own `a=tls-id`; new with each association.
    tls_id: Option<Token>,
    /// The hash of our fingerprint; kept, since another line looks like another certificate.
    hash: Option<Hash>,
    /// What this side offered last.
    offered: Option<Offered>,
    /// We are to be active towards a side that offers and leaves the choice (`DTLS-reverse`).
    reverse_active: bool,
}

/// What names an association, on the peer's part.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Association {
    fingerprints: Vec<Fingerprint>,
    tls_id: Option<Token>,
}

#[derive(Debug, Clone)]
struct Offered {
    association: Association,
    setup: Option<Setup>,
}

impl DtlsTerms {
    /// Whether this side offered DTLS that we can do.
    pub(crate) fn was_offered(&self) -> bool {
        self.offered.is_some()
    }

    /// Our part, once it is known.
    pub(crate) fn role(&self) -> Option<Role> {
        self.role
    }

    fn theirs(&self) -> Option<&Association> {
        let offered = self.offered.as_ref().map(|offered| &offered.association);
        offered.or(self.association.as_ref())
    }

    /// This side offers. `DTLS-reverse` tells now which role our answer will choose.
    pub(crate) fn take_offer(&mut self, media: &Media, request: &Request) {
        match request.other.get("dtls-reverse").and_then(Value::as_str) {
            Some("active") => self.reverse_active = true,
            Some("passive") => self.reverse_active = false,
            _ => {}
        }
        self.offered = Association::of(media).map(|association| Offered {
            association,
            setup: media.setup,
        });
    }

    /// The role that we take where it is ours to choose. What was taken once stays. Firefox drops a ClientHello that comes
    /// before the SDP answer, so we wait for its own unless we are told otherwise.
    fn chosen(&self, request: &Request) -> Role {
        let active = match request.dtls {
            Some(Dtls::Active) => true,
            Some(Dtls::Passive) => false,
            _ => self.reverse_active,
        };
        let wanted = if active { Role::Active } else { Role::Passive };
        self.role.unwrap_or(wanted)
    }
}

impl Association {
    /// `None` without a fingerprint that can be checked: an old hash proves nothing (RFC 8122 section 5).
    fn of(media: &Media) -> Option<Self> {
        let fingerprints: Vec<Fingerprint> = media
            .fingerprints
            .iter()
            .filter_map(|line| Fingerprint::parse(&line.to_string()).ok())
            .collect();
        (!fingerprints.is_empty()).then(|| Self {
            fingerprints,
            tls_id: media.tls_id.clone(),
        })
    }
}

impl Leg {
    /// Writes our answer to this side's DTLS.
    pub(super) fn answer_dtls(
        &mut self,
        out: &mut Media,
        request: &Request,
        tools: &mut Tools<'_>,
    ) {
        let Some(Offered { association, setup }) = self.terms.dtls.offered.clone() else {
            return;
        };
        let role = match setup {
            Some(Setup::Active) => Role::Passive,
            Some(Setup::Passive) => Role::Active,
            _ => self.terms.dtls.chosen(request),
        };
        self.associate(association, role, tools);
        out.setup = Some(match self.terms.dtls.role {
            Some(Role::Active) => Setup::Active,
            _ => Setup::Passive,
        });
        self.write_dtls(out, request, tools);
    }

    /// Writes our offer of DTLS to this side. The endpoint listens from now on: a peer may send its ClientHello
    /// before its SDP answer is here.
    pub(super) fn offer_dtls(&mut self, out: &mut Media, request: &Request, tools: &mut Tools<'_>) {
        for (_, transport) in self.transports_mut() {
            if transport.dtls.id().is_none() {
                let id = tools.handshake_id();
                transport.dtls.open(id, Role::Passive, None);
            }
        }
        out.setup = Some(Setup::ActPass);
        self.write_dtls(out, request, tools);
    }

    /// This side answers; `false` when it has no DTLS that we can do.
    pub(super) fn take_dtls_answer(&mut self, media: &Media, tools: &mut Tools<'_>) -> bool {
        let Some(association) = Association::of(media) else {
            return false;
        };
        let role = if media.setup == Some(Setup::Passive) {
            Role::Active
        } else {
            Role::Passive
        };
        self.associate(association, role, tools);
        true
    }

    /// No DTLS on this leg.
    pub(super) fn end_dtls(&mut self) {
        *self.terms.dtls = DtlsTerms::default();
        for (_, transport) in self.transports_mut() {
            transport.dtls.close();
            transport.keys = None;
        }
    }

    /// Begins a new association, unless it is the one that there is already.
    fn associate(&mut self, association: Association, role: Role, tools: &mut Tools<'_>) {
        let terms = &mut self.terms.dtls;
        if terms.association.as_ref() == Some(&association) {
            return;
        }
        let first = terms.association.is_none();
        if !first {
            terms.tls_id = None;
        }
        terms.role = Some(role);
        terms.association = Some(association.clone());
        self.keys = None;
        for (_, transport) in self.transports_mut() {
            transport.keys = None;
            let expected = association.fingerprints.clone();
            if first && transport.dtls.role() == Some(role) {
                transport.dtls.expect(expected);
            } else {
                let id = tools.handshake_id();
                transport.dtls.open(id, role, Some(expected));
            }
            transport.begin_dtls();
        }
    }

    fn write_dtls(&mut self, out: &mut Media, request: &Request, tools: &mut Tools<'_>) {
        let hash = *self
            .terms
            .dtls
            .hash
            .get_or_insert(hash_for(request, self.terms.dtls.theirs()));
        let fingerprint = tools.identity.fingerprint(hash);
        out.fingerprints = sdp_fingerprint(&fingerprint).into_iter().collect();
        if request.flags.has(flag::NO_TLS_ID) {
            return;
        }
        let tls_id = self.terms.dtls.tls_id.get_or_insert_with(|| {
            let mut random = [0; 16];
            (tools.random)(&mut random);
            hex(&random)
        });
        out.tls_id = Some(tls_id.clone());
    }
}

impl super::Transport {
    /// An active endpoint begins as soon as there is an address to send to: with ICE that of the selected pair.
    pub(crate) fn begin_dtls(&mut self) {
        let reachable = match &self.agent {
            Some(agent) => agent.selected().is_some(),
            None => self.peer.destination().is_some(),
        };
        if reachable {
            self.dtls.start();
        }
    }
}

/// The hash asked for, or that of the peer's own fingerprint, or the usual one.
fn hash_for(request: &Request, theirs: Option<&Association>) -> Hash {
    let asked = request.other.get("dtls-fingerprint");
    asked
        .and_then(Value::as_str)
        .and_then(Hash::from_name)
        .or_else(|| Some(theirs?.fingerprints.first()?.hash()))
        .unwrap_or(Hash::Sha256)
}

fn sdp_fingerprint(fingerprint: &Fingerprint) -> Option<sdp::Fingerprint> {
    let text = fingerprint.to_string();
    let (hash, digits) = text.split_once(' ')?;
    let digest = digits
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    Some(sdp::Fingerprint {
        hash: Token::new(hash).ok()?,
        digest,
    })
}

fn hex(bytes: &[u8]) -> Token {
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Token::new(text).unwrap_or(Token::from_static("0"))
}
