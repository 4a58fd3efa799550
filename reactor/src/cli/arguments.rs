//! Takes options and words from a command line.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use pico_args::Arguments;
use skiff_conf::parse_duration;

use super::failure::Failure;
use super::table::{CONFIG_VARIABLE, DEFAULT_CONFIG};

/// The settings that `--config` names, else the environment, else those of the system.
pub(crate) fn take_config(words: &mut Arguments) -> Result<PathBuf, Failure> {
    let given = take_path(words, "--config")?;
    find_config(
        given,
        env::var_os(CONFIG_VARIABLE),
        Path::new(DEFAULT_CONFIG),
    )
}

/// An empty variable is none, as of PATH.
fn find_config(
    given: Option<PathBuf>,
    variable: Option<OsString>,
    default: &Path,
) -> Result<PathBuf, Failure> {
    let variable = variable
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let absent = || matches!(default.try_exists(), Ok(false));
    match given.or(variable) {
        Some(file) => Ok(file),
        None if absent() => Err(Failure::Usage(format!(
            "there is no {}; name the settings by --config FILE or {CONFIG_VARIABLE}, or try \
             skiffd --demo",
            default.display()
        ))),
        None => Ok(default.to_owned()),
    }
}

pub(crate) fn take_path(
    words: &mut Arguments,
    option: &'static str,
) -> Result<Option<PathBuf>, Failure> {
    let verbatim = |value: &OsStr| Ok::<_, std::convert::Infallible>(PathBuf::from(value));
    Ok(words.opt_value_from_os_str(option, verbatim)?)
}

/// The time that `option` names, in whole seconds.
pub(crate) fn take_seconds(
    words: &mut Arguments,
    option: &'static str,
) -> Result<Option<u32>, Failure> {
    let text: Option<String> = words.opt_value_from_str(option)?;
    let Some(text) = text else {
        return Ok(None);
    };
    let wrong = |why: &dyn Display| Failure::Usage(format!("{option} {text}: {why}"));
    let time = parse_duration(&text).map_err(|why| wrong(&why))?;
    let seconds = u32::try_from(time.as_secs()).map_err(|why| wrong(&why))?;
    Ok(Some(seconds))
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

    #[test]
    fn the_settings_are_those_of_the_option_the_environment_or_the_system() {
        let place = tempfile::tempdir().unwrap();
        let system = place.path().join("server.ron");
        let find = |given: Option<&str>, variable: Option<&str>| {
            find_config(
                given.map(PathBuf::from),
                variable.map(OsString::from),
                &system,
            )
            .map_err(|failure| (failure.status(), failure.to_string()))
        };
        assert_eq!(find(Some("a"), Some("b")), Ok(PathBuf::from("a")));
        assert_eq!(find(None, Some("b")), Ok(PathBuf::from("b")));
        for unset in [None, Some("")] {
            let (status, why) = find(None, unset).unwrap_err();
            assert!(status == 2 && why.contains("--config FILE"), "{why}");
            assert!(why.contains(&*system.to_string_lossy()), "{why}");
        }
        std::fs::write(&system, "()").unwrap();
        assert_eq!(find(None, None), Ok(system.clone()));
    }
}
