//! What a file describes, in the operator's words.

use proxy::core::{Callers, Registering};
use relay::server::SharedPort;

use crate::config::{Address, Edge, Face, KeysPlace, described};
use crate::programs::{keys_at, listed, tls_upstream};

use super::certificate;

pub(super) fn print(edge: &Edge) -> Result<(), String> {
    println!("domain      {}", edge.domain);
    for upstream in edge.upstream.described() {
        println!("SIP server  {upstream} from {}", listed(&edge.listen.own()));
    }
    if edge.upstream.all.is_empty() {
        println!("SIP server  none: the edge's users call one another, and nobody else");
    }
    match &edge.registration.way {
        Registering::Through => println!("registrar   the SIP server"),
        Registering::Mid(mid) => println!(
            "registrar   the SIP server, for {} s; refreshes are answered here, browsers get {} s at most",
            mid.upstream,
            mid.client.end()
        ),
        Registering::Local(local) => println!(
            "registrar   the edge, with {} users{}",
            local.users.len(),
            (edge.registration.users.as_ref())
                .map(|file| format!(" of {}", file.path.display()))
                .unwrap_or_default()
        ),
    }
    if let Some(tokens) = &edge.sign_in {
        keys_at(edge)?;
        let issuer = &tokens.sign_in.issuer;
        let known = tokens.sign_in.known.as_ref().map(|known| known.len());
        let known = known.map(|count| format!(", {count} accounts"));
        println!(
            "sign-in     by tokens of {} for {}, named by {}{}; keys {}",
            issuer.issuer,
            issuer.audience,
            issuer.claim,
            known.unwrap_or_default(),
            match &tokens.keys {
                KeysPlace::File(path) => format!("in {}", path.display()),
                KeysPlace::Url(url, _) => format!("from {url}"),
            }
        );
    }
    tls_upstream(edge)?;
    for ws in &edge.listen.ws {
        println!(
            "browsers    ws://{ws} (without TLS: only for tests, or behind a proxy that adds it)"
        );
    }
    if let Some(certificate) = &edge.listen.certificate {
        let certificate = certificate::described(certificate)?;
        for wss in &edge.listen.wss {
            println!("browsers    wss://{wss} with {}", certificate.with);
        }
        for line in certificate.more {
            println!("certificate {line}");
        }
    }
    match edge.listen.origins.as_slice() {
        [] => println!(
            "origins     pages of {} and its subdomains, and of this machine where it is called by its address",
            edge.domain
        ),
        all if all.contains(&"*".to_owned()) => println!("origins     any page may connect"),
        origins => println!("origins     {}", origins.join(", ")),
    }
    match edge.policy.callers {
        Callers::Own => println!("callers     who has registered, in his own name"),
        Callers::Registered => println!(
            "callers     who has registered, in any name: see that the SIP server looks at From"
        ),
        Callers::Anyone => println!(
            "callers     anyone, also who never registers: see that the SIP server asks who calls"
        ),
    }
    match &edge.calls.records {
        Some(path) => println!("records     of calls in {}", path.display()),
        None => println!("records     of calls in the log"),
    }
    if let Some(key) = &edge.calls.token_key {
        println!("token key   {}", key.described());
    }
    for (program, place) in [
        ("proxy", edge.listen.metrics),
        ("relay", edge.relay.metrics),
    ] {
        match place {
            Some(place) => println!(
                "metrics     http://{}/metrics of the {program}",
                place.address
            ),
            None => println!("metrics     none of the {program}"),
        }
    }
    match edge.relays.as_slice() {
        [] => println!("relay       one of our own beside the proxy"),
        relays => relays
            .iter()
            .for_each(|relay| println!("relay       {}", described(relay))),
    }
    if edge.relay.control_key.is_some() {
        println!("commands    signed: relay and proxy must have the same control_key");
    }
    let media = &edge.relay.media;
    let ice = if media.ice_full {
        "full ICE"
    } else {
        "ICE lite"
    };
    let phones = match media.addresses("private") {
        [] => "no phones".to_owned(),
        addresses => format!("phones at {}", told(addresses)),
    };
    let browsers = told(media.addresses("public"));
    println!("media       browsers at {browsers} ({ice}), {phones}");
    let is_other = |face: &&Face| !["public", "private"].contains(&face.name.as_str());
    for face in media.faces.iter().filter(is_other) {
        println!("interface   {} at {}", face.name, told(&face.addresses));
    }
    for (alias, name) in &media.aliases {
        println!("interface   {alias} is {name}");
    }
    if media.tos != 0 {
        println!("tos         {} (DSCP {})", media.tos, media.tos >> 2);
    }
    let (first, last) = (media.ports.start(), media.ports.end());
    // A call takes a pair of ports towards the phone, and one towards the browser where it has its own.
    let (browsers, of_a_call) = match media.browser_port {
        SharedPort::First => ("the first that is free, for all".to_owned(), 2),
        SharedPort::At(port) => (format!("{port}, for all"), 2),
        SharedPort::None => ("one for each call, out of these".to_owned(), 3),
    };
    let calls = media.ports.len() / of_a_call;
    println!("ports       {first}-{last}: about {calls} calls; browsers: {browsers}");
    Ok(())
}

fn told(addresses: &[Address]) -> String {
    let one = |address: &Address| match address.told == address.bind {
        true => address.bind.to_string(),
        false => format!("{} (told as {})", address.bind, address.told),
    };
    addresses.iter().map(one).collect::<Vec<_>>().join(" and ")
}
