//! ng's two codecs, by the requests and replies that they carry.

use control_proto::{
    Client, Command, Dictionary, Envelope, Event, Format, Request, Response, Value,
};

use crate::Reached;
use crate::world::start;

/// Containers in a request; a reply may have twice as many (control-proto's own bounds).
const REQUEST_DEPTH: usize = 8;
const REPLY_DEPTH: usize = 16;

/// The payload of a datagram in bencode.
pub(super) fn bencode(payload: &[u8]) -> Reached {
    Reached::taken(payload.first() != Some(&b'{') && is_sound(payload, Format::Bencode))
}

/// The payload of a datagram in JSON.
pub(super) fn json(payload: &[u8]) -> Reached {
    Reached::taken(payload.first() == Some(&b'{') && is_sound(payload, Format::Json))
}

fn is_sound(payload: &[u8], format: Format) -> bool {
    let request = request(payload);
    if let Some(request) = &request {
        request_is_bounded(request, payload.len());
        request_is_written_and_read(request, format);
    }
    let reply = reply(payload);
    if let Some(reply) = &reply {
        bounded(&reply.other, REPLY_DEPTH, payload.len());
        let written = reply.encode(b"", format);
        assert_eq!(self::reply(&written[1..]).as_ref(), Some(reply));
    }
    request.is_some() || reply.is_some()
}

fn request(payload: &[u8]) -> Option<Request> {
    let datagram = [b"c ", payload].concat();
    Envelope::open(&datagram)?.request().ok()
}

/// What a client makes of a reply.
fn reply(payload: &[u8]) -> Option<Response> {
    let mut client = Client::new([0; 8]);
    let asked = client.ask(&Request::new(Command::Ping), start());
    let Some(Event::Send(question)) = client.poll() else {
        panic!("a question is sent at once");
    };
    let cookie = Envelope::open(&question).unwrap().cookie;
    let taken = client.receive(&[cookie, b" ", payload].concat(), start());
    match client.poll() {
        Some(Event::Answered(ticket, reply)) if taken && ticket == asked => Some(reply),
        None if !taken => None,
        other => panic!("{taken} {other:?}"),
    }
}

fn request_is_bounded(request: &Request, length: usize) {
    bounded(&request.other, REQUEST_DEPTH, length);
    assert!(request.unknown.len() <= length);
    let longest = request.unknown.iter().map(String::len).max();
    assert!(longest.is_none_or(|longest| longest <= 3 * length + 300));
}

/// What is written is read as the same, but for what was not understood: that is not written.
fn request_is_written_and_read(read: &Request, format: Format) {
    if read
        .flags
        .iter()
        .any(|flag| flag.contains("--") || flag.contains(".."))
    {
        return; // read once more it says something else: these stand for `=` and a space
    }
    let mut expected = read.clone();
    let datagram = read.encode(b"c", format);
    let mut again = Envelope::open(&datagram).unwrap().request().unwrap();
    expected.unknown.clear();
    again.unknown.clear();
    assert_eq!(again, expected);
}

/// As deep as allowed, and no more values than there were bytes to write them.
fn bounded(dictionary: &Dictionary, depth: usize, length: usize) {
    let mut count = 0;
    for (_, value) in dictionary.iter() {
        walk(value, depth - 1, &mut count);
    }
    assert!(count <= length, "{count} values out of {length} bytes");
}

fn walk(value: &Value, depth: usize, count: &mut usize) {
    *count += 1;
    match value {
        Value::Integer(_) | Value::Bytes(_) => {}
        Value::List(list) => {
            assert!(depth > 0, "too deep");
            list.iter().for_each(|value| walk(value, depth - 1, count));
        }
        Value::Dictionary(dictionary) => {
            assert!(depth > 0, "too deep");
            dictionary
                .iter()
                .for_each(|(_, value)| walk(value, depth - 1, count));
        }
    }
}
