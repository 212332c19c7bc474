//! One web client: it registers and calls as browsers' libraries do, and takes nothing but what it expects. What does
//! not come has a name ([`Failure`]), and so has what comes instead.

use std::time::Duration;

use peers::random;
use tokio::time::timeout;

use super::bodies::BROWSER_OFFER;
use super::digest::Credentials;
use super::failure::Failure;
use super::message::Message;
use super::socket::{Socket, Target};

/// The domain that everybody is of.
pub(crate) const DOMAIN: &str = "bench.example";

/// How long a call is left alone between its ACK and its BYE.
const TALK: Duration = Duration::from_millis(20);

/// A client on an open WebSocket.
pub(crate) struct Client {
    socket: Socket,
    user: String,
    /// `ws` or `wss`.
    scheme: &'static str,
    /// A host that does not exist, as browsers write it.
    host: String,
    /// Of its registrations.
    call_id: String,
    tag: String,
    sequence: u32,
    /// How long it waits for what it expects.
    patience: Duration,
}

/// Where a response belongs.
struct Transaction<'a> {
    call_id: &'a str,
    sequence: u32,
    method: &'static str,
}

impl Client {
    /// Connects; not registered yet.
    pub(crate) async fn connect(
        target: &Target,
        number: usize,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let scheme = if target.tls.is_some() { "wss" } else { "ws" };
        match timeout(patience, Socket::connect(target)).await {
            Ok(Ok(socket)) => Ok(Self::new(socket, scheme, number, patience)),
            Ok(Err(error)) => Err(Failure::NotConnected(error.to_string())),
            Err(_) => Err(Failure::NotConnected("in time".to_owned())),
        }
    }

    pub(crate) fn new(
        socket: Socket,
        scheme: &'static str,
        number: usize,
        patience: Duration,
    ) -> Self {
        Self {
            socket,
            user: format!("web{number}"),
            scheme,
            host: format!("{}.invalid", random::token(12)),
            call_id: random::token(22),
            tag: random::token(10),
            sequence: 0,
            patience,
        }
    }

    /// REGISTER, 401, REGISTER with credentials, 200.
    pub(crate) async fn register(&mut self) -> Result<(), Failure> {
        let uri = format!("sip:{DOMAIN}");
        self.sequence += 1;
        let (call_id, first) = (self.call_id.clone(), self.sequence);
        let refused = Transaction::new(&call_id, first, "REGISTER");
        self.send(&self.registration(first, ""), 401, "REGISTER")
            .await?;
        let challenge = self.expect(401, &refused).await?;
        let header = self.credentials(&challenge, "REGISTER", &uri)?;
        self.sequence += 1;
        let accepted = Transaction::new(&call_id, self.sequence, "REGISTER");
        self.send(&self.registration(self.sequence, &header), 200, "REGISTER")
            .await?;
        self.expect(200, &accepted).await.map(drop)
    }

    /// INVITE, 407, ACK, INVITE with credentials, 180, 200, ACK, BYE, 200.
    pub(crate) async fn call(&mut self) -> Result<(), Failure> {
        let uri = format!("sip:phone@{DOMAIN}");
        let (call_id, tag) = (random::token(20), random::token(10));
        let to = format!("<{uri}>");
        let user = self.user.clone();
        let dialog = |to: &str| {
            format!("From: <sip:{user}@{DOMAIN}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n")
        };
        let refused = Transaction::new(&call_id, 1, "INVITE");
        let via = self.via();
        let invite = self.invitation(&uri, &via, &dialog(&to), 1, "");
        self.send(&invite, 407, "INVITE").await?;
        let challenge = self.expect(407, &refused).await?;
        let header = self.credentials(&challenge, "INVITE", &uri)?;
        let refused_to = value(&challenge, "To")?;
        let ack = self.plain("ACK", &uri, &via, &dialog(&refused_to), 1, "");
        self.send(&ack, 180, "INVITE").await?;

        let accepted = Transaction::new(&call_id, 2, "INVITE");
        let invite = self.invitation(&uri, &self.via(), &dialog(&to), 2, &header);
        self.send(&invite, 180, "INVITE").await?;
        self.expect(180, &accepted).await?;
        let answer = self.expect(200, &accepted).await?;
        let (to, contact) = (value(&answer, "To")?, value(&answer, "Contact")?);
        if !Message::read(&answer).is_some_and(|it| it.body.contains("m=audio ")) {
            return Err(wrong("an answer in the 200", "none"));
        }
        let contact = Message::uri(&contact).unwrap_or_default().to_owned();
        let route = route(&answer);
        let ack = self.plain("ACK", &contact, &self.via(), &dialog(&to), 2, &route);
        self.send(&ack, 200, "BYE").await?;
        tokio::time::sleep(TALK).await;

        let ended = Transaction::new(&call_id, 3, "BYE");
        let bye = self.plain("BYE", &contact, &self.via(), &dialog(&to), 3, &route);
        self.send(&bye, 200, "BYE").await?;
        self.expect(200, &ended).await.map(drop)
    }

    /// Stays connected, answering pings, until `leave` is done, and then leaves.
    pub(crate) async fn stay(mut self, leave: impl Future<Output = ()>) -> Result<(), Failure> {
        tokio::pin!(leave);
        loop {
            tokio::select! {
                () = &mut leave => break,
                received = self.socket.receive() => {
                    received.map_err(|_| Failure::Closed("it left".to_owned()))?;
                }
            }
        }
        self.leave().await;
        Ok(())
    }

    /// Closes its connection.
    pub(crate) async fn leave(self) {
        self.socket.leave().await;
    }

    fn registration(&self, sequence: u32, authorization: &str) -> String {
        let (user, scheme, host) = (&self.user, self.scheme, &self.host);
        let more = format!(
            "Contact: <sip:{user}@{host};transport={scheme}>;reg-id=1;\
             +sip.instance=\"<urn:uuid:9d3c5f0e-3b1a-4c39-8d0a-{:0>12}>\";expires=600\r\nExpires: 600\r\n{authorization}\
             Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\nSupported: path,gruu,outbound\r\n",
            &user[3..]
        );
        let dialog = format!(
            "To: <sip:{user}@{DOMAIN}>\r\nFrom: <sip:{user}@{DOMAIN}>;tag={}\r\nCall-ID: {}\r\n",
            self.tag, self.call_id
        );
        let uri = format!("sip:{DOMAIN}");
        self.plain("REGISTER", &uri, &self.via(), &dialog, sequence, &more)
    }

    fn invitation(
        &self,
        uri: &str,
        via: &str,
        dialog: &str,
        sequence: u32,
        authorization: &str,
    ) -> String {
        let (user, scheme, host) = (&self.user, self.scheme, &self.host);
        format!(
            "{}Contact: <sip:{user}@{host};transport={scheme};ob>\r\n{}\
             Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\nSupported: gruu,outbound\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{BROWSER_OFFER}",
            head("INVITE", uri, via, dialog, sequence),
            authorization.replacen("Authorization", "Proxy-Authorization", 1),
            BROWSER_OFFER.len()
        )
    }

    /// A request without a body.
    fn plain(
        &self,
        method: &str,
        uri: &str,
        via: &str,
        dialog: &str,
        sequence: u32,
        more: &str,
    ) -> String {
        let head = head(method, uri, via, dialog, sequence);
        format!("{head}{more}Content-Length: 0\r\n\r\n")
    }

    fn via(&self) -> String {
        let transport = self.scheme.to_uppercase();
        let branch = random::token(12);
        format!("SIP/2.0/{transport} {};branch=z9hG4bK{branch}", self.host)
    }

    /// `Authorization`, as a line.
    fn credentials(&self, challenge: &str, method: &str, uri: &str) -> Result<String, Failure> {
        let asked = value(challenge, "WWW-Authenticate")
            .or_else(|_| value(challenge, "Proxy-Authenticate"))?;
        let (Some(realm), Some(nonce)) = (
            Message::parameter(&asked, "realm"),
            Message::parameter(&asked, "nonce"),
        ) else {
            return Err(wrong("a challenge with realm and nonce", &asked));
        };
        let credentials = Credentials {
            user: &self.user,
            realm,
            nonce,
            method,
            uri,
            count: "00000001",
            cnonce: &random::token(8),
        };
        Ok(format!("Authorization: {}\r\n", credentials.header()))
    }

    async fn send(&mut self, text: &str, status: u16, method: &str) -> Result<(), Failure> {
        let sent = self.socket.send(text).await;
        sent.map_err(|_| Failure::Closed(format!("{status} to {method}")))
    }

    /// Waits for this response. Provisional ones before it are no surprise; what belongs to another transaction is a late
    /// repetition.
    async fn expect(&mut self, status: u16, of: &Transaction<'_>) -> Result<String, Failure> {
        let name = || format!("{status} to {}", of.method);
        let wait = async {
            loop {
                let received = self.socket.receive().await;
                let text = received.map_err(|_| Failure::Closed(name()))?;
                let Some(came) = Message::read(&text).filter(|it| of.has(it)) else {
                    continue;
                };
                match came.status() {
                    Some(came) if came == status => return Ok(text),
                    Some(100..200) => {}
                    Some(came) => return Err(wrong(&name(), &came.to_string())),
                    None => return Err(wrong(&name(), "a request")),
                }
            }
        };
        let waited = timeout(self.patience, wait).await;
        waited.unwrap_or_else(|_| Err(Failure::Lost(name())))
    }
}

impl<'a> Transaction<'a> {
    fn new(call_id: &'a str, sequence: u32, method: &'static str) -> Self {
        Self {
            call_id,
            sequence,
            method,
        }
    }

    fn has(&self, message: &Message<'_>) -> bool {
        let sequence = format!("{} {}", self.sequence, self.method);
        message.value("Call-ID") == Some(self.call_id)
            && message.value("CSeq") == Some(sequence.as_str())
    }
}

fn head(method: &str, uri: &str, via: &str, dialog: &str, sequence: u32) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 69\r\n{dialog}CSeq: {sequence} {method}\r\n\
         User-Agent: causeway-bench\r\n"
    )
}

/// The routes of a dialog that we began (RFC 3261 section 12.1.2), as lines.
fn route(answer: &str) -> String {
    let recorded = Message::read(answer).map(|answer| answer.list("Record-Route"));
    let routes = recorded.unwrap_or_default();
    let lines = routes.iter().rev();
    lines.map(|route| format!("Route: {route}\r\n")).collect()
}

fn value(text: &str, name: &str) -> Result<String, Failure> {
    let found = Message::read(text).and_then(|message| message.value(name));
    found
        .map(str::to_owned)
        .ok_or_else(|| wrong(name, "a message without"))
}

fn wrong(expected: &str, came: &str) -> Failure {
    Failure::Wrong {
        expected: expected.to_owned(),
        came: came.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::super::upstream::Upstream;
    use super::*;

    /// A client, and the server's end of its WebSocket.
    fn client(patience: Duration) -> (Client, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let socket = Socket::over(Box::new(ours));
        (Client::new(socket, "ws", 7, patience), theirs)
    }

    /// The next message of a client; control frames and all but 16-bit lengths are not known here.
    async fn heard(from: &mut DuplexStream) -> Option<String> {
        let mut head = [0; 8];
        from.read_exact(&mut head).await.ok()?;
        let length = match head[1] & 0x7f {
            126 => usize::from(u16::from_be_bytes([head[2], head[3]])),
            _ => return None,
        };
        let mut text = vec![0; length];
        from.read_exact(&mut text).await.ok()?;
        String::from_utf8(text).ok()
    }

    async fn say(to: &mut DuplexStream, text: &str) {
        let mut frame = vec![0x81, 126];
        frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend(text.as_bytes());
        to.write_all(&frame).await.unwrap();
    }

    /// A phone behind no edge at all: everything that comes is passed to it, and what it says comes back, but for what
    /// `spoil` takes away or changes.
    async fn serve(mut wire: DuplexStream, spoil: impl Fn(String) -> Option<String>) {
        let mut upstream = Upstream::default();
        while let Some(text) = heard(&mut wire).await {
            for (_, reply) in upstream.receive(&text) {
                if let Some(reply) = spoil(reply) {
                    say(&mut wire, &reply).await;
                }
            }
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(future)
    }

    /// What comes of a registration and a call with a server that is spoiled so.
    fn outcome(
        patience: Duration,
        spoil: impl Fn(String) -> Option<String>,
    ) -> [Result<(), Failure>; 2] {
        run(async {
            let (mut client, wire) = client(patience);
            let both = async { [client.register().await, client.call().await] };
            tokio::select! {
                both = both => both,
                () = serve(wire, spoil) => unreachable!("the client hangs up last"),
            }
        })
    }

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn with_nothing_between_all_succeeds() {
        assert_eq!(outcome(LONG, Some), [Ok(()), Ok(())]);
    }

    #[test]
    fn a_response_that_is_lost_is_named() {
        for (begins, of, name) in [
            ("SIP/2.0 401", "REGISTER", "401 to REGISTER"),
            ("SIP/2.0 200", "REGISTER", "200 to REGISTER"),
            ("SIP/2.0 407", "INVITE", "407 to INVITE"),
            ("SIP/2.0 200", "INVITE", "200 to INVITE"),
            ("SIP/2.0 200", "BYE", "200 to BYE"),
        ] {
            let method = format!(" {of}\r\n");
            let outcome = outcome(SHORT, |reply| {
                (!(reply.starts_with(begins) && reply.contains(&method))).then_some(reply)
            });
            let lost = Err(Failure::Lost(name.to_owned()));
            assert!(outcome.contains(&lost), "{outcome:?}");
        }
    }

    #[test]
    fn a_call_that_did_not_ring_is_wrong() {
        let [_, call] = outcome(LONG, |reply| (!reply.contains(" 180 ")).then_some(reply));
        assert_eq!(call, Err(wrong("180 to INVITE", "200")));
    }

    #[test]
    fn another_status_than_the_expected_one_is_an_error() {
        let [registration, _] = outcome(LONG, |reply| Some(reply.replace(" 401 ", " 403 ")));
        assert_eq!(registration, Err(wrong("401 to REGISTER", "403")));
    }

    #[test]
    fn credentials_that_do_not_hold_are_refused_again() {
        let [registration, _] = outcome(LONG, |reply| Some(reply.replace("nonce=\"", "nonce=\"x")));
        assert_eq!(registration, Err(wrong("200 to REGISTER", "401")));
    }

    #[test]
    fn a_connection_that_ends_is_told_from_silence() {
        let (mut client, wire) = client(LONG);
        drop(wire);
        let ended = run(client.register());
        assert_eq!(ended, Err(Failure::Closed("401 to REGISTER".to_owned())));
    }
}
