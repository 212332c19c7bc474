//! A SIP server by name.

use std::collections::HashMap;
use std::str::FromStr as _;

use causeway_proxy::core::{Hop, Transport};
use causeway_proxy::server::{Listed, ListedPlace, TlsUpstream};
use hickory_resolver::proto::rr::rdata::{NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use sip::Method;

use super::name_server::{Dns, loopback, record};
use super::parts::{self, Browser, Certificate, Edge, local, register};
use super::{PATIENCE, SipServer, yes};

fn naptr(services: &str, order: u16, replacement: &str) -> Record {
    let octets = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    let replacement = Name::from_str(replacement).unwrap();
    let flags = octets("s");
    let data = NAPTR::new(order, 50, flags, octets(services), octets(""), replacement);
    record("sip.test.", RData::NAPTR(data))
}

fn srv(priority: u16, weight: u16, server: &SipServer, host: &str) -> Record {
    let target = Name::from_str(host).unwrap();
    let port = server.address.port();
    let data = SRV::new(priority, weight, port, target);
    record("_sip._udp.sip.test.", RData::SRV(data))
}

/// NAPTR, SRV and A that lead to this server.
fn leading_to(server: &SipServer) -> Vec<Record> {
    vec![
        naptr("SIP+D2T", 10, "_sip._tcp.sip.test."),
        naptr("SIP+D2U", 20, "_sip._udp.sip.test."),
        srv(0, 0, server, "a.sip.test."),
        loopback("a.sip.test."),
    ]
}

/// An edge whose SIP server is `sip.test`.
async fn edge(dns: &Dns) -> Edge {
    let anything = Hop {
        transport: Transport::Udp,
        address: local(),
    };
    let (server, place) = (dns.address, named("sip.test"));
    Edge::start(anything, move |config| {
        config.upstreams = vec![Listed {
            place,
            priority: 0,
            weight: 1,
        }];
        config.dns = vec![server];
    })
    .await
}

fn named(host: &str) -> ListedPlace {
    ListedPlace::Name {
        host: host.into(),
        transport: None,
        port: None,
    }
}

/// Registers again and again until the edge knows a SIP server that answers; the last number used.
async fn registers(browser: &mut Browser, mut number: u32) -> u32 {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        number += 1;
        browser.send(register(number)).await;
        if browser.receive().await.status() == Some(200) {
            return number;
        }
        assert!(tokio::time::Instant::now() < deadline, "never registered");
    }
}

#[tokio::test]
async fn a_name_is_followed_to_where_it_leads_and_again_when_its_time_is_up() {
    let mut first = SipServer::start(true).await;
    let mut second = SipServer::start(true).await;
    let dns = Dns::start(leading_to(&first)).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let mut number = registers(&mut browser, 0).await;
    assert!(first.next().await.is(&Method::Register));
    assert!(!second.was_used());
    dns.says(leading_to(&second));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !second.was_used() {
        assert!(tokio::time::Instant::now() < deadline, "never followed");
        number = registers(&mut browser, number).await;
    }
}

#[tokio::test]
async fn what_dns_said_last_holds_when_it_fails() {
    let server = SipServer::start(true).await;
    let mut dns = Dns::start(leading_to(&server)).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let number = registers(&mut browser, 0).await;
    dns.fails(true);
    // Its time was up, and there was no answer, more than once.
    dns.is_asked(6).await;
    browser.send(register(number + 1)).await;
    assert_eq!(browser.receive().await.status(), Some(200));
}

#[tokio::test]
async fn an_edge_that_starts_before_dns_serves_when_dns_is_there() {
    let server = SipServer::start(true).await;
    let mut dns = Dns::start(leading_to(&server)).await;
    dns.fails(true);
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    browser.send(register(1)).await;
    assert_eq!(browser.receive().await.status(), Some(503));
    dns.is_asked(6).await;
    dns.fails(false);
    registers(&mut browser, 1).await;
}

#[tokio::test]
async fn without_naptr_and_srv_the_name_itself_is_looked_up() {
    let server = SipServer::start(true).await;
    let dns = Dns::start(vec![loopback("sip.test.")]).await;
    let port = Some(server.address.port());
    let place = ListedPlace::Name {
        host: "sip.test".into(),
        transport: Some(Transport::Udp),
        port,
    };
    let name_server = dns.address;
    let edge = Edge::start(Hop::udp(local()), move |config| {
        config.upstreams = vec![Listed {
            place,
            priority: 0,
            weight: 1,
        }];
        config.dns = vec![name_server];
    })
    .await;
    registers(&mut edge.browser().await, 0).await;
    let asked = dns.asked();
    assert!(asked.iter().all(|name| name == "sip.test."), "{asked:?}");
}

#[tokio::test]
async fn a_register_that_a_dead_first_server_does_not_answer_gets_one_answer_from_the_second() {
    let dead = SipServer::start(false).await;
    let mut second = SipServer::start(true).await;
    let records = vec![
        naptr("SIP+D2U", 10, "_sip._udp.sip.test."),
        srv(0, 1, &dead, "a.sip.test."),
        srv(1, 1, &second, "b.sip.test."),
        loopback("a.sip.test."),
        loopback("b.sip.test."),
    ];
    let dns = Dns::start(records).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let number = registers(&mut browser, 0).await;
    assert!(second.next().await.is(&Method::Register));
    // Now it is known to be down.
    browser.send(register(number + 1)).await;
    assert_eq!(browser.receive().await.status(), Some(200));
    second.next().await;
}

#[tokio::test]
async fn the_priority_of_srv_records_comes_before_their_weight() {
    let mut first = SipServer::start(true).await;
    let mut second = SipServer::start(true).await;
    let records = vec![
        srv(1, u16::MAX, &second, "a.sip.test."),
        srv(0, 1, &first, "a.sip.test."),
        loopback("a.sip.test."),
    ];
    let dns = Dns::start(records).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let number = registers(&mut browser, 0).await;
    for user in 1..=8 {
        let request = register(number + user).replace("alice", &format!("user{user}"));
        browser.send(request).await;
        assert_eq!(browser.receive().await.status(), Some(200));
    }
    assert!(first.was_used());
    assert!(!second.was_used());
}

/// RFC 5922: DNS can be forged, so that the name that counts is the one that the operator has written.
#[tokio::test]
async fn the_certificate_of_a_server_found_by_dns_is_for_the_configured_name_and_not_for_where_dns_led()
 {
    for (named_for, trusted) in [("sip.test", true), ("host.evil.test", false)] {
        let certificate = Certificate::of(named_for);
        let mut server = parts::SipServer::start(Some(certificate.server()));
        let target = Name::from_str("host.evil.test.").unwrap();
        let srv = SRV::new(0, 0, server.address.port(), target);
        let records = vec![
            record("_sips._tcp.sip.test.", RData::SRV(srv)),
            loopback("host.evil.test."),
        ];
        let dns = Dns::start(records).await;
        let anything = Hop {
            transport: Transport::Tls,
            address: local(),
        };
        let name_server = dns.address;
        let edge = Edge::start(anything, |config| {
            let place = ListedPlace::Name {
                host: "sip.test".into(),
                transport: Some(Transport::Tls),
                port: None,
            };
            config.upstreams = vec![Listed {
                place,
                priority: 0,
                weight: 1,
            }];
            config.dns = vec![name_server];
            config.tls.push((local(), certificate.server()));
            config.tls_upstream = Some(TlsUpstream {
                config: certificate.client(),
                names: HashMap::new(),
            });
        })
        .await;
        let mut browser = edge.browser().await;
        if trusted {
            tokio::spawn(async move {
                let mut talk = server.next().await;
                while let Some(request) = talk.receive().await {
                    talk.send(yes(&request)).await;
                }
            });
            registers(&mut browser, 0).await;
            continue;
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut number = 0;
        // Until DNS has answered there is nowhere to go; then there is, and nobody to be trusted.
        loop {
            number += 1;
            browser.send(register(number)).await;
            let refused = browser.receive().await;
            assert_eq!(refused.status(), Some(503));
            if refused.reason().unwrap().contains("Cannot Be Reached") {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "DNS never answered");
        }
        assert!(server.is_left_alone(), "no SIP is spoken to it");
    }
}

#[tokio::test]
async fn no_name_that_comes_in_a_message_is_looked_up() {
    let server = SipServer::start(true).await;
    let dns = Dns::start(leading_to(&server)).await;
    let edge = edge(&dns).await;
    let mut browser = edge.browser().await;
    let number = registers(&mut browser, 0).await;
    let strange = register(number + 1)
        .replace("a.invalid", "via.evil.test")
        .replace("REGISTER", "MESSAGE")
        .replace("sip:example.com", "sip:bob@uri.evil.test")
        .replace("Expires", "Route: <sip:route.evil.test;lr>\r\nExpires");
    browser.send(strange).await;
    assert_eq!(browser.receive().await.status(), Some(200));
    registers(&mut browser, number + 1).await;
    let asked = dns.asked();
    assert!(
        asked.iter().all(|name| name.ends_with("sip.test.")),
        "{asked:?}"
    );
}
