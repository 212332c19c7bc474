//! ClientHello, ServerHello, HelloVerifyRequest (RFC 5246 section 7.4.1, RFC 6347 section 4.2): what is offered and what is agreed.

use srtp::Suite;

use super::certificate::SCHEMES;
use super::parameters::{GROUPS, profiles, suites};
use super::wire::{Reader, numbers, put_numbers, put_vector8, put_vector16};

/// DTLS 1.2.
const VERSION: u16 = 0xfefd;
/// DTLS 1.3, in `supported_versions`.
const VERSION_13: u16 = 0xfefc;
/// The suite that stands for an empty `renegotiation_info` (RFC 5746 section 3.3).
const EMPTY_RENEGOTIATION: u16 = 0x00ff;
const UNCOMPRESSED: u8 = 0;

const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const USE_SRTP: u16 = 14;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SUPPORTED_VERSIONS: u16 = 43;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// What a client offers, as far as it is of use to us.
#[derive(Debug, Default)]
pub(crate) struct ClientHello {
    pub(crate) random: [u8; 32],
    pub(crate) suites: Vec<u16>,
    pub(crate) groups: Vec<u16>,
    pub(crate) schemes: Vec<u16>,
    pub(crate) profiles: Vec<u16>,
    pub(crate) has_extended_master_secret: bool,
    pub(crate) has_point_formats: bool,
    pub(crate) has_renegotiation_info: bool,
    /// It could speak DTLS 1.3.
    pub(crate) has_dtls13: bool,
}

impl ClientHello {
    /// `None` when it is malformed, or of another version.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        // Versions count downwards.
        if reader.u16().filter(|version| version >> 8 == 0xfe)? > VERSION {
            return None;
        }
        let random = reader.array()?;
        let (_session, _cookie) = (reader.vector8()?, reader.vector8()?);
        let suites = numbers(reader.vector16()?)?;
        if !reader.vector8()?.contains(&UNCOMPRESSED) {
            return None;
        }
        let mut hello = ClientHello {
            has_renegotiation_info: suites.contains(&EMPTY_RENEGOTIATION),
            random,
            suites,
            ..ClientHello::default()
        };
        for (kind, content) in extensions(&mut reader)? {
            hello.note(kind, content)?;
        }
        Some(hello)
    }

    fn note(&mut self, kind: u16, content: &[u8]) -> Option<()> {
        let mut reader = Reader::new(content);
        match kind {
            SUPPORTED_GROUPS => self.groups = numbers(reader.vector16()?)?,
            SIGNATURE_ALGORITHMS => self.schemes = numbers(reader.vector16()?)?,
            USE_SRTP => self.profiles = numbers(reader.vector16()?)?,
            SUPPORTED_VERSIONS => {
                self.has_dtls13 = numbers(reader.vector8()?)?.contains(&VERSION_13);
            }
            POINT_FORMATS => self.has_point_formats = true,
            EXTENDED_MASTER_SECRET => self.has_extended_master_secret = true,
            RENEGOTIATION_INFO => self.has_renegotiation_info = true,
            _ => {}
        }
        Some(())
    }

    /// The best that both have.
    pub(crate) fn profile(&self) -> Option<Suite> {
        let mut ours = profiles();
        let (_, suite) = ours.find(|(number, _)| self.profiles.contains(number))?;
        Some(suite)
    }
}

/// The ClientHello of a client of ours.
pub(crate) fn client_hello(random: [u8; 32], cookie: &[u8]) -> Vec<u8> {
    let mut out = VERSION.to_be_bytes().to_vec();
    out.extend(random);
    put_vector8(&mut out, &[]); // no session
    put_vector8(&mut out, cookie);
    put_vector16(&mut out, |out| {
        put_numbers(out, suites().map(|(code, _)| code))
    });
    put_vector8(&mut out, &[UNCOMPRESSED]);
    put_vector16(&mut out, |out| {
        put_extension(out, SUPPORTED_GROUPS, |out| {
            put_vector16(out, |out| put_numbers(out, GROUPS));
        });
        put_point_formats(out);
        put_extension(out, SIGNATURE_ALGORITHMS, |out| {
            put_vector16(out, |out| put_numbers(out, SCHEMES));
        });
        put_use_srtp(out, profiles().map(|(number, _)| number));
        put_extension(out, EXTENDED_MASTER_SECRET, |_| {});
        put_renegotiation_info(out);
    });
    out
}

/// What a server agreed to.
#[derive(Debug, Default)]
pub(crate) struct ServerHello {
    pub(crate) random: [u8; 32],
    pub(crate) suite: u16,
    pub(crate) profile: Option<Suite>,
    pub(crate) has_extended_master_secret: bool,
}

impl ServerHello {
    /// `None` when it is malformed, or agrees to what [`client_hello`] did not offer.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        reader.u16().filter(|version| *version == VERSION)?;
        let random = reader.array()?;
        let _session = reader.vector8()?;
        let suite = reader.u16()?;
        reader.u8().filter(|method| *method == UNCOMPRESSED)?;
        let mut hello = ServerHello {
            random,
            suite,
            ..ServerHello::default()
        };
        for (kind, content) in extensions(&mut reader)? {
            match kind {
                USE_SRTP => hello.profile = Some(agreed_profile(content)?),
                EXTENDED_MASTER_SECRET => hello.has_extended_master_secret = true,
                // Some servers name their groups, though nothing asks for that.
                SUPPORTED_GROUPS | POINT_FORMATS => {}
                RENEGOTIATION_INFO if content == [0] => {}
                _ => return None,
            }
        }
        Some(hello)
    }

    pub(crate) fn write(&self, to: &ClientHello) -> Vec<u8> {
        let mut out = VERSION.to_be_bytes().to_vec();
        out.extend(self.random);
        put_vector8(&mut out, &[]); // no session can be resumed
        out.extend(self.suite.to_be_bytes());
        out.push(UNCOMPRESSED);
        put_vector16(&mut out, |out| {
            if to.has_renegotiation_info {
                put_renegotiation_info(out);
            }
            put_extension(out, EXTENDED_MASTER_SECRET, |_| {});
            if to.has_point_formats {
                put_point_formats(out);
            }
            if let Some(profile) = self.profile.and_then(Suite::dtls_profile) {
                put_use_srtp(out, [profile]);
            }
        });
        out
    }
}

/// One of our profiles, without the MKI that we did not offer (RFC 5764 section 4.1.3).
fn agreed_profile(content: &[u8]) -> Option<Suite> {
    let mut reader = Reader::new(content);
    let agreed = numbers(reader.vector16()?)?;
    reader.vector8().filter(|mki| mki.is_empty())?;
    let (_, suite) = profiles().find(|(number, _)| agreed == [*number])?;
    Some(suite)
}

/// The cookie of a HelloVerifyRequest.
pub(crate) fn cookie(body: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(body);
    let _version = reader.u16()?;
    reader.vector8()
}

fn extensions<'a>(reader: &mut Reader<'a>) -> Option<Vec<(u16, &'a [u8])>> {
    if reader.is_empty() {
        return Some(Vec::new());
    }
    let mut inner = Reader::new(reader.vector16()?);
    reader.end()?;
    let mut found: Vec<(u16, &[u8])> = Vec::new();
    while !inner.is_empty() {
        let (kind, content) = (inner.u16()?, inner.vector16()?);
        if found.iter().any(|(other, _)| *other == kind) {
            return None;
        }
        found.push((kind, content));
    }
    Some(found)
}

fn put_extension(out: &mut Vec<u8>, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend(kind.to_be_bytes());
    put_vector16(out, write);
}

fn put_point_formats(out: &mut Vec<u8>) {
    put_extension(out, POINT_FORMATS, |out| put_vector8(out, &[0]));
}

fn put_renegotiation_info(out: &mut Vec<u8>) {
    put_extension(out, RENEGOTIATION_INFO, |out| put_vector8(out, &[]));
}

/// Profiles, and no MKI.
fn put_use_srtp(out: &mut Vec<u8>, profiles: impl IntoIterator<Item = u16>) {
    put_extension(out, USE_SRTP, |out| {
        put_vector16(out, |out| put_numbers(out, profiles));
        put_vector8(out, &[]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_hello_says_what_we_can_and_no_more() {
        let hello = ClientHello::parse(&client_hello([9; 32], b"cookie")).unwrap();
        assert_eq!(hello.random, [9; 32]);
        assert_eq!(hello.suites, [0xc02b, 0xc02c, 0xc02f, 0xc030]);
        assert_eq!(hello.profiles, [8, 7, 1]);
        assert_eq!(hello.groups, GROUPS);
        assert_eq!(hello.schemes, SCHEMES);
        assert!(hello.has_extended_master_secret && hello.has_renegotiation_info);
        assert!(!hello.has_dtls13);
        assert_eq!(hello.profile(), Some(Suite::AeadAes256Gcm));
    }

    #[test]
    fn an_answer_is_read_back_and_an_answer_to_another_question_is_refused() {
        let offer = ClientHello::parse(&client_hello([9; 32], &[])).unwrap();
        let answer = ServerHello {
            random: [3; 32],
            suite: 0xc02f,
            profile: Some(Suite::AeadAes128Gcm),
            ..ServerHello::default()
        };
        let written = answer.write(&offer);
        let read = ServerHello::parse(&written).unwrap();
        assert_eq!((read.random, read.suite), ([3; 32], 0xc02f));
        assert_eq!(read.profile, Some(Suite::AeadAes128Gcm));
        assert!(read.has_extended_master_secret);
        let profile = written.windows(2).rposition(|two| two == [0, 7]).unwrap();
        let mut other = written.clone();
        other[profile + 1] = 2;
        assert!(ServerHello::parse(&other).is_none(), "a profile of its own");
        let mut old = written.clone();
        old[1] = 0xff;
        assert!(ServerHello::parse(&old).is_none(), "DTLS 1.0");
    }

    #[test]
    fn a_hello_cut_anywhere_is_refused() {
        let whole = client_hello([9; 32], b"cookie");
        let parsed = (0..whole.len()).filter(|cut| ClientHello::parse(&whole[..*cut]).is_some());
        // A hello without extensions is a whole one, and offers no SRTP.
        let parsed: Vec<_> = parsed.collect();
        assert!(parsed.len() <= 1, "{parsed:?}");
    }
}
