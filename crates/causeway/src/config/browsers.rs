//! What browsers may do: the settings under `[browsers]`. What the file leaves out stays as the proxy has it.

use proxy::core::{Callers, Method, Policy};

use super::judge::{Text, fault, wrong};
use super::{Fault, file};

/// Without these no browser could be called, or call.
const NEEDED: [Method; 3] = [Method::Register, Method::Ack, Method::Cancel];

/// The policy, if it can be meant.
pub(super) fn judge(browsers: &file::Browsers) -> Result<Policy, Fault> {
    let usual = Policy::default();
    let strip = browsers.strip.iter().map(header);
    Ok(Policy {
        callers: callers(browsers.callers.as_ref())?,
        methods: methods(browsers)?.unwrap_or(usual.methods),
        strip: strip.collect::<Result<_, _>>()?,
        assert_identity: browsers.assert_identity,
    })
}

fn callers(given: Option<&Text>) -> Result<Callers, Fault> {
    let Some(given) = given else {
        return Ok(Callers::default());
    };
    match given.get_ref().as_str() {
        "own" => Ok(Callers::Own),
        "registered" => Ok(Callers::Registered),
        "anyone" => Ok(Callers::Anyone),
        other => {
            let what = format!(
                "callers = \"{other}\" is unknown; write \"own\" (who has registered, in his own name), \"registered\" (in any name) or \"anyone\""
            );
            Err(wrong(given, what))
        }
    }
}

fn methods(browsers: &file::Browsers) -> Result<Option<Vec<Method>>, Fault> {
    let Some(given) = &browsers.methods else {
        return Ok(None);
    };
    let at = Some(given.span().start);
    let parsed = given.get_ref().iter().map(|name| {
        Method::parse(name.as_bytes()).map_err(|_| {
            let what = format!("\"{name}\" is no method; write them as [\"INVITE\", \"ACK\"]");
            fault(at, what)
        })
    });
    let methods: Vec<Method> = parsed.collect::<Result<_, _>>()?;
    match NEEDED.iter().find(|needed| !methods.contains(needed)) {
        None => Ok(Some(methods)),
        Some(missing) => {
            let what = format!("methods lacks {missing}, without which no call ends well; add it");
            Err(fault(at, what))
        }
    }
}

/// A header's name, or the beginning of one with a `*`.
fn header(text: &Text) -> Result<String, Fault> {
    let name = text.get_ref();
    let start = name.strip_suffix('*').unwrap_or(name);
    let needed = [
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Contact",
        "Max-Forwards",
    ];
    let hits = |needed: &&&str| match name.ends_with('*') {
        true => needed
            .get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start)),
        false => needed.eq_ignore_ascii_case(name),
    };
    if let Some(needed) = needed.iter().find(hits) {
        let what =
            format!("strip \"{name}\" would take out {needed}, without which nothing is SIP");
        return Err(wrong(text, what));
    }
    // A token is what a method is, too.
    match Method::parse(start.as_bytes()) {
        Ok(_) if !start.contains('*') => Ok(name.clone()),
        _ => {
            let what = format!(
                "strip \"{name}\" is no header's name; write it as \"X-Account\" or \"X-*\""
            );
            Err(wrong(text, what))
        }
    }
}
