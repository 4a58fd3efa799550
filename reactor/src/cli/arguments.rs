//! Takes options and words from a command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use pico_args::Arguments;

use super::failure::Failure;

/// The value of `--config`.
pub(crate) fn take_config(words: &mut Arguments) -> Result<PathBuf, Failure> {
    take_path(words, "--config")?
        .ok_or_else(|| Failure::Usage("--config FILE is missing".to_owned()))
}

pub(crate) fn take_path(
    words: &mut Arguments,
    option: &'static str,
) -> Result<Option<PathBuf>, Failure> {
    let verbatim = |value: &OsStr| Ok::<_, std::convert::Infallible>(PathBuf::from(value));
    Ok(words.opt_value_from_os_str(option, verbatim)?)
}

/// The remaining words, once every option is taken; at most `most`, none of them an option.
pub(crate) fn take_rest(words: Arguments, most: usize) -> Result<Vec<OsString>, Failure> {
    let rest = words.finish();
    let option = rest.iter().find(|word| word.as_bytes().starts_with(b"-"));
    match option.or_else(|| rest.get(most)) {
        Some(word) => Err(Failure::Usage(format!("unknown argument {word:?}"))),
        None => Ok(rest),
    }
}

/// Splits `--key=value` into the two words `--key value`.
pub(super) fn split_equals(word: OsString) -> Vec<OsString> {
    let bytes = word.as_bytes();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) if bytes.starts_with(b"--") => {
            let (key, value) = (bytes[..at].to_vec(), bytes[at + 1..].to_vec());
            vec![OsString::from_vec(key), OsString::from_vec(value)]
        }
        _ => vec![word],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_follow_an_equals_sign() {
        let split = |word: &str| split_equals(word.into());
        assert_eq!(split("--quota=1=2"), ["--quota", "1=2"]);
        assert_eq!(split("a=b"), ["a=b"]);
    }
}
