//! Lists the commands and options of `skiffd`: help, the manual page and the completions of shells
//! are made from these rows, and a test holds the parsers to them.

use super::manual::PAGES;
use super::shells::SHELLS;

/// The settings where neither `--config` nor the environment names others.
pub(crate) const DEFAULT_CONFIG: &str = "/etc/skiff/server.ron";

/// The environment variable that names the settings where `--config` does not.
pub(crate) const CONFIG_VARIABLE: &str = "SKIFFD_CONFIG";

/// A command with what may follow it.
pub(crate) struct CommandSpec {
    /// The words that choose it; none: it is what `skiffd` does by itself.
    pub(crate) words: &'static [&'static str],
    pub(crate) operand: Option<Operand>,
    pub(crate) options: &'static [OptionSpec],
    pub(crate) help: &'static str,
}

/// What follows a command and is no option.
pub(crate) struct Operand {
    /// As usages show it.
    pub(crate) syntax: &'static str,
    pub(crate) kind: ValueKind,
}

/// An option of a command.
pub(crate) struct OptionSpec {
    pub(crate) name: &'static str,
    pub(crate) value: Option<Value>,
    pub(crate) help: &'static str,
}

/// The value of an option.
pub(crate) struct Value {
    /// As usages show it.
    pub(crate) syntax: &'static str,
    pub(crate) kind: ValueKind,
}

/// What a value is, for completion.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum ValueKind {
    File,
    Folder,
    User,
    /// One of these, or something else where the parser takes more.
    Words(&'static [&'static str]),
    Other,
}

impl CommandSpec {
    /// The usage that help and the manual print.
    pub(crate) fn syntax(&self) -> String {
        let mut parts = vec!["skiffd".to_owned()];
        parts.extend(self.words.iter().map(|word| (*word).to_owned()));
        let operand = self.operand.as_ref().map_or("", |operand| operand.syntax);
        let optional = self.options.iter();
        let optional =
            optional.filter(|option| !operand.split('|').any(|word| word == option.name));
        parts.extend(optional.map(|option| format!("[{}]", option.syntax())));
        parts.extend((!operand.is_empty()).then(|| operand.to_owned()));
        parts.join(" ")
    }
}

impl OptionSpec {
    /// The option with its value, as usages show it.
    pub(crate) fn syntax(&self) -> String {
        match &self.value {
            None => self.name.to_owned(),
            Some(value) => format!("{} {}", self.name, value.syntax),
        }
    }
}

const fn flag(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        value: None,
        help,
    }
}

const fn valued(
    name: &'static str,
    syntax: &'static str,
    kind: ValueKind,
    help: &'static str,
) -> OptionSpec {
    OptionSpec {
        name,
        value: Some(Value { syntax, kind }),
        help,
    }
}

const fn operand(syntax: &'static str, kind: ValueKind) -> Option<Operand> {
    Some(Operand { syntax, kind })
}

const CONFIG: OptionSpec = valued(
    "--config",
    "FILE",
    ValueKind::File,
    "the settings; else SKIFFD_CONFIG names them, else they are /etc/skiff/server.ron",
);

const QUOTA: &str = "the most bytes: a size with its unit, as 800MB or 1GiB, or unlimited";

const ENTRIES: &str = "the most files, directories and links, or unlimited";

const ACCESS: OptionSpec = valued(
    "--access",
    "WORD|default",
    ValueKind::Words(&["read-write", "read-only", "drop-box", "default"]),
    "what the user may do: read-write, read-only, drop-box (leave files, and see nothing), or some \
     of list,get,put,replace,append,delete,mkdir,rmdir,rename",
);

const READ_ONLY: OptionSpec = flag("--read-only", "the same as --access read-only");

const READ_WRITE: OptionSpec = flag("--read-write", "the same as --access read-write");

const GROUP: OptionSpec = valued(
    "--group",
    "NAME|default",
    ValueKind::Other,
    "a group of the user store: what the account has not said itself, it has from there",
);

const ALLOW: OptionSpec = valued(
    "--allow",
    "NETS|default",
    ValueKind::Other,
    "the addresses and networks that the user may log in from, with commas",
);

const DENY: OptionSpec = valued(
    "--deny",
    "NETS|default",
    ValueKind::Other,
    "those that he may not log in from, whatever --allow says",
);

const HOURS: OptionSpec = valued(
    "--hours",
    "TIMES|default",
    ValueKind::Other,
    "when the user may be logged in, as \"mon-fri 08:00-18:00;sat 09:00-12:00\"",
);

const KEEP: OptionSpec = valued(
    "--keep",
    "TIME|default",
    ValueKind::Words(&["default"]),
    "remove files that were not changed for so long, as 14d",
);

const RING: OptionSpec = valued(
    "--ring",
    "on|off|default",
    ValueKind::Words(&["on", "off", "default"]),
    "where the quota is full, remove the oldest files for new ones",
);

const OWNER: OptionSpec = valued(
    "--owner",
    "USER[:GROUP]|default",
    ValueKind::Words(&["default"]),
    "the user of the system to whom the files belong (file_owners)",
);

const UPLOAD_RATE: OptionSpec = valued(
    "--upload-rate",
    "SIZE|default",
    ValueKind::Words(&["default", "unlimited"]),
    "bytes in a second that all uploads of the user together may have, as 5MB",
);

const DOWNLOAD_RATE: OptionSpec = valued(
    "--download-rate",
    "SIZE|default",
    ValueKind::Words(&["default", "unlimited"]),
    "the same for downloads",
);

const EXPIRES: OptionSpec = valued(
    "--expires",
    "DATE|default",
    ValueKind::Other,
    "the last day of the account, as 2027-01-31",
);

const PASSWD: OptionSpec = valued(
    "--passwd",
    "on|off|default",
    ValueKind::Words(&["on", "off", "default"]),
    "whether the user may change the password with skiff; by default, who may write may",
);

const FTP: OptionSpec = valued(
    "--ftp",
    "on|off",
    ValueKind::Words(&["on", "off"]),
    "whether the user may log in by FTP",
);

const CERTIFICATE: OptionSpec = valued(
    "--certificate",
    "off|required|instead",
    ValueKind::Words(&["off", "required", "instead"]),
    "a certificate of tls.client_ca with the user's name is nothing, is required beside the \
     password by FTP (and the native dialect is closed), or stands for the password by FTP",
);

const CERTIFICATE_FINGERPRINT: OptionSpec = valued(
    "--certificate-fingerprint",
    "SHA256|default",
    ValueKind::Other,
    "the user's certificate is this one; by default, any with the user's name",
);

const DATA_CLOSE_NOTIFY: OptionSpec = valued(
    "--data-close-notify",
    "require|prefer|warn|default",
    ValueKind::Words(&["require", "prefer", "warn", "default"]),
    "an FTP upload over TLS that just ends is refused, or stored if its client is still there, or \
     stored",
);

const PUBLISH_ON_LOST_CONTROL: OptionSpec = valued(
    "--publish-on-lost-control",
    "on|off|default",
    ValueKind::Words(&["on", "off", "default"]),
    "store an FTP upload though its client hung up, as some cameras do",
);

const PASSWORD_STDIN: OptionSpec = flag(
    "--password-stdin",
    "the password is the first line of standard input, and is not asked for",
);

const KEEP_SESSIONS: OptionSpec = flag(
    "--keep-sessions",
    "sessions go on whose user could not log in any more as they did; else they end",
);

const JSON: OptionSpec = flag("--json", "an object for each line, for programs");

const LET_FINISH: OptionSpec = valued(
    "--for",
    "TIME",
    ValueKind::Other,
    "let transfers take so long, as 30s, and not as limits.drain says",
);

const ADDRESS: ValueKind = ValueKind::Other;

/// Every command.
pub(crate) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        words: &[],
        operand: None,
        options: &[CONFIG],
        help: "serve, until SIGTERM or SIGINT",
    },
    CommandSpec {
        words: &["--demo"],
        operand: operand("[DIR]", ValueKind::Folder),
        options: &[
            valued(
                "--native",
                "ADDR",
                ADDRESS,
                "listen here for skiff, not on 127.0.0.1:8001; port 0 takes a free one",
            ),
            valued(
                "--ftp",
                "ADDR|off",
                ValueKind::Words(&["off"]),
                "the same for FTP, not on 127.0.0.1:2121",
            ),
        ],
        help: "try it with no set-up at all: users tom, jerry and sam, password 123, on this \
               machine only, with all that it makes in DIR (skiff-demo)",
    },
    CommandSpec {
        words: &["init"],
        operand: operand("DIR", ValueKind::Folder),
        options: &[],
        help: "make the settings and folders of a new server",
    },
    CommandSpec {
        words: &["check"],
        operand: None,
        options: &[CONFIG],
        help: "say what is wrong, and what is worth knowing; exit 2 if the daemon would not start",
    },
    CommandSpec {
        words: &["reload"],
        operand: None,
        options: &[CONFIG],
        help: "have the running daemon read the settings and the certificate again; exit 1 if it \
               stays as it was",
    },
    CommandSpec {
        words: &["upgrade"],
        operand: None,
        options: &[
            CONFIG,
            LET_FINISH,
            valued(
                "--pid-file",
                "FILE",
                ValueKind::File,
                "write the number of the new process there",
            ),
        ],
        help: "have this program take the place of the daemon that runs: nobody is refused, and \
               transfers finish; exit 1 if it cannot, and the other serves on",
    },
    CommandSpec {
        words: &["who"],
        operand: None,
        options: &[CONFIG, JSON],
        help: "say who is connected, and what each does",
    },
    CommandSpec {
        words: &["top"],
        operand: None,
        options: &[CONFIG],
        help: "say it anew every second, until Ctrl-C",
    },
    CommandSpec {
        words: &["kick"],
        operand: operand("[SESSION]", ValueKind::Other),
        options: &[
            CONFIG,
            valued("--user", "NAME", ValueKind::User, "all sessions of a user"),
            valued(
                "--address",
                "ADDR",
                ValueKind::Other,
                "all sessions from an address",
            ),
            JSON,
        ],
        help: "end a session, by its number as who says it, or all of a user or an address; what \
               came of uploads is kept",
    },
    CommandSpec {
        words: &["bans"],
        operand: None,
        options: &[CONFIG, JSON],
        help: "say who may not log in after failed logins",
    },
    CommandSpec {
        words: &["unban"],
        operand: operand("ADDR|USER|--all", ValueKind::User),
        options: &[CONFIG, flag("--all", "everybody who is banned"), JSON],
        help: "let somebody log in again",
    },
    CommandSpec {
        words: &["quota"],
        operand: operand("[USER]", ValueKind::User),
        options: &[CONFIG, JSON],
        help: "say what homes hold",
    },
    CommandSpec {
        words: &["stats"],
        operand: None,
        options: &[CONFIG, JSON],
        help: "say what was counted since the start",
    },
    CommandSpec {
        words: &["drain"],
        operand: None,
        options: &[CONFIG, LET_FINISH],
        help: "have the daemon take no new sessions, let transfers finish, and end",
    },
    CommandSpec {
        words: &["user", "add"],
        operand: operand("NAME", ValueKind::Other),
        options: &[
            CONFIG,
            valued("--quota", "SIZE", ValueKind::Words(&["unlimited"]), QUOTA),
            valued("--entries", "N", ValueKind::Words(&["unlimited"]), ENTRIES),
            valued(
                "--home",
                "DIR",
                ValueKind::Folder,
                "the home; a relative one is relative to the folder of the homes",
            ),
            ACCESS,
            READ_ONLY,
            READ_WRITE,
            GROUP,
            flag(
                "--anonymous",
                "everybody may log in, by FTP, with whatever password; read-only unless --access says otherwise",
            ),
            ALLOW,
            DENY,
            HOURS,
            EXPIRES,
            KEEP,
            RING,
            OWNER,
            UPLOAD_RATE,
            DOWNLOAD_RATE,
            PASSWD,
            FTP,
            CERTIFICATE,
            CERTIFICATE_FINGERPRINT,
            DATA_CLOSE_NOTIFY,
            PUBLISH_ON_LOST_CONTROL,
            PASSWORD_STDIN,
        ],
        help: "add a user, whose password is asked for, and make the home",
    },
    CommandSpec {
        words: &["user", "passwd"],
        operand: operand("NAME", ValueKind::User),
        options: &[CONFIG, PASSWORD_STDIN, KEEP_SESSIONS],
        help: "give a user a new password",
    },
    CommandSpec {
        words: &["user", "set"],
        operand: operand("NAME", ValueKind::User),
        options: &[
            CONFIG,
            valued(
                "--quota",
                "SIZE|default",
                ValueKind::Words(&["default", "unlimited"]),
                QUOTA,
            ),
            valued(
                "--entries",
                "N|default",
                ValueKind::Words(&["default", "unlimited"]),
                ENTRIES,
            ),
            ACCESS,
            READ_ONLY,
            READ_WRITE,
            GROUP,
            ALLOW,
            DENY,
            HOURS,
            EXPIRES,
            KEEP,
            RING,
            OWNER,
            UPLOAD_RATE,
            DOWNLOAD_RATE,
            flag("--disable", "the user may not log in"),
            flag("--enable", "the user may log in again"),
            PASSWD,
            FTP,
            CERTIFICATE,
            CERTIFICATE_FINGERPRINT,
            DATA_CLOSE_NOTIFY,
            PUBLISH_ON_LOST_CONTROL,
            KEEP_SESSIONS,
        ],
        help: "change what a user may do and store; it holds at once, for sessions under way too",
    },
    CommandSpec {
        words: &["user", "del"],
        operand: operand("NAME", ValueKind::User),
        options: &[CONFIG, KEEP_SESSIONS],
        help: "delete a user; the home stays",
    },
    CommandSpec {
        words: &["user", "list"],
        operand: None,
        options: &[CONFIG],
        help: "list the users with their rights, quotas and homes",
    },
    CommandSpec {
        words: &["user", "import"],
        operand: operand("FILE", ValueKind::File),
        options: &[
            CONFIG,
            valued(
                "--format",
                "WORD",
                ValueKind::Words(&["csv", "json", "pureftpd", "shadow", "passwd"]),
                "what is in the file, where its name does not tell: csv or json, whose columns are \
                 name, password or hash, quota, entries, home, group, access, expires, hours, allow, \
                 deny, keep, ring, upload_rate, download_rate, ftp and passwd; pure-ftpd's pureftpd.passwd, proftpd's AuthUserFile (passwd), or shadow",
            ),
            valued(
                "--group",
                "NAME",
                ValueKind::Other,
                "the group of those who name none",
            ),
            flag("--dry-run", "only say what would be done"),
        ],
        help: "add all users of a file, with their homes, or none where a line is wrong",
    },
    CommandSpec {
        words: &["user", "recount"],
        operand: operand("NAME|--all", ValueKind::User),
        options: &[CONFIG, flag("--all", "every user's home")],
        help: "have the running daemon count what is in a home at once",
    },
    CommandSpec {
        words: &["completions"],
        operand: operand("bash|zsh|fish", ValueKind::Words(&SHELLS)),
        options: &[],
        help: "print what completes skiffd in a shell",
    },
    CommandSpec {
        words: &["man"],
        operand: operand("[skiffd|skiffd.ron]", ValueKind::Words(&PAGES)),
        options: &[],
        help: "print the manual page of skiffd, or that of its settings",
    },
];

/// What stands for itself wherever it is given.
pub(crate) const GENERAL_OPTIONS: &[(&[&str], &str)] = &[
    (&["-h", "--help"], "print this text"),
    (&["-V", "--version"], "print the version"),
];

/// Exit statuses, and what they mean.
pub(crate) const EXITS: [(u8, &str); 3] = [
    (0, "done"),
    (
        1,
        "it failed, or check found something wrong, or the daemon did not do what it was told",
    ),
    (
        2,
        "the command line or the settings are wrong and would be wrong again, another daemon has \
         the same folders, run_as or a wall cannot be had, or check found that the daemon would \
         not start",
    ),
];

/// The first words of all commands.
pub(crate) fn first_words() -> Vec<&'static str> {
    let mut words: Vec<_> = COMMANDS
        .iter()
        .filter_map(|c| c.words.first())
        .copied()
        .collect();
    words.dedup();
    words
}

/// The words that may follow this first one.
pub(crate) fn second_words(first: &str) -> Vec<&'static str> {
    let commands = COMMANDS.iter().map(|command| command.words);
    let commands = commands.filter(|words| words.first() == Some(&first));
    commands.filter_map(|words| words.get(1)).copied().collect()
}

/// `a, b and c`.
pub(crate) fn enumerate(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
