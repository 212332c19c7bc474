//! Asking servers that the configuration names, by HTTPS: one request, one answer, one connection. For the few things that
//! an edge wants of the web now and then: a certificate of a CA, the keys of whoever signs tokens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::stream::{self, Stream};
use crate::tls::{self, TlsError};

/// From the look-up of the name to the last octet of the answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest answer that is read, in octets.
const MAX_BODY: usize = 1 << 20;

/// Why there is no answer. Each says what to look at.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not a URL that can be asked.
    #[error("'{0}' is not a URL; write it as https://host/path")]
    Url(String),
    /// The URL's host cannot be a certificate's name.
    #[error("{0}")]
    Name(#[from] TlsError),
    /// Nobody there, or not whom the URL names.
    #[error(
        "{host} cannot be reached ({error}); see that its name is right and that this machine may connect to it"
    )]
    Unreachable {
        /// The URL's host, with its port where there is one.
        host: String,
        /// What the resolver, the kernel or TLS said.
        error: io::Error,
    },
    /// It does not speak HTTP as it should.
    #[error("{host} gives no answer that can be read ({reason})")]
    Garbled {
        /// The URL's host.
        host: String,
        /// What was wrong.
        reason: String,
    },
    /// It takes too long.
    #[error("{0} has not answered within 30 s")]
    Late(String),
}

/// Asks servers whose certificates `tls` trusts.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Arc<ClientConfig>,
}

impl Client {
    /// See [`tls::client_config`] for whom is trusted.
    #[must_use]
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Self { tls }
    }

    /// One request, whatever the answer's status; no redirection is followed.
    ///
    /// # Errors
    /// There is no answer, or one over 1 MiB.
    pub async fn request(&self, request: Request<Bytes>) -> Result<Response<Bytes>, RequestError> {
        let host = match request.uri().authority() {
            Some(authority) if request.uri().scheme_str() == Some("https") => authority.to_string(),
            _ => return Err(RequestError::Url(request.uri().to_string())),
        };
        let late = |_| RequestError::Late(host.clone());
        timeout(DEADLINE, self.exchange(&host, request))
            .await
            .map_err(late)?
    }

    async fn exchange(
        &self,
        host: &str,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, RequestError> {
        let garbled = |reason: String| RequestError::Garbled {
            host: host.to_owned(),
            reason,
        };
        let stream = self.connect(host, request.uri()).await?;
        let wrong = |_| RequestError::Url(host.to_owned());
        let value = HeaderValue::from_str(host).map_err(wrong)?;
        request.headers_mut().insert(HOST, value);
        // To the server itself, not to a proxy: a path alone (RFC 9112 section 3.2.1).
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| garbled(error.to_string()))?;
        let ask = async {
            let response = sender.send_request(request.map(Full::new)).await;
            let (head, body) = response
                .map_err(|error| garbled(error.to_string()))?
                .into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await;
            let body = body.map_err(|error| garbled(error.to_string()))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::pin!(ask);
        tokio::select! {
            answer = &mut ask => answer,
            // What it has ended with stands in the answer, too.
            _ = connection => ask.await,
        }
    }

    async fn connect(&self, host: &str, uri: &Uri) -> Result<Stream, RequestError> {
        let unreachable = |error| RequestError::Unreachable {
            host: host.to_owned(),
            error,
        };
        let name = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(443);
        let addresses = tokio::net::lookup_host((name, port)).await;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.map_err(unreachable)? {
            let tls = Some((self.tls.clone(), tls::server_name(name)?));
            match stream::connect(address, tls).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(unreachable(last))
    }
}
