//! Running digests of a file: how far they got, and what they are.

use std::fmt;

use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha512};

/// The MD5 of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Md5Sum(pub [u8; 16]);

impl Md5Sum {
    /// `None` unless it is 32 hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        parse_hex(hex).map(Self)
    }

    pub fn of(bytes: &[u8]) -> Self {
        Self(Md5::digest(bytes).into())
    }
}

impl fmt::Display for Md5Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Md5Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5Sum({self})")
    }
}

/// The digests that HASH knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    Md5,
    Sha256,
    Sha512,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|a| a.name() == name)
    }
}

/// A finished digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sum {
    Md5(Md5Sum),
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

impl Sum {
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Md5(_) => Algorithm::Md5,
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// `None` unless it is 64 hexadecimal digits.
    pub fn parse_sha256(hex: &str) -> Option<Self> {
        parse_hex(hex).map(Self::Sha256)
    }

    pub fn md5(&self) -> Option<Md5Sum> {
        match self {
            Self::Md5(sum) => Some(*sum),
            Self::Sha256(_) | Self::Sha512(_) => None,
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(sum) => sum.fmt(f),
            Self::Sha256(bytes) => write_hex(bytes, f),
            Self::Sha512(bytes) => write_hex(bytes, f),
        }
    }
}

/// A digest under way over a file's bytes, in order.
#[derive(Clone)]
pub struct Running {
    state: State,
    start: u64,
    position: u64,
}

#[derive(Clone)]
enum State {
    Md5(Md5),
    Sha256(Sha256),
    /// Boxed: it is the largest, and the rarest.
    Sha512(Box<Sha512>),
}

impl Running {
    pub fn new(algorithm: Algorithm) -> Self {
        Self::starting(algorithm, 0)
    }

    /// Of the bytes from `start` on.
    pub fn starting(algorithm: Algorithm, start: u64) -> Self {
        let state = match algorithm {
            Algorithm::Md5 => State::Md5(Md5::new()),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::default()),
        };
        Self {
            state,
            start,
            position: start,
        }
    }

    /// The offset of the first byte it is of.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The offset of the next byte it wants.
    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Md5(md5) => md5.update(bytes),
            State::Sha256(sha256) => sha256.update(bytes),
            State::Sha512(sha512) => sha512.update(bytes),
        }
        self.position += bytes.len() as u64;
    }

    /// Of the bytes so far; it may go on afterwards.
    pub fn sum(&self) -> Sum {
        match &self.state {
            State::Md5(md5) => Sum::Md5(Md5Sum(md5.clone().finalize().into())),
            State::Sha256(sha256) => Sum::Sha256(sha256.clone().finalize().into()),
            State::Sha512(sha512) => Sum::Sha512(Sha512::clone(sha512).finalize().into()),
        }
    }
}

fn parse_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    if hex.len() != 2 * N || !hex.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digit = |b: u8| (b as char).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_both_ways() {
        let text = "5eb63bbbe01eeed093cb22bb8f5acdc3";
        assert_eq!(Md5Sum::parse(text).unwrap().to_string(), text);
        assert_eq!(Md5Sum::of(b"hello world").to_string(), text);
        for bad in [
            "",
            "5eb6",
            "5eb63bbbe01eeed093cb22bb8f5acdcg",
            "+eb63bbbe01eeed093cb22bb8f5acdc3",
        ] {
            assert_eq!(Md5Sum::parse(bad), None);
        }
    }
}
