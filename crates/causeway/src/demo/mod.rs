//! The demo: a SIP server, a phone and a whole edge before it, on this machine, with nothing to configure.
//!
//! The edge is started from a TOML file written on the spot, by the same code that an operator's file
//! goes through; only the SIP server and the phone are stand-ins.

mod files;
mod once;
mod parts;

use crate::cli::DemoOptions;
use crate::config::Edge;
use crate::programs::Running;
use crate::signals;

/// The SIP domain of the demo's users (RFC 2606: no such name will ever exist).
const DOMAIN: &str = "demo.example";
/// Users and passwords, printed and prefilled in the page.
const USERS: [(&str, &str); 2] = [("alice", "wonderland"), ("bob", "builder")];

/// Runs until it is told to stop or, with `--once`, until one call was made and judged.
pub(crate) async fn run(options: DemoOptions) -> Result<(), String> {
    let registrar = parts::start().await?;
    let folder = files::Folder::create(&options, registrar.address())?;
    let edge = Edge::load(folder.edge()).map_err(|e| e.to_string())?;
    let prefill = parts::prefill();
    let pages = std::sync::Arc::new(move |path: &str| prefill.lookup(path));
    let running = Running::start(folder.edge(), &edge, Some(pages)).await?;
    let (ws, wss) = match running.ws.as_slice() {
        [ws, wss] => (*ws, *wss),
        _ => return Err("the demo's WebSockets were not bound".into()),
    };
    if options.once {
        let public = edge.relay.media.addresses("public").first();
        let public = public.ok_or("the demo's edge has no public address")?.bind;
        return running.during(once::call(wss, public)).await;
    }
    let stop = signals::terminated();
    println!("Causeway demo: a SIP server, a phone and an edge run on this machine.\n");
    println!("  open      http://{}/", localhost(ws));
    println!(
        "  or        https://{}/   (self-signed certificate: accept it once)",
        localhost(wss)
    );
    println!(
        "  users     {}",
        USERS
            .map(|(user, password)| format!("{user} / {password}"))
            .join(", ")
    );
    println!(
        "  call      echo (hear yourself), music, callback (it calls you back), or each other from two tabs"
    );
    println!(
        "  the edge  {} (its relay is a process of its own)",
        folder.edge().display()
    );
    println!("\nCtrl-C stops it.");
    running.until(stop).await;
    Ok(())
}

/// Browsers give a page the microphone at `localhost` and over TLS, but not at any other plain address.
fn localhost(address: std::net::SocketAddr) -> String {
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}
