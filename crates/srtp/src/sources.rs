//! A small table of sources (SSRCs), bounded. Found by looking along it: a leg has one to four, and the one that was
//! heard last stands first.

/// What is known per source of one direction and protocol.
#[derive(Debug, Clone)]
pub(crate) struct Sources<T> {
    entries: Vec<Entry<T>>,
    /// Counts uses, so that the source idle for longest can be told.
    clock: u64,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    ssrc: u32,
    used: u64,
    value: T,
}

impl<T> Sources<T> {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            clock: 0,
        }
    }

    /// The source's state. Does not count as a use of it: the packet may be forged yet.
    #[inline]
    pub(crate) fn find(&mut self, ssrc: u32) -> Option<&mut T> {
        let at = self.entries.iter().position(|entry| entry.ssrc == ssrc)?;
        if at != 0 {
            self.entries.swap(0, at);
        }
        self.entries.first_mut().map(|entry| &mut entry.value)
    }

    pub(crate) fn get(&self, ssrc: u32) -> Option<&T> {
        let entry = self.entries.iter().find(|entry| entry.ssrc == ssrc)?;
        Some(&entry.value)
    }

    /// Notes that the source which [`Sources::find`] returned last was heard for certain.
    #[inline]
    pub(crate) fn used_first(&mut self) {
        self.clock = self.clock.wrapping_add(1);
        if let Some(first) = self.entries.first_mut() {
            first.used = self.clock;
        }
    }

    /// Adds a source; when there are `most` of them, the one idle for longest makes room.
    pub(crate) fn admit(&mut self, ssrc: u32, value: T, most: usize) {
        self.clock = self.clock.wrapping_add(1);
        let entry = Entry {
            ssrc,
            used: self.clock,
            value,
        };
        if self.entries.len() < most {
            self.entries.push(entry);
        } else if let Some(oldest) = self.entries.iter_mut().min_by_key(|entry| entry.used) {
            *oldest = entry;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.entries.iter().map(|entry| (entry.ssrc, &entry.value))
    }
}
