//! Installs what the tests need on Debian when it is missing: browsers, the SIP server and phone that
//! they call, Node and its packages by lock file. Touches nothing that is there already, and lets no
//! service start.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::steps::{Outcome, command};

/// What the end-to-end tests run, and what those programs need that Debian only recommends.
const PACKAGES: &[&str] = &[
    "baresip-core",
    "ca-certificates", // npm fetches over TLS
    "chromium",
    "firefox-esr",
    "fonts-dejavu-core", // Chromium does not start without any font
    "iproute2",
    "kamailio",
    "kamailio-tls-modules",
    "kamailio-websocket-modules",
    "openssl",
    "pebble",     // a CA that the edge gets certificates from
    "pulseaudio", // Firefox runs Web Audio only against a sound device
    "rtpengine-daemon",
    "valgrind",
];

/// Debian 12 has Node 18; whatever is there already is kept.
const NODE: &[(&str, &str)] = &[("node", "nodejs"), ("npm", "npm")];

/// Asked by Debian's packages before they start a service (invoke-rc.d); 101 forbids it.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Debian's packages, then Node's.
pub(crate) fn everything() -> Outcome {
    let node = NODE
        .iter()
        .filter(|(program, _)| !runs(program))
        .map(|(_, package)| *package);
    packages(&PACKAGES.iter().copied().chain(node).collect::<Vec<_>>())?;
    npm()
}

/// Those of these Debian packages that are missing.
pub(crate) fn packages(wanted: &[&str]) -> Outcome {
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    fetch(&missing)
}

/// What libFuzzer is compiled with.
pub(crate) fn cpp() -> Outcome {
    let missing: &[&str] = if runs("c++") { &[] } else { &["g++"] };
    fetch(missing)
}

fn fetch(missing: &[&str]) -> Outcome {
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !runs("apt-get") {
        return Err(format!("this is not Debian; install what it calls: {list}"));
    }
    if !is_root() {
        return Err(format!(
            "missing: {list}; run this as root, or: sudo apt-get install --no-install-recommends {list}"
        ));
    }
    println!("installing {list}");
    let _quiet = NoServices::begin()?;
    apt(&["update", "-q"])?;
    apt(&[&["install", "-q", "-y", "--no-install-recommends"], missing].concat())
}

fn apt(arguments: &[&str]) -> Outcome {
    command(
        Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null()),
    )
}

/// `npm ci` takes exactly what the lock file names; skipped while the installed packages are newer than it.
fn npm() -> Outcome {
    let folder = end_to_end_folder();
    if is_newer(
        &folder.join("node_modules/.package-lock.json"),
        &folder.join("package-lock.json"),
    ) {
        return Ok(());
    }
    command(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder),
    )
}

/// Where the harness is.
pub(crate) fn end_to_end_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e")
}

/// True for uid 0.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn is_installed(package: &str) -> bool {
    let query = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Abbrev}", package])
        .stderr(Stdio::null())
        .output();
    query.is_ok_and(|output| output.stdout.starts_with(b"ii"))
}

fn runs(program: &str) -> bool {
    let quiet = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

fn is_newer(this: &Path, that: &Path) -> bool {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    matches!((changed(this), changed(that)), (Some(this), Some(that)) if this >= that)
}

/// Holds services back while packages are installed, unless the machine has a policy of its own.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn begin() -> Result<Self, String> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        let write = || {
            std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
            std::fs::set_permissions(POLICY, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        };
        write().map_err(|error| format!("{POLICY} cannot be written ({error})"))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}
