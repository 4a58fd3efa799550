//! Splits what the server sent into lines and frames without its own codec.

/// A line begins with a digit, a frame's length with 0 or 255.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    Line(u16, String),
    /// Frames up to their end.
    Data(Vec<u8>),
    /// Frames up to an abort.
    Aborted(Vec<u8>),
    /// Frames, or a line, that did not come to their end.
    Cut(Vec<u8>),
}

pub(super) fn said(mut bytes: &[u8]) -> Vec<Said> {
    let mut all = Vec::new();
    while let Some(&first) = bytes.first() {
        let (said, rest) = match first {
            b'0'..=b'9' => line(bytes),
            _ => frames(bytes),
        };
        all.push(said);
        bytes = rest;
    }
    all
}

pub(super) fn codes_of(said: &[Said]) -> Vec<u16> {
    let code = |said: &Said| match said {
        Said::Line(code, _) => Some(*code),
        _ => None,
    };
    said.iter().filter_map(code).collect()
}

fn line(bytes: &[u8]) -> (Said, &[u8]) {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return (Said::Cut(Vec::new()), &[]);
    };
    let text = String::from_utf8(bytes[..end].to_vec()).unwrap();
    (
        Said::Line(text[..3].parse().unwrap(), text[4..].to_owned()),
        &bytes[end + 2..],
    )
}

fn frames(mut bytes: &[u8]) -> (Said, &[u8]) {
    let mut data = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        match u32::from_be_bytes(*length) {
            0 => return (Said::Data(data), rest),
            u32::MAX => return (Said::Aborted(data), rest),
            length => {
                let length = (length as usize).min(rest.len());
                data.extend_from_slice(&rest[..length]);
                bytes = &rest[length..];
            }
        }
    }
    (Said::Cut(data), &[])
}

/// Bytes in frames of at most `size`, without an end.
pub(super) fn framed(bytes: &[u8], size: usize) -> Vec<u8> {
    let frame = |data: &[u8]| [&(data.len() as u32).to_be_bytes()[..], data].concat();
    bytes.chunks(size).flat_map(frame).collect()
}

pub(super) const END: &[u8] = &[0; 4];
pub(super) const ABORT: &[u8] = &[0xff; 4];
