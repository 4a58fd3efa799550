//! Reads DER (X.690), as far as certificates need it: elements one behind another, each with a tag
//! and its content. What is no DER is `None`, wherever it was cut.

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const BOOLEAN: u8 = 0x01;

/// The first element of some DER.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) rest: &'a [u8],
}

/// The elements of some DER; ends at the first that is none.
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let found = element(self.0)?;
        self.0 = found.rest;
        Some(found)
    }
}

/// The content of the first element, which must have this tag, and what follows it.
pub(super) fn content(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(der)
        .filter(|found| found.tag == tag)
        .map(|found| (found.content, found.rest))
}

/// Splits the first element off `der`; a length has at most four bytes (X.690 section 8.1.3).
pub(super) fn element(der: &[u8]) -> Option<Element<'_>> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let length = digits
                .iter()
                .fold(0, |sum, &digit| sum << 8 | usize::from(digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(Element { tag, content, rest })
}
