//! Parses the lines of a listing as they arrive, in chunks cut anywhere, and hands out each entry
//! at once.

use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::line::{Head, Inbox};
use skiff_sessions::wire::native::facts::parse_entry;
use skiff_sessions::wire::reply::{Facts, Refusal};

use super::local_end::LocalEnd;

/// The most entries of a listing that is printed as it comes: no home has as many, and a server
/// that sends more has no end.
pub(crate) const PRINTED_MAX: ListingBounds = ListingBounds {
    entries: 10_000_000,
    bytes: u64::MAX,
};

/// The most that is kept of one listing: an entry counts for its name and for [`ENTRY_BYTES`].
pub(crate) const KEPT_MAX: ListingBounds = ListingBounds {
    entries: u64::MAX,
    bytes: 24 << 20,
};

/// What an entry takes in memory beside the bytes of its name, about.
pub(crate) const ENTRY_BYTES: u64 = 128;

/// What comes of a listing.
pub(crate) enum Listed<'a> {
    Entry(&'a [u8], &'a Facts),
    /// The connection was lost meanwhile and made again: all entries come anew.
    Anew,
}

/// How much a listing may be before it is refused as endless.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ListingBounds {
    pub entries: u64,
    /// Bytes that it would take to keep it.
    pub bytes: u64,
}

/// The sink of a listing: calls `on_entry` with each entry's name and facts.
pub(crate) struct ListingParser<F> {
    lines: Inbox,
    on_entry: F,
    left: ListingBounds,
}

impl<F: FnMut(&[u8], &Facts)> ListingParser<F> {
    /// A listing of which nothing is kept.
    pub(crate) fn new(on_entry: F) -> Self {
        Self::within(PRINTED_MAX, on_entry)
    }

    /// A listing that is refused (`Refusal::TooLong`) when it exceeds `bounds`.
    pub(crate) fn within(bounds: ListingBounds, on_entry: F) -> Self {
        Self {
            lines: Inbox::default(),
            on_entry,
            left: bounds,
        }
    }
}

impl ListingBounds {
    /// Takes one entry off.
    fn take(&mut self, name: &[u8]) -> Result<(), Refusal> {
        let bytes = name.len() as u64 + ENTRY_BYTES;
        let entries = self.entries.checked_sub(1).ok_or(Refusal::TooLong)?;
        let bytes = self.bytes.checked_sub(bytes).ok_or(Refusal::TooLong)?;
        *self = Self { entries, bytes };
        Ok(())
    }
}

impl<F: FnMut(&[u8], &Facts)> LocalEnd for ListingParser<F> {}

impl<F> Source for ListingParser<F> {
    fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<usize, Refusal> {
        Err(Refusal::Fault)
    }
}

impl<F: FnMut(&[u8], &Facts)> Sink for ListingParser<F> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.lines.push(bytes);
        loop {
            match self.lines.take() {
                Head::Incomplete => break,
                Head::Line(range) => {
                    let (name, facts) =
                        parse_entry(self.lines.slice(range)).ok_or(Refusal::BadFrame)?;
                    self.left.take(&name)?;
                    (self.on_entry)(&name, &facts);
                }
                Head::Broken | Head::TooLong => return Err(Refusal::BadFrame),
            }
        }
        self.lines.compact();
        Ok(())
    }
}

/// True for a name that is one path component and not `.` or `..`. A server may send others: they
/// must not become local paths.
pub(crate) fn is_single_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|b| matches!(b, b'/' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_whatever_way_they_are_cut() {
        let text = b"type=file;size=7;modify=20260102030405;mode=0644; a b\r\n\
            type=dir;size=0;modify=20260102030405; %FF\r\n";
        for step in 1..text.len() {
            let mut seen = Vec::new();
            let mut listing = ListingParser::new(|name: &[u8], facts: &Facts| {
                seen.push((name.to_vec(), facts.size));
            });
            for chunk in text.chunks(step) {
                listing.write(chunk).unwrap();
            }
            assert_eq!(
                seen,
                [(b"a b".to_vec(), 7), (b"\xff".to_vec(), 0)],
                "{step}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            &b"nothing\r\n"[..],
            b"type=file;size=x; a\r\n",
            b"type=file;size=1; a\n",
        ] {
            assert_eq!(
                ListingParser::new(|_: &[u8], _: &Facts| {}).write(bad),
                Err(Refusal::BadFrame)
            );
        }
    }

    #[test]
    fn a_listing_without_an_end_is_refused() {
        let line = b"type=file;size=1;modify=20260102030405; abcdefghij\r\n";
        for (bounds, taken) in [
            (PRINTED_MAX, PRINTED_MAX.entries),
            (KEPT_MAX, KEPT_MAX.bytes / (ENTRY_BYTES + 10)),
        ] {
            let mut seen = 0;
            let mut listing = ListingParser::within(bounds, |_: &[u8], _: &Facts| seen += 1);
            // Most of it was there before.
            let before = taken - 3;
            listing.left.entries -= before;
            listing.left.bytes -= before * (ENTRY_BYTES + 10);
            let written = listing.write(&line.repeat(5));
            assert_eq!(written, Err(Refusal::TooLong));
            assert_eq!(seen, 3);
        }
    }

    #[test]
    fn names_that_lead_elsewhere() {
        for bad in [&b""[..], b".", b"..", b"a/b", b"/", b"../x", b"a\0b"] {
            assert!(!is_single_name(bad), "{bad:?}");
        }
        for good in [&b"..."[..], b"a b", b"\xff", b"-"] {
            assert!(is_single_name(good), "{good:?}");
        }
    }
}
