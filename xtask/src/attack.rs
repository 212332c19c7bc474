//! `cargo xtask attack`: builds edge and attacker in release and lets the one loose on the other, in namespaces of their
//! own. What it does and judges is in the crate `attack`.

use std::process::Command;

use crate::install::{self, is_root};
use crate::lab::{build, is_there};
use crate::steps::{self, Outcome, command, target_directory};

/// `arguments` are the attacker's own.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if !is_root() {
        return Err("this makes network namespaces: run it as root".to_owned());
    }
    if arguments.iter().any(|word| word == "anchor") && !is_there("rtpengine") {
        install::packages(&["rtpengine-daemon"])?;
    }
    build("causeway")?;
    build("causeway-attack")?;
    let release = target_directory()?.join("release");
    let mut attacker = Command::new(release.join("causeway-attack"));
    attacker.arg("--causeway").arg(release.join("causeway"));
    let held = command(attacker.args(arguments));
    // What a relay that comes or goes moves is computed: nobody has a hundred relays to try it on.
    if arguments.is_empty() {
        println!("\nA hundred relays and a million calls, computed\n");
        steps::relays()?;
    }
    held
}
