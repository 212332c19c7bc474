//! `--once`: the main job, done and judged without a browser. A web client over real sockets registers
//! through the edge, calls `echo`, sends a tone and must hear that tone again, both at the phone's and at its own end.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use demo::phone::Voice;
use demo::webphone::{Call, Config, Webphone};

use super::{DOMAIN, USERS};

/// What is sent, and must come back.
const TONE: f32 = 440.0;
/// How far off the tone may be: the ear's resolution is some Hz.
const TOLERANCE: f32 = 20.0;
/// Packets to hear before judging: one second of audio.
const PACKETS: u32 = 50;
/// The whole call. Set-up takes milliseconds; a machine that needs longer has another problem.
const DEADLINE: Duration = Duration::from_secs(20);

/// Places the call through the edge's WSS listener; media sockets are bound at `media`.
pub(super) async fn call(wss: SocketAddr, media: IpAddr) -> Result<(), String> {
    tokio::time::timeout(DEADLINE, place(wss, media))
        .await
        .map_err(|_| format!("no audio came back within {} s; run again with --log debug to see where it stopped", DEADLINE.as_secs()))?
}

async fn place(wss: SocketAddr, media: IpAddr) -> Result<(), String> {
    let (user, password) = USERS[0];
    let mut config = Config::new(&format!("wss://{wss}/"), user, password, DOMAIN);
    config.address = media;
    let phone = Webphone::connect(config)
        .await
        .map_err(|e| format!("connecting: {e}"))?;
    phone
        .register()
        .await
        .map_err(|e| format!("registering as {user}: {e}"))?;
    println!("registered as {user} at wss://{wss}/");
    let call = phone
        .call(&format!("sip:echo@{DOMAIN}"), Voice::Tone(TONE))
        .await
        .map_err(|e| format!("calling echo: {e}"))?;
    call.answered()
        .await
        .map_err(|e| format!("calling echo: {e}"))?;
    call.until_heard(PACKETS).await;
    let verdict = judge(&call);
    call.hang_up().map_err(|e| format!("hanging up: {e}"))?;
    call.ended().await;
    verdict
}

fn judge(call: &Call) -> Result<(), String> {
    let heard = call.heard();
    let frequency = heard.frequency.unwrap_or(0.0);
    println!("{}", call.timeline());
    println!(
        "heard {} packets, {:.0} Hz of the {TONE:.0} Hz sent",
        heard.packets, frequency
    );
    if heard.packets < PACKETS {
        return Err(format!("only {} packets came back", heard.packets));
    }
    if (frequency - TONE).abs() > TOLERANCE {
        return Err("packets came back, but not the tone that was sent".into());
    }
    println!("audio came back: the demo works");
    Ok(())
}
