//! A relay in this process, commanded over its real UDP port by our own client of the ng protocol.

use std::net::{IpAddr, SocketAddr};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use control_proto::{
    Client, Command, Dtls, Event, Format, Ice, Request, Response, TransportProtocol, flag,
};
use relay::core::{Advertise, Bind, Interface};
use relay::server::{Config, Error, Server};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::phone::PATIENCE;

/// Browsers' side.
pub(crate) const PUBLIC: &str = "127.0.0.1";
/// Phones' side.
pub(crate) const PRIVATE: &str = "127.0.0.2";

/// A running relay; it is stopped when dropped.
pub(crate) struct Relay {
    pub(crate) control: SocketAddr,
    socket: UdpSocket,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        let interface = |name: &str, address: &str| {
            let address: IpAddr = address.parse().unwrap();
            let (bind, advertise) = (Bind(address), Advertise(address));
            Interface {
                name: name.to_owned(),
                bind,
                advertise,
            }
        };
        let interfaces = vec![interface("public", PUBLIC), interface("private", PRIVATE)];
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), interfaces);
        config.core.delete_delay = Duration::ZERO;
        let server = Server::bind(config).unwrap();
        let control = server.control_addr();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(server.run(async { _ = stopped.await }))
        });
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(control).await.unwrap();
        let (client, stop, thread) = (Client::new([7; 8]), Some(stop), Some(thread));
        Self {
            control,
            socket,
            client,
            stop,
            thread,
        }
    }

    /// Sends a command, again if need be, and waits for the response.
    pub(crate) async fn ask(&mut self, request: &Request) -> Response {
        self.client.ask(request, Instant::now());
        let mut buffer = vec![0; 65_535];
        loop {
            while let Some(event) = self.client.poll() {
                match event {
                    Event::Send(datagram) => _ = self.socket.send(&datagram).await.unwrap(),
                    Event::Answered(_, response) => return response,
                    Event::Failed(_, failure) => panic!("{failure}"),
                }
            }
            let due = self.client.deadline().unwrap();
            tokio::select! {
                received = self.socket.recv(&mut buffer) => {
                    let length = received.unwrap();
                    self.client.receive(&buffer[..length], Instant::now());
                }
                () = tokio::time::sleep_until(due.into()) => self.client.timeout(Instant::now()),
            }
        }
    }

    /// Waits until the DTLS handshake of a call has given keys: the last word of it may be the peer's, and what it sends
    /// right behind that is lost.
    pub(crate) async fn has_keys(&mut self, call: &str) {
        let keyed = async {
            loop {
                let response = self.ask(&request(Command::Query, call)).await;
                let text = response.encode(b"query", Format::Json);
                if String::from_utf8_lossy(&text).contains("\"crypto suite\"") {
                    return;
                }
            }
        };
        timeout(PATIENCE, keyed).await.expect("no keys");
    }

    /// The body that comes out; the command must succeed.
    pub(crate) async fn sdp(&mut self, request: &Request) -> String {
        let response = self.ask(request).await;
        assert!(response.is_ok(), "{response:?}");
        String::from_utf8(response.sdp.unwrap()).unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

/// A command about this call.
pub(crate) fn request(command: Command, call: &str) -> Request {
    let mut request = Request::new(command);
    request.call_id = Some(call.to_owned());
    request.from_tag = Some("caller".to_owned());
    request
}

/// A browser's offer on its way to a phone, as the proxy sends it.
pub(crate) fn offer_to_phone(call: &str, sdp: &str) -> Request {
    let mut offer = request(Command::Offer, call);
    offer.sdp = Some(sdp.as_bytes().to_vec());
    offer.transport_protocol = Some(TransportProtocol::RtpAvp);
    offer.ice = Some(Ice::Remove);
    offer.rtcp_mux.demux = true;
    offer.replace.origin = true;
    offer.direction = Some(["public".to_owned(), "private".to_owned()]);
    offer
}

/// A phone's offer on its way to a browser, as the proxy sends it.
pub(crate) fn offer_to_browser(call: &str, sdp: &str) -> Request {
    let mut offer = request(Command::Offer, call);
    offer.sdp = Some(sdp.as_bytes().to_vec());
    offer.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavpf);
    offer.ice = Some(Ice::Force);
    offer.rtcp_mux.require = true;
    offer.sdes.off = true;
    offer.flags.set(flag::GENERATE_MID);
    offer.direction = Some(["private".to_owned(), "public".to_owned()]);
    offer
}

/// The answer to either; `dtls` is the relay's role towards a browser that offered.
pub(crate) fn answer(call: &str, sdp: &str, dtls: Option<Dtls>) -> Request {
    let mut answer = request(Command::Answer, call);
    answer.to_tag = Some("callee".to_owned());
    answer.sdp = Some(sdp.as_bytes().to_vec());
    answer.dtls = dtls;
    answer
}
