//! Many who want in: connections that become nothing, and passwords that are wrong.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::socket::{Socket, UPGRADE, credentials, registration, status};
use crate::attack::Outcome;
use crate::flood::Sent;
use crate::programs::{DOMAIN, WS};
use crate::whole::{WITNESS, Whole};

/// Connections.
const HALF_OPEN: u64 = 5_000;
/// A new client is registered by then.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Passwords.
const GUESSES: u32 = 2_000;
/// More must not reach the SIP server: 30 at once, and ten in each minute that it takes.
const MAX_TRIED: u32 = 60;

/// Connections that say nothing, a word, or half a request, while somebody registers.
pub(super) fn half_open(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    crate::field::run(&format!(
        "prlimit --pid {} --nofile=20000:20000",
        std::process::id()
    ))?;
    let began = Instant::now();
    let held = whole.field.alley.within(|| {
        let mut held = Vec::new();
        for number in 0..HALF_OPEN {
            let mut stream = TcpStream::connect(WS).map_err(|error| error.to_string())?;
            let words = match number % 3 {
                0 => "",
                1 => "GET",
                _ => UPGRADE.trim_end(),
            };
            // It may be closed already.
            _ = stream.write_all(words.as_bytes());
            held.push(stream);
        }
        Ok(held)
    })?;
    let sent = Sent {
        datagrams: HALF_OPEN,
        bytes: 0,
        took: began.elapsed(),
    };
    let waits: Result<Vec<Duration>, String> = (0..5).map(|_| whole.newcomer()).collect();
    drop(held);
    let longest = waits
        .as_ref()
        .ok()
        .and_then(|waits| waits.iter().max().copied());
    let bite = match &waits {
        Err(why) => Some(why.clone()),
        Ok(_) if longest > Some(MAX_WAIT) => Some("a new client waits".to_owned()),
        Ok(_) => None,
    };
    let note = format!(
        "a new client is registered within {} ms",
        longest.unwrap_or_default().as_millis()
    );
    Ok(Outcome::of(sent).biting(bite).saying(note))
}

/// REGISTERs in the witness's name, each with another password.
pub(super) fn guessed(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    let began = Instant::now();
    let (mut tried, mut refused, mut number) = (0, 0, 0);
    let mut socket = Socket::open(&whole.field.alley)?;
    while number < 2 * GUESSES && began.elapsed() < Duration::from_secs(60) {
        number += 2;
        let uri = format!("sip:{DOMAIN}");
        let answer = socket.send(&registration(WITNESS, number, "")).ok();
        let challenge = answer
            .and_then(|()| socket.final_response())
            .unwrap_or_default();
        let password = format!("guess{number}");
        let given = credentials(&challenge, "REGISTER", &uri, WITNESS, &password);
        let Some(given) = given else {
            // It was too much for this connection, or was closed.
            refused += 1;
            socket = Socket::open(&whole.field.alley)?;
            continue;
        };
        let header = format!("Authorization: {given}\r\n");
        let answer = socket
            .send(&registration(WITNESS, number + 1, &header))
            .ok();
        match answer
            .and_then(|()| socket.final_response())
            .as_deref()
            .and_then(status)
        {
            Some(401 | 403) => tried += 1,
            Some(200) => {
                return Ok(Outcome::default().biting(Some("a password was right".to_owned())));
            }
            _ => refused += 1,
        }
    }
    let sent = Sent {
        datagrams: u64::from(tried + refused),
        bytes: 0,
        took: began.elapsed(),
    };
    let bite = (tried > MAX_TRIED).then(|| format!("{tried} were looked at"));
    let note = format!("{tried} were looked at, {refused} refused");
    Ok(Outcome::of(sent).biting(bite).saying(note))
}
