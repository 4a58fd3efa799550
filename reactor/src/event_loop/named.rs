//! Remembers what the log has named, so that it is named once.

use std::collections::HashSet;
use std::hash::Hash;

/// Most that is remembered; then all is forgotten, and may be named again.
const MAX: usize = 4096;

pub(crate) struct Named<T>(HashSet<T>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Hash + Eq> Named<T> {
    /// True if `thing` has not been named yet.
    pub(crate) fn add(&mut self, thing: T) -> bool {
        if self.0.len() >= MAX {
            self.0.clear();
        }
        self.0.insert(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_each_in_bounded_memory() {
        let mut named = Named::default();
        assert!(named.add(1) && !named.add(1) && named.add(2));
        for thing in 0..20_000 {
            named.add(thing);
        }
        assert!(named.0.len() <= MAX);
    }
}
