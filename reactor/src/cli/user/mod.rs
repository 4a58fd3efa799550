//! `skiffd user`: adds, changes, lists and removes accounts.

mod choice;
mod ftp;
mod import;
mod own;
mod password;
mod terms;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use pico_args::Arguments;
use skiff_conf::{
    Access, Account, AccountStatus, BadName, ByteQuota, CertificateRule, EntryQuota, FileOwner,
    FtpAccess, Login, PasswordRight, Server, StoreError, UserName, UserStore, Walls,
};

use crate::accounts::folder::{Made, make_folder, make_new_home};
use crate::accounts::owners::{look_up, named_owner};
use crate::cli::arguments::{take_config, take_path, take_rest};
use crate::cli::failure::{Failure, tell};
use crate::cli::table::{enumerate, second_words};
use crate::control::answer::Line;
use crate::control::client::{self, ControlError};
use crate::control::command::{Command, Who};

use choice::take_one_of;
use ftp::FtpChanges;
use own::{Own, parse_own};
use password::PasswordFrom;
pub(crate) use password::verifier;
use terms::TermsChanges;
use zeroize::Zeroizing;

#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    config: PathBuf,
    verb: Verb,
}

#[derive(Debug, PartialEq)]
enum Verb {
    Add(UserName, Wanted, PasswordFrom),
    Passwd(UserName, PasswordFrom, Sessions),
    Set(UserName, Changes, Sessions),
    Del(UserName, Sessions),
    List,
    Recount(Who),
    Import(import::Import),
}

/// What becomes of the sessions of a user who could not log in any more as they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sessions {
    End,
    Keep,
}

impl Sessions {
    fn take(words: &mut Arguments) -> Self {
        match words.contains("--keep-sessions") {
            true => Self::Keep,
            false => Self::End,
        }
    }

    /// Tells the daemon, if one runs, before the account is changed.
    fn announce(self, config: &Server, name: &UserName) -> Result<(), Failure> {
        if self == Self::End {
            return Ok(());
        }
        let user = name.to_string();
        let mut refused = None;
        let asked = client::ask(&config.state, &Command::KeepSessions { user }, |line| {
            if let Line::Failed { why } = line {
                refused = Some(why);
            }
            Ok(())
        });
        let failed = |why: String| Err(Failure::Failed(format!("--keep-sessions: {why}")));
        match (asked, refused) {
            (Ok(_) | Err(ControlError::NotRunning), None) => Ok(()),
            (_, Some(why)) => failed(why),
            (Err(error), None) => failed(error.to_string()),
        }
    }
}

/// The options of a new account.
#[derive(Debug, PartialEq)]
struct Wanted {
    quota: Option<ByteQuota>,
    entries: Option<EntryQuota>,
    home: Option<PathBuf>,
    login: Login,
    terms: TermsChanges,
    passwd: Option<Own<PasswordRight>>,
    ftp: FtpChanges,
}

/// Changes to an account; `None` leaves a value as it is.
#[derive(Debug, PartialEq)]
struct Changes {
    quota: Option<Own<ByteQuota>>,
    entries: Option<Own<EntryQuota>>,
    terms: TermsChanges,
    standing: Option<AccountStatus>,
    passwd: Option<Own<PasswordRight>>,
    ftp: FtpChanges,
}

/// Parses what follows `user`.
pub(crate) fn parse(mut words: Arguments) -> Result<Request, Failure> {
    let verb = words.subcommand()?.unwrap_or_default();
    // Said before settings are looked for.
    if !second_words("user").contains(&verb.as_str()) {
        return Err(no_such_verb(&verb));
    }
    let config = take_config(&mut words)?;
    let verb = match verb.as_str() {
        "add" => parse_add(words)?,
        "passwd" => {
            let from = PasswordFrom::take(&mut words);
            let sessions = Sessions::take(&mut words);
            Verb::Passwd(take_name(words)?, from, sessions)
        }
        "set" => parse_set(words)?,
        "del" => {
            let sessions = Sessions::take(&mut words);
            Verb::Del(take_name(words)?, sessions)
        }
        "import" => import::parse(words)?,
        "list" => take_rest(words, 0).map(|_| Verb::List)?,
        "recount" => match words.contains("--all") {
            true => take_rest(words, 0).map(|_| Verb::Recount(Who::All))?,
            false => Verb::Recount(Who::User(take_name(words)?.to_string())),
        },
        _ => return Err(no_such_verb(&verb)),
    };
    Ok(Request { config, verb })
}

fn no_such_verb(verb: &str) -> Failure {
    let known = enumerate(&second_words("user"));
    Failure::Usage(format!(
        "there is no user {verb:?} command; there are {known}"
    ))
}

/// Runs the request; returns the lines to print.
pub(crate) fn run(request: Request) -> Result<Vec<String>, Failure> {
    let config = Server::load(&request.config)?;
    let done = match request.verb {
        Verb::Add(name, wanted, from) => {
            refuse_known(&config, &name)?;
            let password = match wanted.login {
                Login::Own => from.read(&name)?,
                Login::Anonymous => nobodys_password()?,
            };
            add(&config, name, wanted, &password)?
        }
        Verb::Passwd(name, from, sessions) => {
            load(&config)?.get_mut(&name)?;
            let password = from.read(&name)?;
            sessions.announce(&config, &name)?;
            change_password(&config, &name, &password)?
        }
        Verb::Set(name, changes, sessions) => {
            sessions.announce(&config, &name)?;
            set(&config, &name, &changes)?
        }
        Verb::Del(name, sessions) => {
            sessions.announce(&config, &name)?;
            delete(&config, &name)?
        }
        Verb::List => return list(&config),
        Verb::Import(import) => return import::run(&config, &import),
        Verb::Recount(who) => return recount(&config, who).map(|()| Vec::new()),
    };
    Ok(vec![done])
}

pub(crate) fn bad_name(error: BadName) -> Failure {
    Failure::Usage(error.to_string())
}

fn parse_add(mut words: Arguments) -> Result<Verb, Failure> {
    let wanted = Wanted {
        quota: words.opt_value_from_str("--quota")?,
        entries: words.opt_value_from_str("--entries")?,
        home: take_path(&mut words, "--home")?,
        login: match words.contains("--anonymous") {
            true => Login::Anonymous,
            false => Login::Own,
        },
        terms: TermsChanges::take(&mut words)?,
        passwd: take_passwd(&mut words)?,
        ftp: FtpChanges::take(&mut words)?,
    };
    let from = PasswordFrom::take(&mut words);
    Ok(Verb::Add(take_name(words)?, wanted, from))
}

fn parse_set(mut words: Arguments) -> Result<Verb, Failure> {
    let changes = Changes {
        quota: words.opt_value_from_fn("--quota", parse_own)?,
        entries: words.opt_value_from_fn("--entries", parse_own)?,
        terms: TermsChanges::take(&mut words)?,
        standing: take_choice(
            &mut words,
            ("--disable", AccountStatus::Disabled),
            ("--enable", AccountStatus::Enabled),
        )?,
        passwd: take_passwd(&mut words)?,
        ftp: FtpChanges::take(&mut words)?,
    };
    let sessions = Sessions::take(&mut words);
    let name = take_name(words)?;
    match changes.is_empty() {
        true => Err(Failure::Usage("user set: nothing to change".to_owned())),
        false => Ok(Verb::Set(name, changes, sessions)),
    }
}

fn take_passwd(words: &mut Arguments) -> Result<Option<Own<PasswordRight>>, Failure> {
    let choices = [
        ("on", Own::Set(PasswordRight::Changeable)),
        ("off", Own::Set(PasswordRight::Fixed)),
        ("default", Own::Default),
    ];
    take_one_of(words, "--passwd", &choices)
}

fn take_choice<T>(
    words: &mut Arguments,
    one: (&'static str, T),
    other: (&'static str, T),
) -> Result<Option<T>, Failure> {
    match (words.contains(one.0), words.contains(other.0)) {
        (true, true) => Err(Failure::Usage(format!(
            "{} or {}, not both",
            one.0, other.0
        ))),
        (true, false) => Ok(Some(one.1)),
        (false, true) => Ok(Some(other.1)),
        (false, false) => Ok(None),
    }
}

fn take_name(words: Arguments) -> Result<UserName, Failure> {
    let word = take_rest(words, 1)?.pop();
    let word = word.ok_or_else(|| Failure::Usage("which user? give a name".to_owned()))?;
    word.to_string_lossy().parse().map_err(bad_name)
}

/// Loads the store; a missing file is an empty store.
fn load(config: &Server) -> Result<UserStore, Failure> {
    match config.users.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(UserStore::default()),
        _ => Ok(UserStore::load(&config.users)?),
    }
}

/// Refuses a name that is taken, before a password is typed twice for nothing.
fn refuse_known(config: &Server, name: &UserName) -> Result<(), Failure> {
    match load(config)?.get(name.as_str()) {
        Some(_) => Err(StoreError::Exists(name.clone()).into()),
        None => Ok(()),
    }
}

fn add(config: &Server, name: UserName, wanted: Wanted, password: &str) -> Result<String, Failure> {
    let verifier = verifier(password, config.scram_iterations)?;
    let mut account = Account {
        quota: wanted.quota,
        entries: wanted.entries,
        home: wanted.home,
        login: wanted.login,
        passwd: wanted.passwd.and_then(Own::value),
        ..Account::new(verifier)
    };
    if wanted.login == Login::Anonymous {
        account.access = Some(Access::ReadOnly);
    }
    wanted.ftp.apply(&mut account);
    wanted.terms.apply(&mut account);
    let (home, made) = UserStore::edit(&config.users, |store| {
        wanted.terms.check(store)?;
        store.add(name.clone(), account.clone())?;
        // A group may say where the home is, and whose.
        let whole = store.get(name.as_str()).unwrap_or(&account);
        let (home, owner) = (config.home(&name, whole), named_owner(&name, whole));
        // Within the edit: a user whose home cannot be made is not stored.
        let made = make_home(config, &home, owner.as_ref())?;
        Ok::<_, Failure>((home, made))
    })?;
    let shown = home.display();
    let told = match made {
        Made::New => format!("added {name}; home {shown}"),
        Made::Kept => format!("added {name}; home {shown} was there already, and keeps its files"),
    };
    Ok(match needs_restart(config, &home) {
        true => told + "; a skiffd that runs reaches it after a restart (walls)",
        false => told,
    })
}

/// Whether Landlock keeps a running daemon from a home that was none when it started.
fn needs_restart(config: &Server, home: &Path) -> bool {
    let (home, homes) = (home.canonicalize(), config.homes.canonicalize());
    let within = home.is_ok_and(|home| homes.is_ok_and(|homes| home.starts_with(homes)));
    config.walls != Walls::Off && !within
}

fn make_home(config: &Server, home: &Path, owner: Option<&FileOwner>) -> Result<Made, Failure> {
    let mode = config.dir_mode.bits();
    if home.starts_with(&config.homes) {
        make_folder(&config.homes, mode)?;
    }
    if let Some(own) = exposed_by(config, home) {
        return Err(Failure::Failed(format!(
            "{} cannot be a home: its user could change {}",
            home.display(),
            own.display()
        )));
    }
    let owner = owner.map(|owner| look_up(config, owner)).transpose();
    let owner = owner.map_err(|error| Failure::Failed(format!("{}: {error}", home.display())))?;
    Ok(make_new_home(config, home, owner.as_ref())?)
}

/// A file or folder of the server that lies in `home` and would be in its user's hands.
pub(crate) fn exposed_by<'a>(config: &'a Server, home: &Path) -> Option<&'a Path> {
    let home = home.canonicalize().ok()?;
    [&config.homes, &config.state, &config.users, &config.file]
        .into_iter()
        .find(|own| own.canonicalize().is_ok_and(|own| own.starts_with(&home)))
        .map(PathBuf::as_path)
}

fn change_password(config: &Server, name: &UserName, password: &str) -> Result<String, Failure> {
    let verifier = verifier(password, config.scram_iterations)?;
    edit(config, name, |account| account.set_password(verifier))?;
    Ok(format!("{name} has a new password"))
}

fn set(config: &Server, name: &UserName, changes: &Changes) -> Result<String, Failure> {
    UserStore::edit(&config.users, |store| {
        changes.terms.check(store)?;
        changes.apply(store.get_mut(name)?);
        Ok::<_, Failure>(())
    })?;
    Ok(format!("changed {name}"))
}

fn delete(config: &Server, name: &UserName) -> Result<String, Failure> {
    let account = UserStore::edit(&config.users, |store| {
        store.remove(name).map_err(Failure::from)
    })?;
    let home = config.home(name, &account);
    Ok(format!(
        "{name} can no longer log in; the home {} stays, delete it when it is not needed",
        home.display()
    ))
}

/// Has the running daemon count homes, and prints what it finds as it comes.
fn recount(config: &Server, who: Who) -> Result<(), Failure> {
    let mut failed = 0;
    let asked = client::ask(&config.state, &Command::recount(who), |line| {
        match line {
            Line::Said { text } => tell(text).map_err(io::Error::other)?,
            Line::Failed { why } => {
                failed += 1;
                writeln!(io::stderr(), "skiffd: {why}")?;
            }
            _ => {}
        }
        Ok(())
    });
    match (asked, failed) {
        (Ok(_), 0) => Ok(()),
        (Ok(_), count) => Err(Failure::Failed(format!("{count} homes were not counted"))),
        (Err(error @ ControlError::NotRunning), _) => Err(Failure::Failed(format!(
            "{error}; each home is counted when it is first used after the start"
        ))),
        (Err(error), _) => Err(Failure::Failed(error.to_string())),
    }
}

fn edit(
    config: &Server,
    name: &UserName,
    change: impl FnOnce(&mut Account),
) -> Result<(), Failure> {
    UserStore::edit(&config.users, |store| {
        change(store.get_mut(name)?);
        Ok(())
    })
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.quota.is_none()
            && self.entries.is_none()
            && self.terms.is_empty()
            && self.standing.is_none()
            && self.passwd.is_none()
            && self.ftp.is_empty()
    }

    fn apply(&self, account: &mut Account) {
        if let Some(quota) = self.quota {
            account.quota = quota.value();
        }
        if let Some(entries) = self.entries {
            account.entries = entries.value();
        }
        self.terms.apply(account);
        if let Some(standing) = self.standing {
            account.standing = standing;
        }
        if let Some(passwd) = self.passwd {
            account.passwd = passwd.value();
        }
        self.ftp.apply(account);
    }
}

/// One line for each user: name, access, quota, home. The home comes last because it may hold
/// spaces.
fn list(config: &Server) -> Result<Vec<String>, Failure> {
    let store = load(config)?;
    let names = widest(store.iter().map(|(name, _)| name.as_str().len()), 0);
    let rights = widest(store.iter().map(|(_, account)| access(account).len()), 10);
    let quota = |(name, account): (&UserName, &Account)| {
        let allowed = config.allowance(name, account);
        allowed.bytes.to_string()
    };
    let quotas = widest(store.iter().map(|user| quota(user).len()), 8);
    let line = |(name, account): (&UserName, &Account)| {
        let home = config.home(name, account);
        format!(
            "{:names$}  {:rights$}  {:>quotas$}  {}",
            name.as_str(),
            access(account),
            quota((name, account)),
            home.display()
        )
    };
    Ok(store.iter().map(line).collect())
}

fn widest(lengths: impl Iterator<Item = usize>, least: usize) -> usize {
    lengths.fold(least, usize::max)
}

fn access(account: &Account) -> String {
    let mut said = match account.standing {
        AccountStatus::Disabled => "disabled".to_owned(),
        AccountStatus::Enabled => account.access().to_string(),
    };
    let mut add = |part: &str| said.push_str(part);
    if account.login == Login::Anonymous {
        add(", anonymous");
    }
    if account.hash.is_some() {
        add(", hash");
    }
    if !account.folders.is_empty() {
        add(", folders");
    }
    if let Some(group) = &account.group {
        add(&format!(", group {group}"));
    }
    if account.ftp() == FtpAccess::Refused {
        add(", no ftp");
    }
    // Said only where it is not what goes with the access.
    let usual = Account {
        passwd: None,
        ..account.clone()
    };
    match account.password_right() {
        right if right == usual.password_right() => {}
        PasswordRight::Fixed => add(", no passwd"),
        PasswordRight::Changeable => add(", passwd"),
    }
    match account.certificate() {
        CertificateRule::Off => {}
        CertificateRule::Required => add(", certificate"),
        CertificateRule::Instead => add(", or certificate"),
    }
    said
}

/// A password that nobody knows, for an account that takes every one.
fn nobodys_password() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = [0; 32];
    let failed = |error| Failure::Failed(format!("the system gives no random bytes: {error}"));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(Zeroizing::new(Base64::encode_string(&bytes)))
}
