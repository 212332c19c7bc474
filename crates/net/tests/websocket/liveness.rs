//! Pings find out who is gone.

use super::*;

/// A listener that pings so often, and a browser on it.
async fn pinged(ping: Duration) -> (Browser, Opened, mpsc::Receiver<Event>) {
    let (address, mut events) = listen(Options {
        ping: Some(ping),
        ..Options::default()
    })
    .await;
    let browser = connect(address, None).await.unwrap();
    let flow = opened(&mut events).await;
    (browser, flow, events)
}

#[tokio::test]
async fn a_browser_that_says_nothing_is_pinged_and_lives_as_long_as_it_answers() {
    let often = Duration::from_secs(1);
    let (mut browser, _flow, mut events) = pinged(often).await;
    for _ in 0..2 {
        // The client answers by itself while it is read.
        assert!(browser.next().await.unwrap().unwrap().is_ping());
    }
    browser.send(Message::text("still here")).await.unwrap();
    assert!(matches!(events.recv().await, Some(Event::Message { .. })));
}

#[tokio::test]
async fn a_browser_that_answers_no_ping_is_gone() {
    // Nobody reads this browser's socket, and so nobody answers.
    let (_browser, flow, mut events) = pinged(Duration::from_millis(50)).await;
    match events.recv().await {
        Some(Event::Closed { flow: gone, why }) => {
            assert_eq!((gone, why), (flow.flow, Closing::Silent));
        }
        other => panic!("expected the flow's end, got {other:?}"),
    }
}

#[tokio::test]
async fn a_browser_that_talks_and_does_not_read_is_gone() {
    let (mut browser, flow, mut events) = pinged(Duration::from_millis(500)).await;
    let sender = flow.sender.clone();
    // More than any socket's buffers hold.
    let flood = tokio::spawn(async move {
        while sender.send(vec![b'x'; 60_000]) {
            tokio::task::yield_now().await;
        }
    });
    // It says something all the time, so that it is not silent.
    let talk = tokio::spawn(async move {
        while browser.send(Message::text("hello")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let why = loop {
        match events.recv().await {
            Some(Event::Closed { why, .. }) => break why,
            Some(_) => {}
            None => panic!("the listener ended"),
        }
    };
    assert_eq!(why, Closing::Slow);
    flood.await.unwrap();
    talk.abort();
}
