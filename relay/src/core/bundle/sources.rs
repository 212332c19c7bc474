//! Which medium of a bundle a source is of.

use crate::core::leg::Leg;
use crate::core::table::Key;

/// Sources that are remembered at once: a few streams for each medium. Of more, the one noted first is forgotten.
const MAX_SOURCES: usize = 64;

/// Sources of one direction, and their media.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<(u32, Key<Leg>)>);

impl Sources {
    pub(super) fn get(&self, source: u32) -> Option<Key<Leg>> {
        let known = self.0.iter().find(|(known, _)| *known == source);
        known.map(|(_, medium)| *medium)
    }

    pub(super) fn note(&mut self, source: u32, medium: Key<Leg>) {
        if let Some((_, known)) = self.0.iter_mut().find(|(known, _)| *known == source) {
            *known = medium;
            return;
        }
        if self.0.len() >= MAX_SOURCES {
            self.0.remove(0);
        }
        self.0.push((source, medium));
    }
}

#[cfg(test)]
mod tests {
    use sdp::{Formats, Media, MediaKind, Protocol};

    use super::*;
    use crate::core::call::Call;
    use crate::core::table::Table;

    fn medium() -> Key<Leg> {
        let seat = crate::core::Seats::new(1).take().unwrap();
        let call = Call::new("call".into(), seat, std::time::Instant::now());
        let formats = Formats::Rtp(Vec::new());
        let media = Media::new(MediaKind::Video, 9, Protocol::RtpAvp, formats);
        Table::new().insert(Leg::new(Table::new().insert(call), &media))
    }

    #[test]
    fn a_peer_with_sources_without_number_takes_no_memory_without_bound() {
        let medium = medium();
        let mut sources = Sources::default();
        (0..100_000).for_each(|source| sources.note(source, medium));
        assert_eq!(sources.0.len(), MAX_SOURCES);
        assert!(sources.get(99_999).is_some() && sources.get(0).is_none());
    }
}
