//! Takes the program's arguments apart, by the table of its options.

use std::ffi::OsString;

use crate::commands::options::{OPTIONS, OptionSpec};
use crate::terminal::format::escape_name;
use crate::terminal::nearest::nearest;

/// One of the program's arguments.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Argument {
    Option(&'static OptionSpec, OsString),
    /// What is no option.
    Free(OsString),
}

/// Takes arguments apart.
pub(crate) struct Arguments(lexopt::Parser);

impl Arguments {
    pub(crate) fn new(arguments: Vec<OsString>) -> Self {
        Self(lexopt::Parser::from_args(arguments))
    }

    /// Returns the next argument, an option with its value; `Err` says what is wrong with it.
    pub(crate) fn next(&mut self) -> Result<Option<Argument>, String> {
        let name = match self.0.next().map_err(worded)? {
            None => return Ok(None),
            Some(lexopt::Arg::Value(word)) => return Ok(Some(Argument::Free(word))),
            Some(lexopt::Arg::Short(letter)) => format!("-{letter}"),
            Some(lexopt::Arg::Long(name)) => format!("--{name}"),
        };
        let option = find(&name)?;
        let value = match &option.value {
            None => OsString::new(),
            Some(value) => {
                let missing = |_| format!("{name}: {} is missing behind it", value.name);
                self.0.value().map_err(missing)?
            }
        };
        Ok(Some(Argument::Option(option, value)))
    }

    /// Returns all that has not been read.
    pub(crate) fn rest(mut self) -> Vec<OsString> {
        self.0.raw_args().map(Iterator::collect).unwrap_or_default()
    }
}

/// Words what is wrong whatever options there are.
fn worded(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => {
            format!("{}: takes no value", escape_name(option.as_bytes()))
        }
        other => escape_name(other.to_string().as_bytes()),
    }
}

fn find(name: &str) -> Result<&'static OptionSpec, String> {
    let found = OPTIONS.iter().find(|option| option.names.contains(&name));
    found.ok_or_else(|| {
        let long = |name: &&str| name.starts_with("--");
        let names = OPTIONS.iter().flat_map(|option| option.names);
        let typed = escape_name(name.as_bytes());
        match nearest(&typed, names.copied().filter(long)) {
            Some(near) => format!("{typed}: no such option; did you mean {near}?"),
            None => format!("{typed}: no such option"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<String>, String> {
        let mut arguments = Arguments::new(line.split(' ').map(Into::into).collect());
        let mut found = Vec::new();
        while let Some(argument) = arguments.next()? {
            found.push(match argument {
                Argument::Option(option, value) => format!("{:?}:{}", option.id, value.display()),
                Argument::Free(word) => word.display().to_string(),
            });
        }
        Ok(found)
    }

    #[test]
    fn values_stand_behind_a_blank_or_an_equals_sign_or_a_letter() {
        for line in [
            "--user tom -q x",
            "--user=tom --quiet x",
            "-utom -q x",
            "-qu tom x",
        ] {
            let mut found = read(line).unwrap();
            found.sort();
            assert_eq!(found, ["Quiet:", "User:tom", "x"], "{line}");
        }
        assert_eq!(read("--user= a=b").unwrap(), ["User:", "a=b"]);
        assert_eq!(read("-c -q").unwrap(), ["Commands:-q"]);
        assert_eq!(read("-q -- -q -").unwrap(), ["Quiet:", "-q", "-"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, why) in [
            ("--usr tom", "--usr: no such option; did you mean --user?"),
            ("--frob", "--frob: no such option"),
            ("-qx", "-x: no such option"),
            ("--quiet=1", "--quiet: takes no value"),
            ("--tls", "--tls: on|off is missing behind it"),
            ("-u", "-u: NAME is missing behind it"),
        ] {
            assert_eq!(read(line), Err(why.into()), "{line}");
        }
    }

    /// Every valued option takes its value both ways.
    #[test]
    fn every_option_is_found_by_each_of_its_names() {
        for option in OPTIONS {
            for name in option.names {
                let given = match (&option.value, name.starts_with("--")) {
                    (None, _) => (*name).to_owned(),
                    (Some(_), true) => format!("{name}=v"),
                    (Some(_), false) => format!("{name}v"),
                };
                let value = option.value.as_ref().map_or("", |_| "v");
                assert_eq!(read(&given).unwrap(), [format!("{:?}:{value}", option.id)]);
                if option.value.is_some() {
                    let apart = format!("{name} v");
                    assert_eq!(read(&apart), read(&given), "{name}");
                }
            }
        }
    }
}
