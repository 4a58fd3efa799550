//! Reads a body's bytes as choices, numbers and chunks, and makes such bytes where no fuzzer does:
//! from a seed, and from the seed corpus.

use std::path::Path;

/// The bytes of one run, taken from the front; behind their end there are zeros.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, self.0));
        self.0 = rest;
        first
    }

    pub(crate) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[usize::from(self.byte()) % of.len()]
    }

    /// A length, and as many bytes as it says and are there.
    pub(crate) fn chunk(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        let (chunk, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        chunk
    }

    /// A number, small or of any size: bodies meet both ends of the range.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            0xff => u64::MAX - u64::from(self.byte()),
            0xfe => i64::MAX as u64 + u64::from(self.byte()) - 1,
            0xfd => (0..8).fold(0, |sum, _| sum << 8 | u64::from(self.byte())),
            small => u64::from(small),
        }
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Bytes from a seed (splitmix64), for runs without a fuzzer.
pub(crate) fn bytes_of(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..len).map(|_| next() as u8).collect()
}

/// Bytes from a seed, most of them the numbers below `below`, as choices are.
pub(crate) fn choices_of(seed: u64, len: usize, below: u8) -> Vec<u8> {
    let chosen = |byte: u8| if byte > 250 { byte } else { byte % below };
    bytes_of(seed, len).into_iter().map(chosen).collect()
}

/// The seed corpus of a target, which is in the repository.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = crates.join("fuzz/seeds").join(target);
    let files = std::fs::read_dir(folder).unwrap();
    let seeds: Vec<_> = files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}
