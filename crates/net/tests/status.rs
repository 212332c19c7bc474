//! The door at which a program says how it is, as Prometheus and a load balancer use it.
#![allow(clippy::unwrap_used)] // a test may stop on the first surprise

use std::net::SocketAddr;

use causeway_net::status::{About, Answer, Door, Question};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A door whose questions are answered so.
fn door(answer: impl Fn(Question) + Send + Sync + 'static) -> SocketAddr {
    let door = Door::bind("127.0.0.1:0".parse().unwrap(), "causeway_test_").unwrap();
    let address = door.local_addr();
    tokio::spawn(door.run(answer));
    address
}

async fn say(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    say(address, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await
}

fn well(question: Question) {
    match question.about {
        About::Metrics => question.answer(Answer::Metrics(Box::new(|page| {
            page.counter("calls", "Calls", 7_u64)
        }))),
        About::Health => question.judge(None),
        About::Ready => question.judge(Some("no\r\nX-Evil: room".to_owned())),
    }
}

#[tokio::test]
async fn what_the_loop_says_is_what_is_served() {
    let address = door(well);
    let metrics = get(address, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    assert!(
        metrics.contains("application/openmetrics-text"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\ncauseway_test_calls_total 7\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nprocess_resident_memory_bytes "),
        "{metrics}"
    );
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    let health = get(address, "/health").await;
    assert!(
        health.starts_with("HTTP/1.1 200") && health.ends_with("\r\n\r\nok\n"),
        "{health}"
    );
    let ready = get(address, "/ready").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(
        ready.ends_with("\r\n\r\nno  X-Evil: room\n"),
        "one line: {ready}"
    );
}

#[tokio::test]
async fn nothing_but_reading_is_possible() {
    let address = door(well);
    for (request, expected) in [
        (
            "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            "405",
        ),
        ("DELETE /ready HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
        ("GET /metrics/../etc HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let answer = say(address, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{request}: {answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_does_not_answer_is_not_healthy() {
    let kept = std::sync::Mutex::new(Vec::new());
    let address = door(move |question| kept.lock().unwrap().push(question));
    let health = get(address, "/health").await;
    assert!(health.starts_with("HTTP/1.1 503"), "{health}");
    assert!(health.contains("has not answered"), "{health}");
    let busy = door(drop);
    let metrics = get(busy, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 503"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_not_waited_for() {
    let address = door(well);
    assert_eq!(say(address, "GET /health HTTP/1.1\r\n").await, "");
}
