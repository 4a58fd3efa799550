//! Reads passwords from the terminal or standard input, and derives verifiers.

use std::io::{self, BufRead};

use pico_args::Arguments;
use skiff_conf::{Iterations, UserName, Verifier};
use skiff_sessions::scram;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;

/// Bytes of random salt; unknown users are shown as many.
const SALT: usize = 16;

/// Longest first line of standard input that is taken as a password, in bytes.
const LONGEST_PASSWORD: usize = 1024;

/// Where a password is read from. Never the command line, which every user of the machine can read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PasswordFrom {
    Terminal,
    StandardInput,
}

impl PasswordFrom {
    /// Takes the options.
    pub(super) fn take(words: &mut Arguments) -> Self {
        match words.contains("--password-stdin") {
            true => Self::StandardInput,
            false => Self::Terminal,
        }
    }

    pub(super) fn read(self, name: &UserName) -> Result<Zeroizing<String>, Failure> {
        match self {
            Self::Terminal => ask(name),
            Self::StandardInput => first_line(io::stdin().lock()),
        }
    }
}

fn ask(name: &UserName) -> Result<Zeroizing<String>, Failure> {
    let read = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|error| {
                let text =
                    format!("no terminal to ask for a password: {error}; use --password-stdin");
                Failure::Failed(text)
            })
    };
    let password = read(format!("password for {name}: "))?;
    let again = read("the same again: ".to_owned())?;
    match password == again {
        true => Ok(password),
        false => Err(Failure::Failed(
            "the two passwords differ; nothing is changed".to_owned(),
        )),
    }
}

fn first_line(input: impl BufRead) -> Result<Zeroizing<String>, Failure> {
    // Reserved at once: a growing buffer would leave copies of the password behind.
    let mut line = Zeroizing::new(String::with_capacity(LONGEST_PASSWORD + 2));
    input
        .take(LONGEST_PASSWORD as u64 + 2)
        .read_line(&mut line)
        .map_err(|error| Failure::Failed(format!("standard input: {error}")))?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    match end {
        0 => Err(Failure::Failed("no password on standard input".to_owned())),
        1..=LONGEST_PASSWORD => Ok(line),
        _ => Err(Failure::Failed(format!(
            "the password is longer than {LONGEST_PASSWORD} bytes"
        ))),
    }
}

/// Derives what the store keeps of `password`, under a new random salt. Blocks for as long as the
/// iterations take.
pub(crate) fn verifier(password: &str, iterations: Iterations) -> Result<Verifier, Failure> {
    let mut salt = vec![0; SALT];
    getrandom::fill(&mut salt)
        .map_err(|error| Failure::Failed(format!("no random bytes for a salt: {error}")))?;
    let derived = scram::Verifier::derive(password, salt, iterations.get())
        .map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(Verifier {
        salt: derived.salt.clone(),
        iterations,
        stored_key: derived.stored_key,
        server_key: derived.server_key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line() {
        let read = |text: &[u8]| first_line(text).map(|line| line.to_string());
        assert_eq!(read(b"one\r\ntwo\n").unwrap(), "one");
        assert_eq!(read(b" spaces stay ").unwrap(), " spaces stay ");
        assert_eq!(
            read(&[b'x'; LONGEST_PASSWORD]).unwrap().len(),
            LONGEST_PASSWORD
        );
        assert!(read(&[b'x'; LONGEST_PASSWORD + 1]).is_err());
        assert!(read(b"\nsecond").is_err());
        assert!(read(b"").is_err());
        assert!(read(b"\xff\n").is_err());
    }

    #[test]
    fn the_same_password_is_never_kept_alike() {
        let [one, other] = [(); 2].map(|()| verifier("same", Iterations::MIN).unwrap());
        assert_eq!(one.salt.len(), SALT);
        assert_ne!(one.salt, other.salt);
        assert_ne!(one.stored_key, other.stored_key);
    }
}
