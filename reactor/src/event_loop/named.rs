//! Remembers things in bounded memory: what the log has named, so that it is named once, and whom
//! nothing better is expected of.

use std::collections::HashSet;
use std::hash::Hash;

/// Most that is remembered; then all is forgotten.
const MAX: usize = 4096;

pub(crate) struct Named<T>(HashSet<T>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Hash + Eq> Named<T> {
    /// True if `thing` is new.
    pub(crate) fn add(&mut self, thing: T) -> bool {
        if self.0.len() >= MAX {
            self.0.clear();
        }
        self.0.insert(thing)
    }

    pub(crate) fn contains(&self, thing: &T) -> bool {
        self.0.contains(thing)
    }

    pub(crate) fn forget(&mut self, thing: &T) {
        self.0.remove(thing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_each_in_bounded_memory() {
        let mut named = Named::default();
        assert!(named.add(1) && !named.add(1) && named.add(2));
        named.forget(&1);
        assert!(!named.contains(&1) && named.contains(&2) && named.add(1));
        for thing in 0..20_000 {
            named.add(thing);
        }
        assert!(named.0.len() <= MAX);
    }
}
