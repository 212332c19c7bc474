//! The CA's server as `instant-acme` asks it, by our own HTTPS; and what it says about when to come again.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use http::header::RETRY_AFTER;
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use net::https::Client;

/// Asks, and remembers the last `Retry-After` of a refusal.
#[derive(Clone)]
pub(crate) struct Ca {
    client: Client,
    after: Arc<Mutex<Option<Duration>>>,
}

impl Ca {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            after: Arc::default(),
        }
    }

    /// For how long the CA wants to be left alone, if it has said so since this was asked last.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.after
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl HttpClient for Ca {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (client, after) = (self.client.clone(), self.after.clone());
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let request = Request::from_parts(head, body.to_bytes());
            let answer = client.request(request).await;
            let (parts, body) = answer.map_err(|e| Error::Other(Box::new(e)))?.into_parts();
            if parts.status.is_client_error() || parts.status.is_server_error() {
                let value = parts.headers.get(RETRY_AFTER);
                let value = value.and_then(|value| wait(value.to_str().ok()?, SystemTime::now()));
                *after.lock().unwrap_or_else(PoisonError::into_inner) = value;
            }
            let body = Box::new(body);
            Ok(BytesResponse { parts, body })
        })
    }
}

/// What a `Retry-After` means: seconds, or a date (RFC 9110 section 10.2.3).
fn wait(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_of_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |value| wait(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:07 GMT"), Some(30));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(seconds("soon"), None);
    }
}
