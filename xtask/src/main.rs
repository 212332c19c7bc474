//! Every chore by one name: `cargo xtask <chore>`. A newcomer has cargo and nothing else, so this
//! needs nothing else: the standard library, and what `install` fetches from Debian and npm.

mod attack;
mod bench;
mod bench_proxy;
mod e2e;
mod fuzz;
mod guards;
mod install;
mod instructions;
mod lab;
mod soak;
mod steps;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <chore>

  test      everything: installs what is missing (Debian, as root), then formatting, clippy, unit,
            property, interop and end-to-end tests; what CI runs
  check     the everyday part: formatting, clippy, unit and property tests
  demo      the demo's call, placed by itself: exits 0 only if audio came back
  e2e       the browser tests alone [arguments go to the harness: names of cases]
  fuzz      coverage-guided fuzzing [TARGET] [SECONDS], or merge [TARGET]: its finds into the corpus
  guards    takes out the guards of SECURITY.md one by one, and sees that their tests fail [ROW...]
  soak      calls that talk for a minute, calls that come and go: nothing may be lost or stay behind
  instructions
            counts those of the packet path; fails when there are more than were committed [--accept]
  attack    attacks a relay and an edge beside calls that must lose nothing, and prints what came of it
            [part of a name] [--against anchor] [--help says the options]
  bench-relay
            measures the relay, beside rtpengine where that is installed [--help says the options]
  bench-proxy
            measures the proxy, beside Kamailio where that is installed [--help says the options]
  relays    shares a million calls over a hundred relays, and says how even that is and what moves when one comes or goes
  install   only installs what the tests need
  deny      licences, sources and bans of all dependencies (needs cargo-deny)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match chore.as_str() {
        "test" => steps::test(),
        "check" => steps::check(),
        "demo" => steps::demo(),
        "e2e" => e2e::run(&rest),
        "fuzz" => fuzz::run(&rest),
        "guards" => guards::run(&rest),
        "attack" => attack::run(&rest),
        "bench-relay" => bench::run(&rest),
        "bench-proxy" => bench_proxy::run(&rest),
        "soak" => soak::run(&rest),
        "instructions" => instructions::run(&rest),
        "relays" => steps::relays(),
        "install" => install::everything(),
        "deny" => steps::deny(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("\nxtask {chore}: {what}");
            ExitCode::FAILURE
        }
    }
}
