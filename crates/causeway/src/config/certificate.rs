//! The certificate of everything with TLS: two files, or `cert = "auto"` and what `[acme]` says about it.

use std::path::{Path, PathBuf};

use net::tls::server_name;
use toml::Spanned;

use super::file::{Acme, File};
use super::judge::{Text, beside, fault, wrong};
use super::{Certificate, Fault, OwnCertificate};

/// In place of a file's name: the edge gets a certificate by itself.
const AUTO: &str = "auto";
/// Where it is kept, beside the configuration file, when nothing is said.
const STORE: &str = "acme";

/// What `[listen]` cert and key say, and `[acme]`.
pub(super) fn judge(
    file: &File,
    domain: &str,
    path: &Path,
) -> Result<Option<OwnCertificate>, Fault> {
    let listen = &file.listen;
    if let Some(word) = listen.cert.as_ref().filter(|cert| cert.get_ref() == AUTO) {
        if let Some(key) = &listen.key {
            let what = "with cert = \"auto\" the edge makes its own key; remove key";
            return Err(wrong(key, what.to_owned()));
        }
        let unwritten = Acme::default();
        let acme = file.acme.as_ref().map_or(&unwritten, Spanned::get_ref);
        return Ok(Some(OwnCertificate::Acme(settings(
            acme, word, domain, path,
        )?)));
    }
    if let Some(unused) = &file.acme {
        let what = "[acme] is for a certificate that the edge gets by itself; write cert = \"auto\" in [listen], or remove this";
        return Err(fault(Some(unused.span().start), what));
    }
    let of_tls = [("wss", &listen.wss), ("tls", &listen.tls)];
    let user = of_tls
        .iter()
        .find_map(|(name, value)| Some((name, value.as_ref()?)));
    match (&listen.cert, &listen.key, user) {
        (None, None, None) => Ok(None),
        (Some(cert), Some(key), _) => Ok(Some(OwnCertificate::Files(Certificate {
            cert: readable(cert, path)?,
            key: readable(key, path)?,
        }))),
        (_, _, Some((name, user))) => {
            let what = format!(
                "{name} needs a certificate: add cert = \"cert.pem\" and key = \"key.pem\" to [listen], or cert = \"auto\" alone, or listen without TLS"
            );
            Err(fault(Some(user.span().start), what))
        }
        (Some(lonely), ..) | (_, Some(lonely), _) => {
            let what = "cert and key belong together; add the other one to [listen]";
            Err(fault(Some(lonely.span().start), what))
        }
    }
}

fn settings(acme: &Acme, word: &Text, domain: &str, path: &Path) -> Result<acme::Settings, Fault> {
    let of_domain = [Spanned::new(word.span(), domain.to_owned())];
    let names = match acme.names.as_slice() {
        [] => &of_domain[..],
        names => names,
    };
    let names = names.iter().map(host_name).collect::<Result<_, _>>()?;
    let directory = acme.directory.as_ref();
    if let Some(wrongly) = directory.filter(|url| !url.get_ref().starts_with("https://")) {
        let what = format!(
            "directory \"{}\" is not the URL of a CA; write it as \"{}\", or leave it out",
            wrongly.get_ref(),
            acme::LETS_ENCRYPT
        );
        return Err(wrong(wrongly, what));
    }
    let directory = directory.map_or(acme::LETS_ENCRYPT, |url| url.get_ref());
    let store = acme.store.as_ref().map(|text| beside(text, path));
    let unsaid = || path.parent().unwrap_or(Path::new("")).join(STORE);
    let ca = acme.ca.as_ref();
    Ok(acme::Settings {
        names,
        directory: directory.to_owned(),
        contact: acme.contact.as_ref().map(mail_address).transpose()?,
        store: store.unwrap_or_else(unsaid),
        ca: ca.map(|file| readable(file, path)).transpose()?,
    })
}

/// A name that a CA gives certificates for, and can come to.
fn host_name(name: &Text) -> Result<String, Fault> {
    let text = name.get_ref();
    match server_name(text) {
        Ok(rustls::pki_types::ServerName::DnsName(_)) => Ok(text.to_ascii_lowercase()),
        _ => {
            let what = format!(
                "no certificate can be got for '{text}': it is not a host name; write the one that pages connect to, as in [acme] names = [\"edge.example.com\"]"
            );
            Err(wrong(name, what))
        }
    }
}

fn mail_address(text: &Text) -> Result<String, Fault> {
    let address = text.get_ref().trim_start_matches("mailto:");
    let is_one = address.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && !host.is_empty() && !address.contains([' ', ',', '<', '>'])
    });
    if is_one {
        return Ok(address.to_owned());
    }
    let what = format!(
        "contact \"{}\" is not a mail address; write it as \"ops@example.com\"",
        text.get_ref()
    );
    Err(wrong(text, what))
}

/// The path of a file that is there.
pub(super) fn readable(text: &Text, config: &Path) -> Result<PathBuf, Fault> {
    let path = beside(text, config);
    match std::fs::File::open(&path) {
        Ok(_) => Ok(path),
        Err(error) => {
            let what = format!(
                "{} cannot be read ({error}); give the path of a PEM file",
                path.display()
            );
            Err(wrong(text, what))
        }
    }
}
