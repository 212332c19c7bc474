//! A table whose keys are small integers: one array access from a packet to its leg.

use std::marker::PhantomData;

/// The key of a `T` in its [`Table`]. Reused once the entry is removed.
pub(super) struct Key<T>(u32, PhantomData<fn() -> T>);

/// Fewer entries than this are not worth the work of giving their memory back.
const MANY: usize = 1024;

/// Entries by small keys.
pub(super) struct Table<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
    /// How many were removed since it was last asked to [shrink](Self::shrink).
    removed: usize,
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            removed: 0,
        }
    }

    pub(super) fn insert(&mut self, entry: T) -> Key<T> {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.entries.get_mut(index as usize)
        {
            *slot = Some(entry);
            return Key(index, PhantomData);
        }
        // A table has fewer entries than there are UDP ports on all addresses of a machine.
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(Some(entry));
        Key(index, PhantomData)
    }

    pub(super) fn remove(&mut self, key: Key<T>) -> Option<T> {
        let entry = self.entries.get_mut(key.0 as usize)?.take()?;
        self.free.push(key.0);
        self.removed = self.removed.saturating_add(1);
        Some(entry)
    }

    /// Whether most of a crowd has left, so that it is time to [`shrink`](Self::shrink): seldom enough that each removal
    /// pays for little of it.
    pub(super) fn is_sparse(&self) -> bool {
        let room = self.entries.len();
        room >= MANY && self.len() <= room / 4 && self.removed >= room / 2
    }

    /// Gives the memory behind the last entry back.
    pub(super) fn shrink(&mut self) {
        let last = self.entries.iter().rposition(Option::is_some);
        let used = last.map_or(0, |last| last.saturating_add(1));
        self.entries.truncate(used);
        self.entries.shrink_to_fit();
        self.free.retain(|index| (*index as usize) < used);
        self.free.shrink_to_fit();
        self.removed = 0;
    }

    pub(super) fn get(&self, key: Key<T>) -> Option<&T> {
        self.entries.get(key.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        self.entries.get_mut(key.0 as usize)?.as_mut()
    }

    /// Two different entries at once.
    pub(super) fn pair_mut(&mut self, a: Key<T>, b: Key<T>) -> Option<(&mut T, &mut T)> {
        let [a, b] = self
            .entries
            .get_disjoint_mut([a.0 as usize, b.0 as usize])
            .ok()?;
        Some((a.as_mut()?, b.as_mut()?))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len().saturating_sub(self.free.len())
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Key<T> {}

impl<T> PartialOrd for Key<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Key<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<T> std::hash::Hash for Key<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T> std::fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_reused_only_after_its_entry_is_gone() {
        let mut table = Table::new();
        let (a, b) = (table.insert('a'), table.insert('b'));
        assert_eq!(table.remove(a), Some('a'));
        assert_eq!(
            (table.remove(a), table.get(a), table.len()),
            (None, None, 1)
        );
        let c = table.insert('c');
        assert_eq!((c, table.get(b), table.get(c)), (a, Some(&'b'), Some(&'c')));
        assert_eq!(table.pair_mut(b, b), None);
        assert_eq!(table.pair_mut(b, c), Some((&mut 'b', &mut 'c')));
    }

    #[test]
    fn when_a_crowd_has_left_its_room_is_given_back_and_nobody_else_loses_his() {
        let mut table = Table::new();
        let keys: Vec<_> = (0..10_000).map(|number| table.insert(number)).collect();
        let stays = keys[99];
        for key in keys.iter().rev().filter(|key| **key != stays) {
            assert!(!table.is_sparse() || table.len() <= 2500);
            table.remove(*key);
        }
        assert!(table.is_sparse());
        table.shrink();
        assert!(!table.is_sparse());
        assert_eq!((table.entries.capacity(), table.len()), (100, 1));
        // Each key is given once.
        let mut others: Vec<_> = (0..200).map(|number| table.insert(number)).collect();
        others.push(stays);
        others.sort_unstable();
        others.dedup();
        assert_eq!((others.len(), table.get(stays)), (201, Some(&99)));
    }
}
