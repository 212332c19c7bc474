//! Which addresses the relay has, by the names of its interfaces: `public` and `private` as settings of their own, any
//! others in the table `[media.interfaces]`.

use std::net::{IpAddr, SocketAddr};

use toml::Spanned;

use super::file::{self, OneOrMore};
use super::judge::{fault, towards, wrong};
use super::{Address, Face, Fault};

/// The interface that faces browsers, and the one that faces phones.
const PUBLIC: &str = "public";
const PRIVATE: &str = "private";

type Faces = (Vec<Face>, Vec<(String, String)>);

/// The interfaces, the default one first, and their aliases.
///
/// Where the edge's users call one another only (`is_local`, and no upstream) there may be no phones' side.
pub(super) fn judge(
    media: &file::Media,
    upstream: Option<SocketAddr>,
    is_local: bool,
) -> Result<Faces, Fault> {
    let mut faces = Vec::new();
    for (name, value) in [(PUBLIC, &media.public), (PRIVATE, &media.private)] {
        if let Some(value) = value {
            faces.push(face(name, value)?);
        }
    }
    let mut lines: Vec<_> = media.interfaces.iter().collect();
    lines.sort_by_key(|(_, value)| value.span().start);
    let mut aliases = Vec::new();
    for (name, value) in lines {
        check_name(name, value, &faces)?;
        match alias(value) {
            Some(own) => aliases.push((name.clone(), own.to_owned(), value.span().start)),
            None => faces.push(face(name, value)?),
        }
    }
    let has_alias = |name: &str| aliases.iter().any(|(alias, ..)| alias == name);
    if !is_local || upstream.is_some() || media.public.is_none() {
        complete(media, upstream, has_alias, &mut faces)?;
    }
    advertise(media, &mut faces)?;
    let aliases = aliases.into_iter().map(|(name, own, at)| {
        if faces.iter().any(|face| face.name == own) {
            return Ok((name, own));
        }
        let what = format!(
            "'{own}' is neither an IP address nor one of the interfaces; write {name} = \"203.0.113.1\", or the name of another interface"
        );
        Err(fault(Some(at), what))
    });
    let aliases = aliases.collect::<Result<_, _>>()?;
    Ok((faces, aliases))
}

/// Adds `private` and `public` where they follow from the rest: an edge has both.
fn complete(
    media: &file::Media,
    upstream: Option<SocketAddr>,
    has_alias: impl Fn(&str) -> bool,
    faces: &mut Vec<Face>,
) -> Result<(), Fault> {
    let missing =
        |name: &str, faces: &[Face]| !has_alias(name) && faces.iter().all(|face| face.name != name);
    if missing(PRIVATE, faces) {
        match upstream {
            Some(upstream) => {
                let bind = towards(upstream)?;
                faces.push(Face {
                    name: PRIVATE.to_owned(),
                    addresses: vec![Address { bind, told: bind }],
                });
            }
            None if media.interfaces.is_empty() => {
                let cure = "the address of this machine that phones' media comes to, as in [media] private = \"10.0.0.4\"";
                return Err(fault(None, format!("private is missing; add {cure}")));
            }
            None => {}
        }
    }
    if missing(PUBLIC, faces)
        && let Some(private) = faces.iter().find(|face| face.name == PRIVATE)
    {
        let addresses = private.addresses.clone();
        let name = PUBLIC.to_owned();
        faces.insert(0, Face { name, addresses });
    }
    Ok(())
}

/// `advertise`: what is told instead of the one address of `public`, or of the one of its family.
fn advertise(media: &file::Media, faces: &mut [Face]) -> Result<(), Fault> {
    let Some(text) = &media.advertise else {
        return Ok(());
    };
    let told = own_ip(text.get_ref(), "advertise").map_err(|what| wrong(text, what))?;
    let public = faces.iter_mut().find(|face| face.name == PUBLIC);
    let addresses = public.map_or(&mut [][..], |face| &mut face.addresses);
    let first = addresses.first().map(|address| address.bind);
    let mut alike = addresses
        .iter_mut()
        .filter(|address| address.bind.is_ipv4() == told.is_ipv4());
    let what = match (alike.next(), alike.next(), first) {
        (Some(address), None, _) => {
            address.told = told;
            return Ok(());
        }
        (None, _, Some(public)) => format!(
            "advertise {told} and public {public} are of different families; both must be IPv4 or both IPv6"
        ),
        (None, _, None) => {
            "advertise is told instead of public, which is not there; add public = \"203.0.113.1\""
                .to_owned()
        }
        (Some(address), Some(_), _) => format!(
            "public has several addresses that advertise could stand for; write the one that is meant as \"{}!{told}\" and remove advertise",
            address.bind
        ),
    };
    Err(wrong(text, what))
}

fn check_name(name: &str, value: &Spanned<OneOrMore>, faces: &[Face]) -> Result<(), Fault> {
    let at = Some(value.span().start);
    if faces.iter().any(|face| face.name == name) {
        let what = format!(
            "the interface '{name}' is there twice; keep {name} under [media] or under [media.interfaces]"
        );
        return Err(fault(at, what));
    }
    if is_name(name) {
        return Ok(());
    }
    let what = format!(
        "an interface cannot be named '{name}'; use letters, digits, '-', '_' and '.', as ng's direction= will"
    );
    Err(fault(at, what))
}

/// What would be the name of another interface: one word, and no address.
fn alias(value: &Spanned<OneOrMore>) -> Option<&str> {
    let OneOrMore::One(text) = value.get_ref() else {
        return None;
    };
    let is_address = text.parse::<IpAddr>().is_ok() || text.contains(['!', ':']);
    Some(text.as_str()).filter(|text| !is_address && is_name(text))
}

fn is_name(text: &str) -> bool {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.bytes().all(is_sound)
}

fn face(name: &str, value: &Spanned<OneOrMore>) -> Result<Face, Fault> {
    let at = Some(value.span().start);
    let mut addresses: Vec<Address> = Vec::new();
    for text in value.get_ref().as_slice() {
        let address = address(text, name).map_err(|what| fault(at, what))?;
        if addresses.iter().any(|known| known.bind == address.bind) {
            let what = format!("{name} has the address {} twice; remove one", address.bind);
            return Err(fault(at, what));
        }
        addresses.push(address);
    }
    if addresses.is_empty() {
        let what = format!("{name} has no address; write at least one, as in [\"203.0.113.1\"]");
        return Err(fault(at, what));
    }
    let name = name.to_owned();
    Ok(Face { name, addresses })
}

/// `ADDRESS`, or `ADDRESS!ADVERTISED`.
fn address(text: &str, name: &str) -> Result<Address, String> {
    let (bind, told) = text
        .split_once('!')
        .map_or((text, None), |(bind, told)| (bind, Some(told)));
    let bind = own_ip(bind, name)?;
    let told = told.map_or(Ok(bind), |told| own_ip(told, name))?;
    if bind.is_ipv4() != told.is_ipv4() {
        return Err(format!(
            "{name} = \"{text}\" has addresses of different families; what is told behind the '!' must be of the same"
        ));
    }
    Ok(Address { bind, told })
}

fn own_ip(text: &str, name: &str) -> Result<IpAddr, String> {
    match text.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() || ip.is_multicast() => Err(format!(
            "{name} = \"{ip}\" cannot be told to a peer; write the address of this machine that they send to"
        )),
        Ok(ip) => Ok(ip),
        Err(_) => Err(format!(
            "{name} = \"{text}\" is not an IP address; write one, as in {name} = \"203.0.113.1\""
        )),
    }
}
