//! A certificate of its own for an edge on the loopback: ECDSA with P-256, as public ones are.

use std::fs;
use std::path::Path;

/// Writes `cert.pem` and `key.pem`.
pub(crate) fn write(folder: &Path) -> Result<(), String> {
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|error| format!("no certificate: {error}"))?;
    for (name, text) in [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
