//! Whose tokens browsers sign in with: `[sign_in]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proxy::core::{Issuer, SignIn};
use proxy::server::AccountsFile;
use toml::Spanned;

use super::certificate::readable;
use super::file::{self, File};
use super::judge::{Text, beside, fault, wrong};
use super::{Fault, KeysPlace, Tokens};

/// The claim that names the user when nothing is said (RFC 7519 section 4.1.2).
const CLAIM: &str = "sub";

/// What the file says about it; `None` where browsers need no token.
pub(super) fn judge(file: &File, domain: &str, path: &Path) -> Result<Option<Tokens>, Fault> {
    let Some(given) = &file.sign_in else {
        return Ok(None);
    };
    let at = given.span().start;
    let given = given.get_ref();
    let issuer = needed(
        &given.issuer,
        at,
        "issuer = \"https://login.example.com/\": what `iss` of its tokens is",
    )?;
    let audience = needed(
        &given.audience,
        at,
        "audience = \"sip\": what `aud` of a token for this edge has",
    )?;
    if issuer.get_ref().contains(['"', '\\']) || issuer.get_ref().contains(char::is_control) {
        let what = "issuer must be a URL, without quotes";
        return Err(wrong(issuer, what.to_owned()));
    }
    let accounts = accounts(file, given, at, path)?;
    let known = accounts.as_ref().map(|(_, known)| known.clone());
    let said = |text: &Option<Text>, usual: &str| {
        let text = text.as_ref().map(|text| text.get_ref().clone());
        text.unwrap_or_else(|| usual.to_owned())
    };
    Ok(Some(Tokens {
        sign_in: Arc::new(SignIn {
            issuer: Issuer {
                issuer: issuer.get_ref().clone(),
                audience: audience.get_ref().clone(),
                claim: said(&given.claim, CLAIM),
            },
            known,
            realm: said(&given.realm, domain),
        }),
        keys: keys(given, at, path)?,
        accounts: accounts.map(|(file, _)| file),
    }))
}

/// Without accounts a token's name is a user's own, which only the edge's own registrar believes.
fn accounts(
    file: &File,
    given: &file::SignIn,
    at: usize,
    path: &Path,
) -> Result<Option<(AccountsFile, Arc<proxy::core::KnownUsers>)>, Fault> {
    let word = file.registration.as_ref().map(Spanned::get_ref);
    let local = word.is_some_and(|word| word == "local");
    match &given.accounts {
        None if local => Ok(None),
        None => {
            let what = "[sign_in] needs accounts = \"accounts.txt\", with the token's name, the SIP user and his SIP password in each line: the SIP server knows no tokens";
            Err(fault(Some(at), what))
        }
        Some(text) => {
            let path = beside(text, path);
            let file = AccountsFile { path };
            let known = file.read().map_err(|what| wrong(text, what))?;
            if known.is_empty() {
                let what =
                    "there are no accounts, so nobody could sign in; write a line for each user";
                return Err(wrong(text, what.to_owned()));
            }
            Ok(Some((file, Arc::new(known))))
        }
    }
}

/// A URL, or a file that is there.
fn keys(given: &file::SignIn, at: usize, path: &Path) -> Result<KeysPlace, Fault> {
    let jwks = needed(
        &given.jwks,
        at,
        "jwks = \"https://login.example.com/jwks.json\", or a file: the issuer's public keys",
    )?;
    let ca = given.ca.as_ref();
    let ca = ca.map(|ca| readable(ca, path)).transpose()?;
    match jwks.get_ref() {
        url if url.starts_with("https://") => Ok(KeysPlace::Url(url.clone(), ca)),
        url if url.contains("://") => {
            let what =
                "jwks is fetched by https alone: whoever can change the keys lets himself in";
            Err(wrong(jwks, what.to_owned()))
        }
        _ => Ok(KeysPlace::File(file_of(jwks, path)?)),
    }
}

fn file_of(jwks: &Text, path: &Path) -> Result<PathBuf, Fault> {
    let file = beside(jwks, path);
    let told = |why: String| {
        let what = format!(
            "jwks {}: {why}; give a URL, or a file with a JWK set",
            file.display()
        );
        wrong(jwks, what)
    };
    let json = std::fs::read(&file).map_err(|e| told(format!("cannot be read ({e})")))?;
    proxy::core::Keys::parse(&json).map_err(told)?;
    Ok(file)
}

fn needed<'a>(text: &'a Option<Text>, at: usize, cure: &str) -> Result<&'a Text, Fault> {
    text.as_ref()
        .ok_or_else(|| fault(Some(at), format!("[sign_in] needs {cure}")))
}
