//! Who registers the browsers: `registration`, and where it is "local" the users.

use std::path::Path;

use proxy::core::{Local, Registering, Users};
use proxy::server::UsersFile;
use sip::digest::Algorithm;
use toml::Spanned;

use super::file::{File, UsersOf};
use super::judge::{beside, fault, wrong};
use super::{Fault, Registration};

/// The way that the file chooses.
pub(super) fn judge(file: &File, domain: &str, path: &Path) -> Result<Registration, Fault> {
    let word = file.registration.as_ref();
    let way = match word.map_or("through", |word| word.get_ref()) {
        "through" => Registering::Through,
        "local" => return local(file, domain, path),
        other => {
            let what =
                format!("registration = \"{other}\" is not known; write \"through\" or \"local\"");
            return Err(fault(word.map(|word| word.span().start), what));
        }
    };
    if let Some(users) = &file.users {
        let what = "there are users, but the SIP server registers them; write registration = \"local\" above, or remove them";
        return Err(fault(Some(users.span().start), what));
    }
    Ok(Registration { way, users: None })
}

fn local(file: &File, domain: &str, path: &Path) -> Result<Registration, Fault> {
    let Some(given) = &file.users else {
        let at = file.registration.as_ref().map(|word| word.span().start);
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
    let way = Registering::Local(Local::new(users));
    Ok(Registration { way, users: file })
}
