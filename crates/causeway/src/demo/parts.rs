//! The world behind the demo's edge: a SIP server with users, and an ordinary plain-RTP phone.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use demo::page::Prefill;
use demo::phone::{self, Answer, Line, Phone, Voice};
use demo::registrar;

use super::{DOMAIN, USERS};

/// The line that calls back.
const CALLBACK: &str = "callback";
/// What the phone answers as, and what is heard there.
const NUMBERS: [(&str, &str); 3] = [
    ("echo", "your own voice, back"),
    ("music", "a tune"),
    (CALLBACK, "busy, then it calls you"),
];

/// Starts both. The SIP server ends when it is dropped, the phone with the process.
pub(super) async fn start() -> Result<registrar::Server, String> {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = phone::Config::new("phone", DOMAIN, local);
    config.lines.push(Line {
        answer: Answer::Refuse(486),
        ..Line::new(CALLBACK, Voice::Silent)
    });
    // The server must know where the phone is, and the phone where the server is: the phone's
    // requests go to an address that is reserved first.
    let server = reserve().await?;
    config.server = Some(server);
    config.password = Some("phone".into());
    config.strict = true;
    let phone = Phone::start(config)
        .await
        .map_err(|e| format!("the demo's phone cannot start ({e})"))?;

    let users = USERS.iter().copied().chain([("phone", "phone")]);
    let registrar = registrar::Config {
        domain: DOMAIN.into(),
        users: users
            .map(|(user, password)| (user.into(), password.into()))
            .collect(),
        phones: NUMBERS
            .iter()
            .map(|(number, _)| ((*number).into(), phone.address()))
            .collect::<HashMap<_, _>>(),
    };
    let registrar = registrar::Server::start(registrar, server)
        .await
        .map_err(|e| format!("the demo's SIP server cannot start ({e})"))?;
    tokio::spawn(call_back(phone));
    Ok(registrar)
}

/// What the page's forms begin with.
pub(super) fn prefill() -> Prefill {
    let owned = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(a, b)| ((*a).into(), (*b).into()))
            .collect()
    };
    Prefill {
        domain: DOMAIN.into(),
        users: owned(&USERS),
        numbers: owned(&NUMBERS),
    }
}

/// Calls whoever called the callback line, with music.
async fn call_back(phone: Phone) {
    let phone = Arc::new(phone);
    while let Some(call) = phone.incoming().await {
        if !call.called().starts_with(&format!("sip:{CALLBACK}@")) {
            continue;
        }
        let phone = phone.clone();
        tokio::spawn(async move {
            call.ended().await;
            match phone.call(call.caller(), Voice::Music).await {
                Ok(call) => drop(call.ended().await),
                Err(error) => tracing::warn!(%error, "the demo's phone cannot call back"),
            }
        });
    }
}

async fn reserve() -> Result<SocketAddr, String> {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await;
    socket
        .and_then(|s| s.local_addr())
        .map_err(|e| format!("no free UDP port on 127.0.0.1 ({e})"))
}
