//! Session descriptions: the editor gives back what came, the typed view writes what it reads again.

use sdp::{Document, MAX_MEDIA, Scope, SdpLine, Session, Token, slim_for_phone};

use crate::Reached;

pub(super) fn run(body: &[u8]) -> Reached {
    if let Ok(document) = Document::parse(body) {
        is_kept(document, body);
    }
    let slim = slim_for_phone(body);
    assert_eq!(slim_for_phone(&slim), slim);
    let session = Session::parse(body);
    for session in [&session, &Session::parse_fragment(body)]
        .into_iter()
        .flatten()
    {
        is_written_and_read(session);
    }
    Reached::taken(session.is_ok())
}

fn is_kept(mut document: Document<'_>, body: &[u8]) {
    assert_eq!(document.to_bytes(), body);
    let line = SdpLine::new('a', "fuzz").unwrap();
    let name = Token::from_static("fuzz");
    let last = document.media_count().checked_sub(1);
    for scope in [Some(Scope::Session), last.map(Scope::Media)]
        .into_iter()
        .flatten()
    {
        document.set_attribute(scope, &name, &line).unwrap();
        assert_eq!(document.attribute(scope, "fuzz"), Some(&b""[..]));
        let edited = document.to_bytes();
        let again = Document::parse(&edited).unwrap();
        assert_eq!(again.media_count(), document.media_count());
        assert_eq!(again.to_bytes(), edited);
        assert_eq!(document.remove_attribute(scope, "fuzz"), 1);
    }
}

fn is_written_and_read(session: &Session) {
    assert!(session.media.len() <= MAX_MEDIA);
    let written = session.to_bytes();
    let again = Session::parse(&written).unwrap();
    assert_eq!(again.to_bytes(), written);
    assert_eq!(again.ignored, 0, "what we write we can read");
    assert!(slim_for_phone(&written).len() <= written.len());
}
