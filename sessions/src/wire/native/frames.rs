//! Decodes frames of bulk data (PROTOCOL.md section 6): a 32-bit big-endian length, then that many
//! bytes.

/// The longest frame, in bytes.
pub const FRAME_MAX: u32 = 1 << 20;
/// The length that ends the data.
pub const END: [u8; 4] = [0; 4];
/// The length that ends the data unfinished.
pub const ABORT: [u8; 4] = [0xff; 4];

/// What the decoder found at the front of the input.
#[derive(PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// Bytes of the bulk data.
    Data(&'a [u8]),
    /// The input is used up.
    NeedMore,
    /// The data ended.
    End,
    /// The data ended unfinished.
    Abort,
    /// A frame over `FRAME_MAX` begins; its bytes follow as `Data`.
    TooLong,
}

/// Finds the data between the lengths, however the input is cut.
#[derive(Default, Debug)]
pub struct FrameDecoder {
    header: [u8; 4],
    header_len: usize,
    /// Bytes of the current frame that have not come yet.
    left: u32,
}

impl FrameDecoder {
    /// The next piece of the input, and how many bytes of the input it took.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> (Piece<'a>, usize) {
        if self.left > 0 && !bytes.is_empty() {
            let take = bytes.len().min(self.left as usize);
            self.left -= take as u32;
            return (Piece::Data(&bytes[..take]), take);
        }
        let take = bytes.len().min(4 - self.header_len);
        self.header[self.header_len..self.header_len + take].copy_from_slice(&bytes[..take]);
        self.header_len += take;
        if self.header_len < 4 {
            return (Piece::NeedMore, take);
        }
        self.header_len = 0;
        (self.begin(), take)
    }

    fn begin(&mut self) -> Piece<'static> {
        match self.header {
            END => Piece::End,
            ABORT => Piece::Abort,
            header => {
                self.left = u32::from_be_bytes(header);
                if self.left > FRAME_MAX {
                    Piece::TooLong
                } else {
                    Piece::Data(&[])
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        for data in [&b"hello"[..], b" ", b"frames"] {
            bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
            bytes.extend_from_slice(data);
        }
        bytes.extend_from_slice(&END);
        bytes.extend_from_slice(b"225 rest");
        bytes
    }

    #[test]
    fn any_cut_gives_the_same_data() {
        let bytes = stream();
        for step in 1..bytes.len() {
            let (mut decoder, mut data, mut used) = (FrameDecoder::default(), Vec::new(), 0);
            'all: for chunk in bytes.chunks(step) {
                let mut at = 0;
                loop {
                    let (piece, took) = decoder.next(&chunk[at..]);
                    at += took;
                    used += took;
                    match piece {
                        Piece::Data(bytes) => data.extend_from_slice(bytes),
                        Piece::NeedMore => break,
                        Piece::End => break 'all,
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert_eq!(data, b"hello frames");
            assert_eq!(&bytes[used..], b"225 rest");
        }
    }

    #[test]
    fn too_long_is_told_and_can_be_skipped() {
        let mut decoder = FrameDecoder::default();
        assert_eq!(
            decoder.next(&(FRAME_MAX + 1).to_be_bytes()),
            (Piece::TooLong, 4)
        );
        let block = [0; 4096];
        for _ in 0..256 {
            assert!(matches!(decoder.next(&block), (Piece::Data(_), 4096)));
        }
        assert!(matches!(decoder.next(&block), (Piece::Data(_), 1)));
        assert_eq!(decoder.next(&ABORT), (Piece::Abort, 4));
        assert!(matches!(
            decoder.next(&FRAME_MAX.to_be_bytes()),
            (Piece::Data(_), 4)
        ));
    }
}
