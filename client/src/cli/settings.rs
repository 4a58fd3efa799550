//! Merges the command-line arguments with `client.ron` into the settings of this run.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use skiff_conf::{Client, HostPort, Tls, UserName};
use skiff_sessions::digest::Algorithm;
use zeroize::Zeroizing;

use super::args::{Args, PasswordSource, ProgressOption, Target};
use super::error::ProgramError;
use super::folders::Folders;
use crate::net::account::Account;
use crate::net::known_hosts::{Fingerprint, TrustPolicy, host_and_port};
use crate::net::restore::RETRIES_DEFAULT;
use crate::terminal::format::DigestForm;
use crate::terminal::progress::ProgressStyle;

/// The file of this environment variable has the password of whoever logs in.
const PASSWORD_FILE_VARIABLE: &str = "SKIFF_PASSWORD_FILE";

/// The settings of this run: how to connect, log in, and show progress.
#[derive(Clone)]
pub(crate) struct Settings {
    pub server: HostPort,
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
    digest_form: DigestForm,
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

impl Settings {
    /// Loads the settings file and lets the arguments override it.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Settings`] where the file is missing though it was named, or is malformed.
    pub(crate) fn resolve(args: Args) -> Result<Self, ProgramError> {
        let folders = Folders::of_this_user();
        let conf = load(args.config, &folders)?;
        let (named, server) = match args.target {
            Some(target) => (target.user, target.server),
            None => (None, conf.server.clone()),
        };
        let in_file = conf.user.as_ref().map(|user| user.as_str().to_owned());
        let no_home =
            || ProgramError::Usage("HOME is not set; name known_hosts in --config".into());
        let known_hosts = conf.known_hosts.clone().or_else(|| folders.known_hosts());
        let variable = std::env::var_os(PASSWORD_FILE_VARIABLE);
        Ok(Self {
            server,
            user: args.user.or(named).or(in_file),
            password: args.password,
            password_file: variable.filter(|file| !file.is_empty()).map(PathBuf::from),
            tls: args.tls.unwrap_or(conf.tls),
            trust: args.trust,
            digest: args.digest,
            known_hosts: known_hosts.ok_or_else(no_home)?,
            history: folders.history(),
            timeout: conf.timeout,
            progress: args.progress,
            retries: args.retries.unwrap_or(RETRIES_DEFAULT),
            digest_form: args.digest_form,
            conf,
        })
    }

    /// The settings for another login of the same run. A password that was given for the command
    /// line's server and user is that of nobody else.
    pub(crate) fn leading_to(&self, target: Target) -> Self {
        let user = target.user.or_else(|| match target.server == self.server {
            true => self.user.clone(),
            false => None,
        });
        let is_the_same = target.server == self.server && user == self.user;
        let (password, password_file) = match (&self.password, is_the_same) {
            // It was read, once.
            (PasswordSource::Stdin, _) | (_, false) => (PasswordSource::Settings, None),
            (given, true) => (given.clone(), self.password_file.clone()),
        };
        let trust = match (self.trust, target.server == self.server) {
            (TrustPolicy::Only(_), false) => TrustPolicy::Ask,
            (trust, _) => trust,
        };
        Self {
            server: target.server,
            user,
            password,
            password_file,
            trust,
            ..self.clone()
        }
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
            tls: self.tls,
            timeout: self.timeout,
            user,
            password,
            certificate,
            digest: self.digest,
        }
    }

    /// Returns where the password of `user` comes from. The one in the settings file is that of the
    /// server and the user that stand there: nobody else gets a proof to guess it from.
    pub(crate) fn password_of(&self, user: &str) -> Password<'_> {
        match (&self.password, &self.password_file) {
            (PasswordSource::Stdin, _) => Password::Stdin,
            (PasswordSource::File(path), _) => Password::File(path),
            (PasswordSource::Settings, Some(path)) => Password::File(path),
            (PasswordSource::Settings, None) if self.has_password_of(user) => self.in_file(),
            (PasswordSource::Settings, None) => Password::Typed,
        }
    }

    /// Says what is missing where nobody can be asked for a password.
    pub(crate) fn explain_missing_password(&self) -> String {
        let mut why = String::from(
            "no password, and nobody to ask; give --password-stdin, --password-file, \
             SKIFF_PASSWORD_FILE, or password_file or password_command in the settings",
        );
        if self.in_file() != Password::Typed {
            let user = self.conf.user.as_ref().map(UserName::as_str);
            why.push_str(&format!(
                " (what is there belongs to {} at {})",
                user.unwrap_or("whoever logs in"),
                self.conf.server
            ));
        }
        why
    }

    /// True where the server and `user` are those of the settings file.
    fn has_password_of(&self, user: &str) -> bool {
        let is_there = host_and_port(&self.server) == host_and_port(&self.conf.server);
        let is_user = |named: &UserName| named.as_str() == user;
        is_there && self.conf.user.as_ref().is_none_or(is_user)
    }

    fn in_file(&self) -> Password<'_> {
        match (&self.conf.password_file, &self.conf.password_command) {
            (Some(path), _) => Password::File(path),
            (None, Some(command)) => Password::Command(command),
            (None, None) => Password::Typed,
        }
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
    if let Some(path) = named {
        return Ok(Client::load(&path)?);
    }
    match folders.settings() {
        Some(usual) if usual.exists() => Ok(Client::load(&usual)?),
        _ => Ok(Client::parse("()", Path::new("client.ron"))?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Invocation, parse};

    fn settings(file: &str, line: &str) -> Settings {
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
