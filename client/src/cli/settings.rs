//! Merges the command-line arguments with `client.ron` into the settings of this run.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use skiff_conf::{Client, HostPort, Tls};
use skiff_sessions::digest::Algorithm;

use super::args::{Args, PasswordSource, ProgressOption};
use super::error::ProgramError;
use crate::net::known_hosts::TrustPolicy;
use crate::terminal::progress::ProgressStyle;

/// The settings of this run: how to connect, log in, and show progress.
pub(crate) struct Settings {
    pub server: HostPort,
    /// `None` where the user has to be asked.
    pub user: Option<String>,
    pub password: PasswordSource,
    pub tls: Tls,
    pub trust: TrustPolicy,
    /// The digest of `--digest`; `None` where the cheapest common one is used.
    pub digest: Option<Algorithm>,
    /// The known hosts file.
    pub known_hosts: PathBuf,
    /// How long the server may take to answer.
    pub timeout: Duration,
    pub progress: ProgressOption,
    /// The settings file, with the password file of the command line put in.
    pub conf: Client,
}

impl Settings {
    /// Loads the settings file and lets the arguments override it.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Settings`] where the file is missing though it was named, or is malformed.
    pub(crate) fn resolve(args: Args) -> Result<Self, ProgramError> {
        let mut conf = load(args.config)?;
        if let PasswordSource::File(path) = &args.password {
            conf.password_file = Some(path.clone());
        }
        let (named, server) = match args.target {
            Some(target) => (target.user, target.server),
            None => (None, conf.server.clone()),
        };
        let in_file = conf.user.as_ref().map(|user| user.as_str().to_owned());
        Ok(Self {
            server,
            user: args.user.or(named).or(in_file),
            password: args.password,
            tls: args.tls.unwrap_or(conf.tls),
            trust: args.trust,
            digest: args.digest,
            known_hosts: conf.known_hosts.clone(),
            timeout: conf.timeout,
            progress: args.progress,
            conf,
        })
    }

    /// How transfers show their progress: a bar only where standard error is a terminal.
    pub(crate) fn progress_style(&self) -> ProgressStyle {
        match self.progress {
            ProgressOption::Quiet => ProgressStyle::Hidden,
            ProgressOption::Shown if std::io::stderr().is_terminal() => ProgressStyle::Bar,
            ProgressOption::Shown => ProgressStyle::Lines,
        }
    }

    /// True when the password comes from a file or standard input and is not typed.
    pub(crate) fn has_password(&self) -> bool {
        self.password == PasswordSource::Stdin || self.conf.password_file.is_some()
    }
}

/// Loads the file of `--config`, else `~/.config/skiff/client.ron` if it exists, else defaults.
fn load(named: Option<PathBuf>) -> Result<Client, ProgramError> {
    if let Some(path) = named {
        return Ok(Client::load(&path)?);
    }
    let folder = std::env::home_dir()
        .unwrap_or_default()
        .join(".config/skiff");
    let usual = folder.join("client.ron");
    match usual.exists() {
        true => Ok(Client::load(&usual)?),
        false => Ok(Client::parse("()", &usual)?),
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
    fn a_password_file_of_either_kind_is_a_password() {
        assert!(!settings("()", "").has_password());
        assert!(settings("()", "--password-file x").has_password());
        assert!(settings("()", "--password-stdin").has_password());
        assert!(settings(r#"(password_file: "x")"#, "").has_password());
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
