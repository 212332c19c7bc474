//! The world around an edge: a SIP server with one user, a phone that echoes, and a web phone that calls it.

use std::net::SocketAddr;
use std::path::PathBuf;

use demo::phone::{self, Phone, Voice};
use demo::registrar::{self, Server};
use demo::webphone::{self, Webphone};
use tokio::time::timeout;

use super::process::PATIENCE;

pub(crate) const DOMAIN: &str = "demo.example";
const PASSWORD: &str = "open sesame";
const TONE: f32 = 440.0;

pub(crate) struct House {
    server: Server,
    _phone: Phone,
}

impl House {
    pub(crate) async fn start() -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut config = phone::Config::new("desk", DOMAIN, any);
        config.strict = true;
        let phone = Phone::start(config).await.unwrap();
        let config = registrar::Config {
            domain: DOMAIN.to_owned(),
            users: [("alice".to_owned(), PASSWORD.to_owned())].into(),
            phones: [("echo".to_owned(), phone.address())].into(),
        };
        let server = Server::start(config, any).await.unwrap();
        Self {
            server,
            _phone: phone,
        }
    }

    /// The file of an edge before this SIP server; `more` is its [relay] section.
    pub(crate) fn edge(&self, more: &str) -> String {
        let upstream = self.server.address();
        format!(
            "domain = \"{DOMAIN}\"\n\
             upstream = \"udp:{upstream}\"\n\
             [listen]\n\
             ws = \"127.0.0.1:0\"\n\
             udp = \"127.0.0.1:0\"\n\
             metrics = \"127.0.0.1:0\"\n\
             [media]\n\
             public = \"127.0.0.1\"\n\
             private = \"127.0.0.1\"\n\
             {more}"
        )
    }

    /// A registered web phone.
    pub(crate) async fn alice(&self, browsers: &str) -> Webphone {
        let url = format!("ws://{browsers}/");
        let config = webphone::Config::new(&url, "alice", PASSWORD, DOMAIN);
        let alice = Webphone::connect(config).await.unwrap();
        alice.register().await.unwrap();
        alice
    }

    /// A call to the echo comes back as sound, and ends.
    pub(crate) async fn assert_call_works(&self, alice: &Webphone) {
        let call = async {
            let uri = format!("sip:echo@{DOMAIN}");
            let call = alice.call(&uri, Voice::Tone(TONE)).await.unwrap();
            call.answered().await.unwrap();
            call.until_heard(60).await;
            assert_eq!(call.heard().frequency, Some(TONE), "{:?}", call.heard());
            call.hang_up().unwrap();
            call.ended().await;
        };
        timeout(PATIENCE, call)
            .await
            .expect("the call does not get on");
    }

    /// A call to the echo by somebody who says nothing, answered and not hung up on yet.
    pub(crate) async fn silent_call(&self, alice: &Webphone) -> webphone::Call {
        let uri = format!("sip:echo@{DOMAIN}");
        let call = alice.call(&uri, Voice::Silent).await.unwrap();
        timeout(PATIENCE, call.answered())
            .await
            .expect("it is answered")
            .unwrap();
        call
    }

    /// A call to the echo, heard and not hung up on yet.
    pub(crate) async fn call(&self, alice: &Webphone) -> webphone::Call {
        let call = async {
            let uri = format!("sip:echo@{DOMAIN}");
            let call = alice.call(&uri, Voice::Tone(TONE)).await.unwrap();
            call.answered().await.unwrap();
            call.until_heard(60).await;
            call
        };
        timeout(PATIENCE, call)
            .await
            .expect("the call does not get on")
    }

    /// A call to the echo is not answered.
    pub(crate) async fn assert_call_is_refused(&self, alice: &Webphone) {
        let uri = format!("sip:echo@{DOMAIN}");
        let call = async {
            match alice.call(&uri, Voice::Tone(TONE)).await {
                Ok(call) => call.answered().await.is_err(),
                Err(_) => true,
            }
        };
        assert!(
            timeout(PATIENCE, call)
                .await
                .expect("it is refused in time")
        );
    }
}

/// A folder for one test's files, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("causeway-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
