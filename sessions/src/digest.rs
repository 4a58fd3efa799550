//! Computes digests of files piece by piece (MD5, SHA-256, SHA-512), and reads and writes them in
//! hexadecimal.

use std::fmt;

use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha512};

use crate::cpu_features;

/// A digest algorithm. Native transfers are verified by MD5 or SHA-256; SHA-512 serves FTP's HASH.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Algorithm {
    #[default]
    Md5,
    Sha256,
    Sha512,
}

impl Algorithm {
    /// Its name in lower case without a hyphen: `sha256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm of that name; `None` for an unknown one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|a| a.name() == name)
    }

    /// The algorithm of that name if a native transfer may be verified by it; `None` for SHA-512
    /// and unknown names.
    pub fn verifying(name: &str) -> Option<Self> {
        Self::from_name(name).filter(|a| *a != Self::Sha512)
    }

    /// The algorithm that verifies transfers at the least cost on this processor: SHA-256 where
    /// there are instructions for it (a third of MD5's time), else MD5.
    pub fn cheapest() -> Self {
        match cpu_features::has_sha256() {
            true => Self::Sha256,
            false => Self::Md5,
        }
    }

    /// Reads a digest in hexadecimal; `None` unless it has exactly this algorithm's number of
    /// digits.
    pub fn parse(self, hex: &str) -> Option<Sum> {
        match self {
            Self::Md5 => parse_hex(hex).map(Sum::Md5),
            Self::Sha256 => parse_hex(hex).map(Sum::Sha256),
            Self::Sha512 => parse_hex(hex).map(Sum::Sha512),
        }
    }

    /// The digest of `bytes`.
    pub fn of(self, bytes: &[u8]) -> Sum {
        let mut running = Running::new(self);
        running.update(bytes);
        running.sum()
    }
}

/// A finished digest; displays as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    Md5([u8; 16]),
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

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Md5(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.bytes().iter();
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={self}", self.algorithm().name())
    }
}

/// A digest under way over a file's bytes, which come in order.
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
    /// Boxed, because it is the largest and the rarest.
    Sha512(Box<Sha512>),
}

impl Running {
    /// A digest that begins at the file's first byte.
    pub fn new(algorithm: Algorithm) -> Self {
        Self::starting(algorithm, 0)
    }

    /// A digest that begins at the byte `start`.
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

    /// The offset of the first byte in the digest.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The offset of the byte that `update` takes next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Adds the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Md5(md5) => md5.update(bytes),
            State::Sha256(sha256) => sha256.update(bytes),
            State::Sha512(sha512) => sha512.update(bytes),
        }
        self.position += bytes.len() as u64;
    }

    pub fn algorithm(&self) -> Algorithm {
        match &self.state {
            State::Md5(_) => Algorithm::Md5,
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The digest of the bytes so far; more may be added afterwards.
    pub fn sum(&self) -> Sum {
        match &self.state {
            State::Md5(md5) => Sum::Md5(md5.clone().finalize().into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_both_ways() {
        let text = "5eb63bbbe01eeed093cb22bb8f5acdc3";
        let sum = Algorithm::Md5.parse(text).unwrap();
        assert_eq!(sum.to_string(), text);
        assert_eq!(Algorithm::Md5.of(b"hello world"), sum);
        for bad in [
            "",
            "5eb6",
            "5eb63bbbe01eeed093cb22bb8f5acdcg",
            "+eb63bbbe01eeed093cb22bb8f5acdc3",
        ] {
            assert_eq!(Algorithm::Md5.parse(bad), None);
        }
        assert_eq!(Algorithm::Sha256.parse(text), None);
    }

    #[test]
    fn what_verifies_is_known_by_name() {
        assert_eq!(Algorithm::verifying("md5"), Some(Algorithm::Md5));
        assert_eq!(Algorithm::verifying("sha256"), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::verifying("sha512"), None);
        assert_eq!(Algorithm::verifying("MD5"), None);
        assert_ne!(Algorithm::cheapest(), Algorithm::Sha512);
    }
}
