//! The door itself: HTTP/1.1 by hyper, one request for each connection, few connections, little time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{About, Answer, Question, page};
use crate::bind::BindError;
use crate::tcp::Listener;

/// Whoever scrapes or probes has one or two.
const MAX_CONNECTIONS: usize = 16;

/// From accept to the end of the answer.
const LONGEST: Duration = Duration::from_secs(15);

/// For the request's head alone.
const HEAD: Duration = Duration::from_secs(5);

/// A loop that has not answered by then does not turn: calls have no sound, or requests no answer, for as long.
const PATIENCE: Duration = Duration::from_secs(3);

/// Octets of a request; hyper wants to have room for these at least.
const MAX_HEAD: usize = 8 * 1024;

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A bound door; [`run`](Self::run) serves it.
#[derive(Debug)]
pub struct Door {
    listener: Listener,
    /// How the names of the program's numbers begin.
    prefix: &'static str,
}

impl Door {
    /// Binds to this address. Metrics have names that begin with `prefix`.
    pub fn bind(address: SocketAddr, prefix: &'static str) -> Result<Self, BindError> {
        let listener = Listener::bind(address)?;
        Ok(Self { listener, prefix })
    }

    /// The address with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Serves until the future is dropped. `ask` hands a question to the program's loop, without waiting; a question
    /// that is dropped is answered by nobody. Needs a tokio runtime with I/O and time.
    pub async fn run(self, ask: impl Fn(Question) + Send + Sync + 'static) -> std::io::Result<()> {
        let (ask, prefix) = (Arc::new(ask), self.prefix);
        self.listener
            .run(MAX_CONNECTIONS, move |stream, _| {
                let ask = Arc::clone(&ask);
                async move {
                    let service = service_fn(|request| {
                        let ask = Arc::clone(&ask);
                        async move { Ok::<_, Infallible>(respond(&request, &*ask, prefix).await) }
                    });
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEAD)
                        .max_buf_size(MAX_HEAD)
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service);
                    // Whoever asks badly or slowly has no answer.
                    _ = timeout(LONGEST, connection).await;
                }
            })
            .await
    }
}

type Reply = Response<Full<Bytes>>;

async fn respond<B>(request: &Request<B>, ask: &impl Fn(Question), prefix: &'static str) -> Reply {
    let about = match request.uri().path() {
        "/metrics" => About::Metrics,
        "/health" => About::Health,
        "/ready" => About::Ready,
        _ => {
            let what = "Here are /metrics, /health and /ready.\n";
            return reply(StatusCode::NOT_FOUND, TEXT, what.to_owned());
        }
    };
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let what = "There is nothing to be changed here; use GET.\n".to_owned();
        let mut refused = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, what);
        let allowed = HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    let (answer, answered) = oneshot::channel();
    ask(Question { about, answer });
    let unavailable = |why: &str| {
        // One line, whatever it came from.
        let why = why.replace(char::is_control, " ");
        reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n"))
    };
    match timeout(PATIENCE, answered).await {
        Ok(Ok(Answer::Yes)) => reply(StatusCode::OK, TEXT, "ok\n".to_owned()),
        Ok(Ok(Answer::No(why))) => unavailable(&why),
        Ok(Ok(Answer::Metrics(write))) => match page::text(prefix, write) {
            Ok(text) => reply(StatusCode::OK, OPEN_METRICS, text),
            Err(_) => unavailable("the metrics cannot be written down: this is a bug"),
        },
        Ok(Err(_)) => unavailable("too many questions at once"),
        Err(_) => unavailable("a loop of this program has not answered for 3 s"),
    }
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}
