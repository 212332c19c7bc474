//! Messages, and how a flow ends.

use super::*;

#[tokio::test]
async fn messages_pass_both_ways_and_a_close_is_told() {
    let (address, mut events) = listen(Options::default()).await;
    let mut browser = connect(address, None).await.unwrap();
    let flow = opened(&mut events).await;
    assert_eq!(flow.host, address.to_string());
    assert!(!flow.secure);

    browser.send(Message::text("REGISTER")).await.unwrap();
    let Some(Event::Message { bytes, .. }) = events.recv().await else {
        panic!("no message")
    };
    assert_eq!(bytes, b"REGISTER");

    assert!(flow.sender.send(b"SIP/2.0 200 OK".to_vec()));
    let answer = browser.next().await.unwrap().unwrap();
    assert_eq!(answer.as_text(), Some("SIP/2.0 200 OK"));

    assert!(flow.sender.send(b"\xff not utf-8".to_vec()));
    assert!(browser.next().await.unwrap().unwrap().is_binary());

    browser.close().await.unwrap();
    assert!(matches!(
        events.recv().await,
        Some(Event::Closed {
            why: Closing::ByPeer,
            ..
        })
    ));
}

#[tokio::test]
async fn dropping_the_sender_closes_the_browsers_socket() {
    let (address, mut events) = listen(Options::default()).await;
    let mut browser = connect(address, None).await.unwrap();
    drop(opened(&mut events).await.sender);
    assert!(browser.next().await.unwrap().unwrap().is_close());
    assert!(matches!(
        events.recv().await,
        Some(Event::Closed {
            why: Closing::ByUs,
            ..
        })
    ));
}

#[tokio::test]
async fn an_oversized_message_ends_its_flow_and_no_other() {
    let (address, mut events) = listen(Options::default()).await;
    let mut attacker = connect(address, None).await.unwrap();
    let attacking = opened(&mut events).await;
    let mut witness = connect(address, None).await.unwrap();
    let _witnessing = opened(&mut events).await;

    let _ = attacker.send(Message::binary(vec![b'a'; 65 * 1024])).await;
    match events.recv().await {
        Some(Event::Closed {
            flow,
            why: Closing::Protocol | Closing::ByPeer,
        }) => assert_eq!(flow, attacking.flow),
        other => panic!("expected the flow's end, got {other:?}"),
    }
    witness.send(Message::text("\r\n\r\n")).await.unwrap();
    assert!(matches!(events.recv().await, Some(Event::Message { .. })));
}
