//! `skiffd user import`: adds the users of a file of another system, all of them or none.

mod passwd;
mod row;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use pico_args::Arguments;
use skiff_conf::{Iterations, Server, UserName, UserStore};
use zeroize::Zeroizing;

use super::choice::take_one_of;
use super::{Verb, bad_name, exposed_by, load, make_home, needs_restart, verifier};
use crate::accounts::owners::named_owner;
use crate::cli::arguments::take_rest;
use crate::cli::failure::Failure;
use passwd::Lines;
use row::{Found, Row, WrongLine};

/// Bytes of the largest file: enough for as many users as the store holds.
const LARGEST: u64 = 64 << 20;

/// Wrong lines that are told.
const WRONG_TOLD: usize = 20;

#[derive(Debug, PartialEq)]
pub(super) struct Import {
    file: PathBuf,
    format: Format,
    group: Option<UserName>,
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
    Lines(Lines),
}

const FORMATS: [(&str, Format); 5] = [
    ("csv", Format::Csv),
    ("json", Format::Json),
    ("pureftpd", Format::Lines(Lines::PureFtpd)),
    ("shadow", Format::Lines(Lines::Shadow)),
    ("passwd", Format::Lines(Lines::Passwd)),
];

impl Format {
    /// What the name of the file tells.
    fn of(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?.to_lowercase();
        let extension = name.rsplit('.').next()?;
        let is = |(word, _): &&(&str, Self)| match *word {
            "pureftpd" | "shadow" => name.starts_with(word),
            word => extension == word,
        };
        // pureftpd.passwd is pure-ftpd's.
        FORMATS.iter().find(is).map(|&(_, format)| format)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Dry,
    Real,
}

pub(super) fn parse(mut words: Arguments) -> Result<Verb, Failure> {
    let format = take_one_of(&mut words, "--format", &FORMATS)?;
    let group = words.opt_value_from_str::<_, String>("--group")?;
    let group = group.map(|group| group.parse().map_err(bad_name));
    let run = match words.contains("--dry-run") {
        true => Run::Dry,
        false => Run::Real,
    };
    let file = take_rest(words, 1)?.pop();
    let file = file.ok_or_else(|| Failure::Usage("import which file?".to_owned()))?;
    let file = PathBuf::from(file);
    let format = format.or_else(|| Format::of(&file)).ok_or_else(|| {
        let words = FORMATS.map(|(word, _)| word).join(" or ");
        let file = file.display();
        Failure::Usage(format!("what is in {file}? say --format {words}"))
    })?;
    Ok(Verb::Import(Import {
        file,
        format,
        group: group.transpose()?,
        run,
    }))
}

/// Returns the lines to print.
pub(super) fn run(config: &Server, import: &Import) -> Result<Vec<String>, Failure> {
    let text = read(&import.file)?;
    let mut found = match import.format {
        Format::Csv => table::read_csv(&text),
        Format::Json => table::read_json(&text),
        Format::Lines(lines) => passwd::read(lines, &text),
    };
    if let Some(group) = &import.group {
        for row in &mut found.rows {
            row.account.group.get_or_insert_with(|| group.clone());
        }
    }
    let rounds = match import.run {
        Run::Real => config.scram_iterations,
        // Only whether the passwords can be such is asked.
        Run::Dry => Iterations::MIN,
    };
    found.wrong.extend(examine(config, &found.rows)?);
    if found.wrong.is_empty() {
        found.wrong.extend(derive(&mut found.rows, rounds));
    }
    refuse_wrong(&import.file, &mut found.wrong)?;
    let told = match import.run {
        Run::Dry => summary(&found.rows, "would be added; nothing is changed"),
        Run::Real => {
            let added = add(config, import, &found)?;
            let mut told = summary(&found.rows, "are added");
            told.extend(added);
            told
        }
    };
    Ok(told.into_iter().chain(found.left_out.told()).collect())
}

fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error| Failure::at(file, "read", &error);
    let opened = std::fs::File::open(file).map_err(failed)?;
    let length = opened.metadata().map_or(0, |found| found.len());
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.min(LARGEST) as usize + 1));
    opened
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let wrong = |what: String| Failure::Failed(format!("{}{what}", file.display()));
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(format!(" is larger than {LARGEST} bytes")));
    }
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            Err(wrong(format!(
                ":{line}: is not UTF-8; convert the file, as iconv does"
            )))
        }
    }
}

/// What stands in the way of users that were understood.
fn examine(config: &Server, rows: &[Row]) -> Result<Vec<WrongLine>, Failure> {
    let store = load(config)?;
    let mut lines: HashMap<&UserName, usize> = HashMap::new();
    let mut wrong = Vec::new();
    for row in rows {
        let (name, line) = (&row.name, row.line);
        let mut complain = |what: String| wrong.push(WrongLine { line, what });
        if let Some(first) = lines.get(name) {
            complain(format!(
                "{name} stands in line {first} already; keep one of them"
            ));
        }
        lines.entry(name).or_insert(line);
        if store.get(name.as_str()).is_some() {
            complain(format!(
                "there is a user {name} already; leave the line out"
            ));
        }
        match &row.account.group {
            Some(group) if !store.has_group(group) => complain(format!(
                "there is no group {group} in the user store; write it there under groups first"
            )),
            _ => {}
        }
        if let Some(why) = no_home(config, row) {
            complain(why);
        }
    }
    Ok(wrong)
}

/// Why a home cannot be made where the file says it is.
fn no_home(config: &Server, row: &Row) -> Option<String> {
    let said = row.account.home.as_ref()?;
    let home = config.homes.join(said);
    if let Some(own) = exposed_by(config, &home) {
        let (home, own) = (home.display(), own.display());
        return Some(format!(
            "home: {home} cannot be one: its user could change {own}"
        ));
    }
    let parent = home.parent()?;
    // Within the folder of the homes it is made.
    let is_there = parent.is_dir() || parent.starts_with(&config.homes);
    (!is_there && !said.to_string_lossy().contains("%u")).then(|| {
        let parent = parent.display();
        format!("home: {parent}, in which it is to be, is not there; make it, or mount its disk")
    })
}

/// Derives the verifiers of clear passwords, on all processors.
fn derive(rows: &mut [Row], rounds: Iterations) -> Vec<WrongLine> {
    let mut clear: Vec<&mut Row> = rows
        .iter_mut()
        .filter(|row| row.password.is_some())
        .collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = clear.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let shares = clear.chunks_mut(share);
        let threads: Vec<_> = shares
            .map(|rows| {
                scope.spawn(move || {
                    rows.iter_mut()
                        .filter_map(|row| derive_one(row, rounds))
                        .collect()
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .flat_map(|wrong: Result<Vec<_>, _>| wrong.unwrap_or_default())
            .collect()
    })
}

fn derive_one(row: &mut Row, rounds: Iterations) -> Option<WrongLine> {
    let password = row.password.as_ref()?;
    match verifier(password, rounds) {
        Ok(scram) => {
            row.account.set_password(scram);
            None
        }
        Err(why) => Some(WrongLine::new(row.line, format!("password: {why}"))),
    }
}

fn refuse_wrong(file: &Path, wrong: &mut [WrongLine]) -> Result<(), Failure> {
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort_by_key(|wrong| wrong.line);
    let told = wrong.iter().take(WRONG_TOLD);
    let told = told.map(|wrong| format!("{}:{}: {}", file.display(), wrong.line, wrong.what));
    let mut lines: Vec<String> = told.collect();
    let count = match wrong.len() {
        1 => "one thing is wrong".to_owned(),
        count => format!("{count} things are wrong"),
    };
    lines.push(format!("{count}; nothing is changed"));
    Err(Failure::Failed(lines.join("\n")))
}

/// Adds all of them in one change of the store, and makes their homes; returns what is worth
/// knowing. Where one fails, the homes that were made go again.
fn add(config: &Server, import: &Import, found: &Found) -> Result<Vec<String>, Failure> {
    let (mut made, mut far) = (Made::default(), 0);
    let added = UserStore::edit(&config.users, |store| {
        for row in &found.rows {
            let refuse = |what: String| {
                let (file, line) = (import.file.display(), row.line);
                Failure::Failed(format!("{file}:{line}: {what}; nothing is changed"))
            };
            // What was right before may be another's meanwhile.
            if let Some(group) = row.account.group.as_ref().filter(|g| !store.has_group(g)) {
                return Err(refuse(format!("there is no group {group}")));
            }
            let added = store.add(row.name.clone(), row.account.clone());
            added.map_err(|why| refuse(why.to_string()))?;
            let account = store.get(row.name.as_str()).unwrap_or(&row.account);
            let home = config.home(&row.name, account);
            made.note(&home);
            make_home(config, &home, named_owner(&row.name, account).as_ref())?;
            far += usize::from(needs_restart(config, &home));
        }
        Ok::<_, Failure>(())
    });
    if added.is_err() {
        made.take_back(config);
    }
    added?;
    Ok(match far {
        0 => Vec::new(),
        count => vec![format!(
            "a skiffd that runs reaches {count} of their homes after a restart (walls)"
        )],
    })
}

/// The homes that were not there before, and the folders above them.
#[derive(Default)]
struct Made {
    homes: Vec<PathBuf>,
    above: Vec<PathBuf>,
}

impl Made {
    /// Notes what is missing still.
    fn note(&mut self, home: &Path) {
        let is_missing = |path: &&Path| path.symlink_metadata().is_err();
        let mut missing = home.ancestors().take_while(is_missing).map(Path::to_owned);
        self.homes.extend(missing.next());
        let first = self.above.len();
        self.above.extend(missing);
        self.above[first..].reverse();
    }

    fn take_back(&self, config: &Server) {
        for home in &self.homes {
            // What else is not empty is nobody's who was just added.
            let _ = match config.skeleton {
                Some(_) => std::fs::remove_dir_all(home),
                None => std::fs::remove_dir(home),
            };
        }
        for folder in self.above.iter().rev() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn summary(rows: &[Row], done: &str) -> Vec<String> {
    let hashes = rows.iter().filter(|row| row.account.hash.is_some()).count();
    let mut told = vec![format!("{} users {done}", rows.len())];
    if hashes > 0 {
        told.push(format!(
            "{hashes} of them have hashes: they log in by FTP first, and by skiff after that"
        ));
    }
    told
}
