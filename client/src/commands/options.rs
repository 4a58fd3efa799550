//! Lists all options of the program: one row drives parsing, `--help`, `help options`, the man page
//! and the completions of shells.

/// Which option it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OptionId {
    Commands,
    Script,
    User,
    PasswordStdin,
    PasswordFile,
    Ipv4,
    Ipv6,
    Tls,
    Trust,
    Digest,
    Retry,
    LimitRate,
    Quiet,
    Verbose,
    Json,
    NoPager,
    Config,
    Help,
    Version,
}

/// What an option is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    What,
    Login,
    Connection,
    Output,
    Program,
}

impl Group {
    /// Every group, in the order of help.
    pub(crate) const ALL: [Self; 5] = [
        Self::What,
        Self::Login,
        Self::Connection,
        Self::Output,
        Self::Program,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::What => "what to do",
            Self::Login => "login",
            Self::Connection => "connection",
            Self::Output => "output",
            Self::Program => "the program",
        }
    }

    pub(crate) fn options(self) -> impl Iterator<Item = &'static OptionSpec> {
        OPTIONS.iter().filter(move |option| option.group == self)
    }
}

/// An option.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct OptionSpec {
    pub id: OptionId,
    /// The short name, where there is one, then the long one.
    pub names: &'static [&'static str],
    /// What follows it; `None` where nothing does.
    pub value: Option<Value>,
    pub group: Group,
    /// What `--help` says, in a few words.
    pub brief: &'static str,
    pub help: &'static str,
}

/// What follows an option.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Value {
    /// How usage names it.
    pub name: &'static str,
    pub kind: ValueKind,
}

/// What a value can be, for completion.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum ValueKind {
    File,
    /// One of these, or something else.
    Words(&'static [&'static str]),
    Other,
}

const fn value(name: &'static str, kind: ValueKind) -> Option<Value> {
    Some(Value { name, kind })
}

/// Every option, in the order of help.
#[rustfmt::skip]
pub(crate) const OPTIONS: &[OptionSpec] = &[
    OptionSpec { id: OptionId::Commands, names: &["-c"], value: value("COMMANDS", ValueKind::Other), group: Group::What, brief: "do these and leave", help: "do these, separated by ; or line ends, and leave" },
    OptionSpec { id: OptionId::Script, names: &["-f"], value: value("FILE", ValueKind::File), group: Group::What, brief: "do the commands in FILE", help: "do the commands in FILE and leave" },
    OptionSpec { id: OptionId::User, names: &["-u", "--user"], value: value("NAME", ValueKind::Other), group: Group::Login, brief: "log in as NAME", help: "log in as NAME" },
    OptionSpec { id: OptionId::PasswordStdin, names: &["--password-stdin"], value: None, group: Group::Login, brief: "it is on stdin", help: "read the password from the first line of standard input" },
    OptionSpec { id: OptionId::PasswordFile, names: &["--password-file"], value: value("FILE", ValueKind::File), group: Group::Login, brief: "it is in FILE", help: "read the password from FILE, else from that of SKIFF_PASSWORD_FILE" },
    OptionSpec { id: OptionId::Ipv4, names: &["-4"], value: None, group: Group::Connection, brief: "IPv4 only", help: "connect by IPv4 only" },
    OptionSpec { id: OptionId::Ipv6, names: &["-6"], value: None, group: Group::Connection, brief: "IPv6 only", help: "connect by IPv6 only" },
    OptionSpec { id: OptionId::Tls, names: &["--tls"], value: value("on|off", ValueKind::Words(&["on", "off"])), group: Group::Connection, brief: "off: trusted links only", help: "off: for a listener without TLS, on a trusted link" },
    OptionSpec { id: OptionId::Trust, names: &["--trust"], value: value("new|SHA256", ValueKind::Words(&["new"])), group: Group::Connection, brief: "trust new, or this", help: "trust a server not met before, or this certificate alone" },
    OptionSpec { id: OptionId::Digest, names: &["--digest"], value: value("md5|sha256", ValueKind::Words(&["md5", "sha256"])), group: Group::Connection, brief: "verify by this", help: "verify transfers by this digest, not by what both ends do fast" },
    OptionSpec { id: OptionId::Retry, names: &["--retry"], value: value("N", ValueKind::Other), group: Group::Connection, brief: "reconnect N times (3)", help: "connect again up to N times (3) after a loss" },
    OptionSpec { id: OptionId::LimitRate, names: &["--limit-rate"], value: value("RATE", ValueKind::Other), group: Group::Connection, brief: "such as 500kB", help: "move at most RATE bytes a second, as in 500kB" },
    OptionSpec { id: OptionId::Quiet, names: &["-q", "--quiet"], value: None, group: Group::Output, brief: "errors and results only", help: "print errors, and what is asked for, and nothing else" },
    OptionSpec { id: OptionId::Verbose, names: &["-v", "--verbose"], value: None, group: Group::Output, brief: "show the dialogue", help: "show the dialogue with the server, and digests whole" },
    OptionSpec { id: OptionId::Json, names: &["--json"], value: None, group: Group::Output, brief: "results as JSON", help: "print results as JSON, one object a line" },
    OptionSpec { id: OptionId::NoPager, names: &["--no-pager"], value: None, group: Group::Output, brief: "print all at once", help: "print what is longer than the screen all the same" },
    OptionSpec { id: OptionId::Config, names: &["--config"], value: value("FILE", ValueKind::File), group: Group::Program, brief: "settings", help: "read the settings from FILE instead of ~/.config/skiff/client.ron" },
    OptionSpec { id: OptionId::Help, names: &["-h", "--help"], value: None, group: Group::Program, brief: "this text", help: "print this text" },
    OptionSpec { id: OptionId::Version, names: &["-V", "--version"], value: None, group: Group::Program, brief: "the version", help: "print the version" },
];

impl OptionSpec {
    /// Returns the names and the value as usage writes them: `-u, --user NAME`.
    pub(crate) fn syntax(&self) -> String {
        let names = self.names.join(", ");
        match &self.value {
            Some(value) => format!("{names} {}", value.name),
            None => names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = OPTIONS.iter().flat_map(|option| option.names).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
