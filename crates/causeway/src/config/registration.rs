//! Who registers the browsers: `registration`, and where it is "local" the users.

use std::path::Path;

use proxy::core::{Local, Mid, Registering, Users};
use proxy::server::UsersFile;
use sip::digest::Algorithm;
use toml::Spanned;

use super::file::{File, UsersOf};
use super::judge::{beside, fault, wrong};
use super::{Fault, Registration};

/// Whether the edge is to be the registrar.
pub(super) fn is_local(file: &File) -> bool {
    let word = file.registration.as_ref();
    word.is_some_and(|word| word.get_ref() == "local")
}

/// The way that the file chooses.
pub(super) fn judge(file: &File, domain: &str, path: &Path) -> Result<Registration, Fault> {
    let word = file.registration.as_ref();
    let at = word.map(|word| word.span().start);
    let way = match word.map_or("through", |word| word.get_ref()) {
        "through" => Registering::Through,
        "mid" => Registering::Mid(mid(file)?),
        "local" => return local(file, domain, path),
        other => {
            let what = format!(
                "registration = \"{other}\" is not known; write \"through\", \"mid\" or \"local\""
            );
            return Err(fault(at, what));
        }
    };
    if let Some(users) = &file.users {
        let what = "there are users, but the SIP server registers them; write registration = \"local\" above, or remove them";
        return Err(fault(Some(users.span().start), what));
    }
    let unused = match way {
        Registering::Through => file
            .client_expires
            .as_ref()
            .or(file.upstream_expires.as_ref()),
        _ => None,
    };
    if let Some(unused) = unused {
        let what = "the SIP server and the browsers agree on their time themselves; write registration = \"mid\" above, or remove this";
        return Err(fault(Some(unused.span().start), what));
    }
    Ok(Registration { way, users: None })
}

fn mid(file: &File) -> Result<Mid, Fault> {
    let mut mid = Mid::default();
    if let Some(most) = seconds(&file.client_expires, "client_expires")? {
        mid.client = *mid.client.start()..=most;
    }
    if let Some(upstream) = seconds(&file.upstream_expires, "upstream_expires")? {
        mid.upstream = upstream;
    }
    // Half of the server's time is answered here, and the other half must cover what a browser gets.
    if mid.upstream / 2 < *mid.client.end() {
        let given = file
            .upstream_expires
            .as_ref()
            .or(file.client_expires.as_ref());
        let what = format!(
            "the SIP server is asked for {} s and browsers get {} s: upstream_expires must be at least twice client_expires",
            mid.upstream,
            mid.client.end()
        );
        return Err(fault(given.map(|given| given.span().start), what));
    }
    Ok(mid)
}

/// A registration's time: a minute to a day.
fn seconds(given: &Option<Spanned<i64>>, name: &str) -> Result<Option<u32>, Fault> {
    let Some(given) = given else { return Ok(None) };
    let count = u32::try_from(*given.get_ref()).ok();
    match count.filter(|count| (60..=24 * 3600).contains(count)) {
        Some(count) => Ok(Some(count)),
        None => {
            let what = format!("{name} is in seconds, 60 to 86400");
            Err(fault(Some(given.span().start), what))
        }
    }
}

fn local(of: &File, domain: &str, path: &Path) -> Result<Registration, Fault> {
    let Some(given) = &of.users else {
        // Tokens say who is a user.
        if of.sign_in.is_some() {
            return registrar(of, Users::default(), None);
        }
        let at = of.registration.as_ref().map(|word| word.span().start);
        let what = "registration = \"local\" needs users; write users = \"users.txt\" with a name and a password in each line, or a table [users] with name = \"password\"";
        return Err(fault(at, what));
    };
    let (users, file) = match given.get_ref() {
        UsersOf::File(name) => {
            let text = Spanned::new(given.span(), name.clone());
            let realm = domain.to_owned();
            let file = UsersFile {
                path: beside(&text, path),
                realm,
            };
            (file.read().map_err(|what| wrong(&text, what))?, Some(file))
        }
        UsersOf::Table(table) => {
            let mut users = Users::default();
            for (name, proof) in table {
                let at = Some(given.span().start);
                let added = users.add(name, domain, proof);
                added.map_err(|bad| fault(at, bad.to_string()))?;
            }
            (users, None)
        }
    };
    if users.is_empty() {
        let what =
            "there are no users, so nobody could register; add one, as in alice = \"password\"";
        return Err(fault(Some(given.span().start), what));
    }
    if !users.all_have(Algorithm::Md5) && !users.all_have(Algorithm::Sha256) {
        let what = "some users have only md5: and others only sha-256:, so no challenge could serve all; give all of them one of the two";
        return Err(fault(Some(given.span().start), what));
    }
    registrar(of, users, file)
}

/// The registrar of our own for these users.
fn registrar(of: &File, users: Users, file: Option<UsersFile>) -> Result<Registration, Fault> {
    let mut local = Local::new(users);
    if let Some(most) = seconds(&of.client_expires, "client_expires")? {
        local.expires = *local.expires.start()..=most;
    }
    if let Some(unused) = &of.upstream_expires {
        let what = "upstream_expires is for registration = \"mid\"; remove it";
        return Err(fault(Some(unused.span().start), what));
    }
    let way = Registering::Local(local);
    Ok(Registration { way, users: file })
}
