//! Merges the command-line arguments with `client.ron` into the settings of this run.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use skiff_conf::{Alias, Client, Complaint, Host, HostPort, Pager, Tls, UserName};
use skiff_sessions::digest::Algorithm;
use zeroize::Zeroizing;

use super::args::{Args, PasswordSource, ProgressOption, Target};
use super::argv;
use super::error::ProgramError;
use super::folders::Folders;
use crate::net::account::Account;
use crate::net::connect::LinkOptions;
use crate::net::known_hosts::{Fingerprint, KnownHosts, TrustPolicy, host_and_port};
use crate::net::rate_limit::RateLimit;
use crate::net::restore::RETRIES_DEFAULT;
use crate::terminal::format::DigestForm;
use crate::terminal::lines::Aliases;
use crate::terminal::progress::ProgressStyle;

/// The file of this environment variable has the password of whoever logs in.
const PASSWORD_FILE_VARIABLE: &str = "SKIFF_PASSWORD_FILE";

/// The settings of this run: how to connect, log in, and show progress.
#[derive(Clone)]
pub(crate) struct Settings {
    pub server: HostPort,
    /// The host of the settings file that the server was named by.
    pub alias: Option<String>,
    /// `None` where the user has to be asked.
    pub user: Option<String>,
    password: PasswordSource,
    /// The file of [`PASSWORD_FILE_VARIABLE`].
    password_file: Option<PathBuf>,
    pub tls: Tls,
    pub trust: TrustPolicy,
    /// The digest of `--digest`; `None` where the cheapest common one is used.
    pub digest: Option<Algorithm>,
    /// The known hosts file.
    pub known_hosts: PathBuf,
    /// The file of lines that were typed at the prompt; `None` without a home directory.
    pub history: Option<PathBuf>,
    /// How long the server may take to answer.
    pub timeout: Duration,
    pub progress: ProgressOption,
    /// How often a lost connection is made again.
    pub retries: u32,
    /// What the command line says of TLS and trust, for whatever server.
    given: (Option<Tls>, TrustPolicy),
    digest_form: DigestForm,
    pub options: LinkOptions,
    /// What the command line says of it.
    pager: Pager,
    /// The settings file.
    conf: Client,
}

/// Where a user's password comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Password<'a> {
    /// Nobody knows it but the user.
    Typed,
    /// The first line of standard input.
    Stdin,
    /// The first line of this file.
    File(&'a Path),
    /// The first line that this shell command prints.
    Command(&'a str),
}

impl<'a> Password<'a> {
    /// The one that the settings file names so.
    fn of(file: &'a Option<PathBuf>, command: &'a Option<String>) -> Self {
        match (file, command) {
            (Some(path), _) => Self::File(path),
            (None, Some(command)) => Self::Command(command),
            (None, None) => Self::Typed,
        }
    }
}

/// A password of the settings file, and whose it is.
struct KeptPassword<'a> {
    server: &'a HostPort,
    /// `None`: whoever logs in there.
    user: Option<&'a UserName>,
    password: Password<'a>,
}

impl KeptPassword<'_> {
    fn belongs_to(&self, server: &HostPort, user: &str) -> bool {
        let is_user = |named: &UserName| named.as_str() == user;
        host_and_port(self.server) == host_and_port(server) && self.user.is_none_or(is_user)
    }
}

impl Settings {
    /// Loads the settings file and lets the arguments override it.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Settings`] where the file is missing though it was named, or is malformed.
    pub(crate) fn resolve(args: Args) -> Result<Self, ProgramError> {
        let folders = Folders::of_this_user();
        let conf = load(args.config, &folders)?;
        let no_home =
            || ProgramError::Usage("HOME is not set; name known_hosts in --config".into());
        let known_hosts = conf.known_hosts.clone().or_else(|| folders.known_hosts());
        let variable = std::env::var_os(PASSWORD_FILE_VARIABLE);
        let (named, server, alias) = match args.target {
            Some(target) => (target.user, target.server, target.alias),
            None => (None, conf.server.clone(), None),
        };
        let mut settings = Self {
            server,
            alias: None,
            user: args.user.or(named),
            password: args.password,
            password_file: variable.filter(|file| !file.is_empty()).map(PathBuf::from),
            tls: conf.tls,
            trust: args.trust,
            digest: args.digest,
            known_hosts: known_hosts.ok_or_else(no_home)?,
            history: folders.history(),
            timeout: conf.timeout,
            progress: args.progress,
            retries: args.retries.unwrap_or(RETRIES_DEFAULT),
            given: (args.tls, args.trust),
            digest_form: args.digest_form,
            pager: args.pager,
            options: LinkOptions {
                family: args.family,
                trace: args.trace,
                limit: args.rate.map(|rate| RateLimit::new(rate.get())),
            },
            conf,
        };
        settings.lead_to_host(alias);
        let in_file = settings.conf.user.as_ref();
        settings.user = settings
            .user
            .or_else(|| in_file.map(|user| user.as_str().to_owned()));
        settings.tls = args.tls.unwrap_or(settings.tls);
        Ok(settings)
    }

    /// The settings for another login of the same run. A password that was given for the command
    /// line's server and user is that of nobody else.
    pub(crate) fn leading_to(&self, target: Target) -> Self {
        let (tls, trust) = self.given;
        let trust = match trust {
            TrustPolicy::Only(_) if target.server != self.server => TrustPolicy::Ask,
            trust => trust,
        };
        let mut new = Self {
            server: target.server,
            alias: None,
            user: target.user,
            password: PasswordSource::Settings,
            password_file: None,
            tls: tls.unwrap_or(self.conf.tls),
            trust,
            ..self.clone()
        };
        new.lead_to_host(target.alias);
        let is_there = new.server == self.server && new.alias == self.alias;
        if is_there {
            new.user = new.user.or_else(|| self.user.clone());
        }
        if is_there && new.user == self.user {
            new.password_file.clone_from(&self.password_file);
            new.password = match &self.password {
                // It was read, once.
                PasswordSource::Stdin => PasswordSource::Settings,
                given => given.clone(),
            };
        }
        new
    }

    /// Takes over what the settings file says of a host, where it knows it.
    fn lead_to_host(&mut self, alias: Option<String>) {
        let Some(host) = alias
            .as_deref()
            .and_then(|alias| self.conf.hosts.get(alias))
        else {
            return;
        };
        let of_host = host.user.as_ref().map(|user| user.as_str().to_owned());
        self.server = host.server.clone();
        self.user = self.user.take().or(of_host);
        self.tls = host.tls.unwrap_or(self.tls);
        self.trust = match (self.trust, host.fingerprint) {
            (TrustPolicy::Only(named), _) => TrustPolicy::Only(named),
            (_, Some(pinned)) => TrustPolicy::Pinned(pinned),
            (trust, None) => trust,
        };
        self.alias = alias;
    }

    /// Returns what the settings file says of the host that the server was named by.
    fn host(&self) -> Option<&Host> {
        self.conf.hosts.get(self.alias.as_deref()?)
    }

    /// Returns the directory at the server in which a session begins, where it is not the home.
    pub(crate) fn directory(&self) -> Option<&str> {
        self.host()?.directory.as_deref()
    }

    /// Returns the directory in which the prompt begins here, where it is not that of the shell.
    pub(crate) fn local_directory(&self) -> Option<&Path> {
        self.host()?.local_directory.as_deref()
    }

    /// Returns the names of servers that can be opened: those of the settings, and those that were
    /// met before.
    pub(crate) fn host_names(&self) -> Vec<String> {
        let met = KnownHosts::at(self.known_hosts.clone()).hosts();
        let named = self.conf.hosts.keys().map(Alias::to_string);
        named.chain(met).collect()
    }

    /// Returns the aliases of commands.
    pub(crate) fn aliases(&self) -> Aliases {
        let all = self.conf.aliases.iter();
        Aliases::new(all.map(|(name, command)| (name.to_string(), command.clone())))
    }

    /// Whether what is longer than the screen goes through a pager.
    pub(crate) fn pager(&self) -> Pager {
        match self.pager {
            Pager::On => self.conf.pager,
            Pager::Off => Pager::Off,
        }
    }

    /// Returns the hosts of the settings file.
    pub(crate) fn hosts(&self) -> &BTreeMap<Alias, Host> {
        &self.conf.hosts
    }

    /// Returns what makes the login again without a question.
    pub(crate) fn account(
        &self,
        user: String,
        password: Zeroizing<String>,
        certificate: Option<Fingerprint>,
    ) -> Account {
        Account {
            server: self.server.clone(),
            alias: self.alias.clone(),
            tls: self.tls,
            timeout: self.timeout,
            user,
            password,
            certificate,
            digest: self.digest,
            options: self.options.clone(),
        }
    }

    /// Returns where the password of `user` comes from. One in the settings file is that of the
    /// server and the user that it stands beside: nobody else gets a proof to guess it from.
    pub(crate) fn password_of(&self, user: &str) -> Password<'_> {
        match (&self.password, &self.password_file) {
            (PasswordSource::Stdin, _) => Password::Stdin,
            (PasswordSource::File(path), _) => Password::File(path),
            (PasswordSource::Settings, Some(path)) => Password::File(path),
            (PasswordSource::Settings, None) => {
                let mut kept = self.kept_passwords();
                let own = kept.find(|kept| kept.belongs_to(&self.server, user));
                own.map_or(Password::Typed, |own| own.password)
            }
        }
    }

    /// The passwords of the settings file that may be this server's: that of the host by whose name
    /// it was called, and the one that stands beside `server`.
    fn kept_passwords(&self) -> impl Iterator<Item = KeptPassword<'_>> {
        let host = self.host().map(|host| KeptPassword {
            server: &host.server,
            user: host.user.as_ref(),
            password: Password::of(&host.password_file, &host.password_command),
        });
        let plain = KeptPassword {
            server: &self.conf.server,
            user: self.conf.user.as_ref(),
            password: Password::of(&self.conf.password_file, &self.conf.password_command),
        };
        let all = host.into_iter().chain([plain]);
        all.filter(|kept| kept.password != Password::Typed)
    }

    /// Says what is missing where nobody can be asked for a password.
    pub(crate) fn explain_missing_password(&self) -> String {
        let mut why = String::from(
            "no password, and nobody to ask; give --password-stdin, --password-file, \
             SKIFF_PASSWORD_FILE, or password_file or password_command in the settings",
        );
        if let Some(kept) = self.kept_passwords().next() {
            let user = kept.user.map(UserName::as_str);
            why.push_str(&format!(
                " (what is there belongs to {} at {})",
                user.unwrap_or("whoever logs in"),
                kept.server
            ));
        }
        why
    }

    /// How much is shown of the digests of transfers: programs get them whole.
    pub(crate) fn digest_form(&self) -> DigestForm {
        match self.digest_form {
            DigestForm::Short if std::io::stdout().is_terminal() => DigestForm::Short,
            DigestForm::Short | DigestForm::Whole => DigestForm::Whole,
        }
    }

    /// How transfers show their progress: a bar only where standard error is a terminal.
    pub(crate) fn progress_style(&self) -> ProgressStyle {
        match self.progress {
            ProgressOption::Quiet => ProgressStyle::Hidden,
            ProgressOption::Shown if can_draw() => ProgressStyle::Bar,
            ProgressOption::Shown => ProgressStyle::Lines,
        }
    }
}

/// True where standard error is a terminal on which a line can be drawn over: one of type `dumb`
/// (terminfo(5)) has no cursor to move.
fn can_draw() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|kind| kind.is_empty() || kind == "dumb");
    !is_dumb && std::io::stderr().is_terminal()
}

/// Loads the file of `--config`, else the user's `client.ron` if it exists, else defaults.
fn load(named: Option<PathBuf>, folders: &Folders) -> Result<Client, ProgramError> {
    let usual = || folders.settings().filter(|usual| usual.exists());
    let Some(path) = named.or_else(usual) else {
        return Ok(Client::parse("()", Path::new("client.ron"))?);
    };
    let conf = Client::load(&path)?;
    let taken = |alias: &&Alias| argv::find(OsStr::new(alias.as_str())).is_some();
    if let Some(alias) = conf.hosts.keys().find(taken) {
        let what = format!("hosts[\"{alias}\"]: is the name of a command; take another");
        return Err(Complaint::about(&path, what).into());
    }
    Ok(conf)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cli::args::{Invocation, parse};

    /// The settings of this file and these arguments.
    pub(crate) fn settings(file: &str, line: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.ron");
        std::fs::write(&path, file).unwrap();
        let mut arguments = vec!["--config".into(), path.into()];
        arguments.extend(line.split_whitespace().map(Into::into));
        let Ok(Invocation::Connect(args)) = parse(arguments) else {
            panic!("{line}");
        };
        Settings::resolve(*args).unwrap()
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let file = r#"(server: "a:1", user: "tom", tls: Off)"#;
        let plain = settings(file, "");
        assert_eq!((plain.server.host.as_str(), plain.server.port), ("a", 1));
        assert_eq!((plain.user.as_deref(), plain.tls), (Some("tom"), Tls::Off));
        let named = settings(file, "sam@b --tls on");
        assert_eq!((named.server.host.as_str(), named.server.port), ("b", 8001));
        assert_eq!((named.user.as_deref(), named.tls), (Some("sam"), Tls::On));
        assert_eq!(
            settings(file, "sam@b --user jerry").user.as_deref(),
            Some("jerry")
        );
    }

    #[test]
    fn a_password_in_the_settings_belongs_to_its_server_and_user() {
        let file = r#"(server: "nas", user: "tom", password_command: "pass nas")"#;
        for (line, user, password) in [
            ("", "tom", Password::Command("pass nas")),
            ("NAS:8001", "tom", Password::Command("pass nas")),
            ("nas", "sam", Password::Typed),
            ("nas:9000", "tom", Password::Typed),
            ("evil", "tom", Password::Typed),
            ("evil --password-stdin", "tom", Password::Stdin),
            (
                "evil --password-file x",
                "sam",
                Password::File(Path::new("x")),
            ),
        ] {
            assert_eq!(settings(file, line).password_of(user), password, "{line}");
        }
        let of_anybody = settings(r#"(server: "nas", password_file: "/pw")"#, "");
        assert_eq!(
            of_anybody.password_of("sam"),
            Password::File(Path::new("/pw"))
        );
        let told = settings(file, "evil").explain_missing_password();
        assert!(told.ends_with("(what is there belongs to tom at nas:8001)"));
    }

    #[test]
    fn a_password_of_the_command_line_is_for_its_server_and_user() {
        let file = r#"(server: "nas", user: "tom", password_command: "pass nas")"#;
        let given = settings(file, "tom@a --password-file x");
        let password = |target: &str, user: &str| {
            let settings = given.leading_to(target.parse().unwrap());
            match settings.password_of(user) {
                Password::Typed => "typed",
                Password::Stdin => "stdin",
                Password::File(_) => "file",
                Password::Command(_) => "command",
            }
        };
        assert_eq!(password("tom@a", "tom"), "file");
        assert_eq!(password("a", "tom"), "file");
        assert_eq!(password("sam@a", "sam"), "typed");
        assert_eq!(password("tom@b", "tom"), "typed");
        assert_eq!(password("tom@nas", "tom"), "command");
        let piped = settings(file, "tom@a --password-stdin");
        let again = piped.leading_to("tom@a".parse().unwrap());
        assert_eq!(again.password_of("tom"), Password::Typed);
    }

    const HOSTS: &str = r#"(server: "nas", user: "tom", password_command: "top", tls: Off, hosts: {
        "nas": (server: "files.example:9", user: "sam", password_command: "of sam", tls: On,
            fingerprint: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            directory: "/photos"),
        "bare": (server: "other.example"),
    })"#;

    #[test]
    fn a_host_has_its_server_user_password_and_certificate() {
        let nas = settings(HOSTS, "nas");
        assert_eq!(nas.server.to_string(), "files.example:9");
        assert_eq!((nas.user.as_deref(), nas.tls), (Some("sam"), Tls::On));
        assert_eq!(nas.password_of("sam"), Password::Command("of sam"));
        assert_eq!(nas.password_of("tom"), Password::Typed);
        assert_eq!(nas.directory(), Some("/photos"));
        assert!(matches!(nas.trust, TrustPolicy::Pinned(_)));
        let given = settings(HOSTS, "ann@nas --tls off --trust new");
        assert_eq!((given.user.as_deref(), given.tls), (Some("ann"), Tls::Off));
        assert_eq!(given.password_of("ann"), Password::Typed);
        // A pin is stricter than --trust new.
        assert!(matches!(given.trust, TrustPolicy::Pinned(_)));
        // With a port it is no name of a host; neither is what the settings do not know.
        for line in ["nas:8001", "NAS", ""] {
            let plain = settings(HOSTS, line);
            assert_eq!(plain.alias, None, "{line}");
            assert_eq!(plain.password_of("tom"), Password::Command("top"), "{line}");
            assert_eq!(plain.password_of("sam"), Password::Typed, "{line}");
            assert_eq!(plain.trust, TrustPolicy::Ask);
        }
        let bare = settings(HOSTS, "bare");
        assert_eq!((bare.user.as_deref(), bare.tls), (Some("tom"), Tls::Off));
        assert_eq!(bare.password_of("tom"), Password::Typed);
    }

    #[test]
    fn a_host_that_is_opened_later_is_the_same() {
        let plain = settings(HOSTS, "sam@files.example:9 --password-file x");
        let open = |from: &Settings, target: &str| from.leading_to(target.parse().unwrap());
        let nas = open(&plain, "nas");
        assert_eq!(nas.user.as_deref(), Some("sam"));
        assert_eq!(nas.password_of("sam"), Password::Command("of sam"));
        assert!(matches!(nas.trust, TrustPolicy::Pinned(_)));
        // And what was pinned for it is no other server's.
        let pinned = settings(HOSTS, "nas");
        let other = open(&pinned, "bare");
        assert_eq!(
            (other.trust, other.user.as_deref()),
            (TrustPolicy::Ask, None)
        );
        assert_eq!(other.directory(), None);
        assert_eq!(open(&pinned, "files.example:9").trust, TrustPolicy::Ask);
    }

    #[test]
    fn a_file_that_was_named_has_to_be_there() {
        let Ok(Invocation::Connect(args)) =
            parse(vec!["--config".into(), "/none/client.ron".into()])
        else {
            panic!();
        };
        assert!(matches!(
            Settings::resolve(*args),
            Err(ProgramError::Settings(_))
        ));
    }
}
