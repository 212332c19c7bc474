//! The demo's configuration and self-signed certificate, in a temporary folder that goes with it.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use crate::cli::DemoOptions;

use super::DOMAIN;

/// Tried first, so that the URL is the same at every start; any free port otherwise.
const WS_PORT: u16 = 8080;
const WSS_PORT: u16 = 8443;

/// A temporary folder with `edge.toml`, `cert.pem` and `key.pem`.
pub(super) struct Folder {
    path: PathBuf,
    edge: PathBuf,
}

impl Folder {
    /// Writes the files of an edge before the SIP server at `upstream`.
    pub(super) fn create(options: &DemoOptions, upstream: SocketAddr) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("causeway-demo-{}", std::process::id()));
        let folder = Self {
            edge: path.join("edge.toml"),
            path,
        };
        let listen = options.address();
        let text = edge(listen, upstream);
        let (cert, key) = certificate(listen)?;
        let write = || {
            use std::os::unix::fs::DirBuilderExt as _;
            std::fs::DirBuilder::new()
                .mode(0o700)
                .create(&folder.path)?;
            std::fs::write(&folder.edge, text)?;
            std::fs::write(folder.path.join("cert.pem"), cert)?;
            std::fs::write(folder.path.join("key.pem"), key)
        };
        write().map_err(|e| {
            format!(
                "the demo's files cannot be written to {} ({e}); set TMPDIR to a folder that can",
                folder.path.display()
            )
        })?;
        Ok(folder)
    }

    /// The edge's TOML file.
    pub(super) fn edge(&self) -> &Path {
        &self.edge
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn edge(listen: IpAddr, upstream: SocketAddr) -> String {
    let ws = SocketAddr::new(listen, free_port(listen, WS_PORT));
    let wss = SocketAddr::new(listen, free_port(listen, WSS_PORT));
    format!(
        "# The demo's edge, written at its start.\n\
         domain   = \"{DOMAIN}\"\n\
         upstream = \"udp:{upstream}\"\n\
         [listen]\n\
         ws   = \"{ws}\"\n\
         wss  = \"{wss}\"\n\
         udp  = \"127.0.0.1:0\"\n\
         cert = \"cert.pem\"\n\
         key  = \"key.pem\"\n\
         metrics = \"off\"\n\
         [relay]\n\
         metrics = \"off\"\n\
         [media]\n\
         public  = \"{}\"\n\
         private = \"127.0.0.1\"\n",
        media_address(listen)
    )
}

/// Firefox pairs no candidate of a real interface with a loopback one, so media goes to this
/// machine's own address where it has one, although nothing leaves the machine.
fn media_address(listen: IpAddr) -> IpAddr {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    if !listen.is_loopback() && !listen.is_unspecified() {
        return listen;
    }
    // Connecting a UDP socket only asks the kernel for a route; RFC 5737 address, no packet is sent.
    let own = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    own.map_or(loopback, |address| address.ip())
}

fn free_port(ip: IpAddr, wanted: u16) -> u16 {
    match TcpListener::bind((ip, wanted)) {
        Ok(_) => wanted,
        Err(_) => 0,
    }
}

/// A certificate and key in PEM for the names a browser on this machine would use.
fn certificate(listen: IpAddr) -> Result<(String, String), String> {
    let names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        listen.to_string(),
    ];
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|e| format!("no certificate could be made ({e})"))?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}
