//! Options whose value is one of a few words: `--ftp on`.

use pico_args::Arguments;

use crate::cli::failure::Failure;

/// Takes an option whose value is one of a few words.
pub(super) fn take_one_of<T: Copy>(
    words: &mut Arguments,
    option: &'static str,
    choices: &[(&str, T)],
) -> Result<Option<T>, Failure> {
    let Some(text) = words.opt_value_from_str::<_, String>(option)? else {
        return Ok(None);
    };
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|&(_, value)| Some(value)).ok_or_else(|| {
        let known: Vec<&str> = choices.iter().map(|&(word, _)| word).collect();
        Failure::Usage(format!(
            "{option} takes {}, not {text:?}",
            known.join(" or ")
        ))
    })
}
