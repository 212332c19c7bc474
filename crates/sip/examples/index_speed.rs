//! How long one INVITE of 3.3 kB takes to index, to validate, and to be edited as a proxy edits it.
//! `cargo run --release -p causeway-sip --example index_speed`

use std::hint::black_box;
use std::time::Instant;

use causeway_sip::{Error, Message, validate};

const ROUNDS: u32 = 200_000;

fn main() -> Result<(), Error> {
    let bytes = invite();
    println!("INVITE of {} bytes, mean of {ROUNDS} rounds", bytes.len());
    // What every round pays besides: one allocation and copy of the datagram.
    time("copy", || {
        drop(black_box(bytes.clone()));
        Ok(())
    })?;
    time("copy + index", || {
        Message::parse(black_box(bytes.clone())).map(drop)
    })?;
    let message = Message::parse(bytes)?;
    time("validate", || {
        black_box(validate(black_box(&message))).ok();
        Ok(())
    })?;
    time("copy + four edits", || {
        let mut copy = black_box(&message).clone();
        copy.prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnew;rport")?;
        copy.prepend("Record-Route", "<sip:token@192.0.2.1;lr>")?;
        copy.set("Max-Forwards", 69_u32)?;
        copy.set_body("application/sdp", b"v=0\r\n")
    })
}

fn time(what: &str, mut round: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        round()?;
    }
    println!(
        "{what:>18}: {:>6.2} us",
        begin.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
    );
    Ok(())
}

/// As a browser sends it: a dozen headers and a long SDP.
fn invite() -> Vec<u8> {
    let candidate = "a=candidate:2071506811 1 udp 2122260223 192.0.2.14 49203 typ host generation 0 network-id 1\r\n";
    let extmap = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=rtcp-fb:111 transport-cc\r\n";
    let sdp = format!(
        "v=0\r\no=- 46117 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{}",
        [candidate, extmap].concat().repeat(14)
    );
    format!(
        "INVITE sip:echo@example.com SIP/2.0\r\nVia: SIP/2.0/WSS 8kqcvg4h0d2p.invalid;branch=z9hG4bK9310442\r\n\
         To: <sip:echo@example.com>\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=kg5u1sfmrs\r\nCSeq: 2 INVITE\r\n\
         Call-ID: 2r6m1b2n8fd0c4h5i6jq\r\nMax-Forwards: 70\r\n\
         Proxy-Authorization: Digest algorithm=MD5, username=\"alice\", realm=\"example.com\", \
         nonce=\"5f2b0a7c5f2b0a7c5f2b0a7c5f2b0a7c\", uri=\"sip:echo@example.com\", \
         response=\"1d0d3c7a17c9b0ef47b4b2d9c6f0e7a1\", qop=auth, cnonce=\"9b3v\", nc=00000001\r\n\
         Contact: <sip:5ho2t1kc@8kqcvg4h0d2p.invalid;transport=ws;ob>\r\n\
         Route: <sip:dG9rZW4gdG9rZW4gdG9rZW4gdG9rZW4@edge.example.com;transport=ws;lr>\r\n\
         Allow: ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER\r\nSupported: outbound\r\n\
         User-Agent: SIP.js/0.21.2\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}
