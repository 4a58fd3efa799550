//! Encodes commands as lines, for the client.

use base64ct::{Base64, Encoding};

use super::path_escape::{push_path, push_target};
use crate::digest::{Algorithm, Sum};
use crate::path::{LinkTarget, PathArg};
use crate::wire::command::{
    Answer, Command, List, PasswordChange, Replace, Retrieve, RetrieveRange, SetAttributes, Store,
    Turn,
};
use crate::wire::listing::{Direction, SortKey};

/// Appends `command` as one line.
pub fn encode(command: &Command, out: &mut Vec<u8>) {
    let line = Line(out);
    match command {
        Command::Login { first } => line.verb("USER").base64("scram", first).end(),
        Command::Prove { last } => line.verb("PASS").base64("scram", last).end(),
        Command::WorkingDirectory => line.verb("PWD").end(),
        Command::ChangeDirectory(path) => line.verb("CWD").path(path),
        Command::List(list) => encode_list(line, list),
        Command::Retrieve(retrieve) => encode_retrieve(line, retrieve),
        Command::RetrieveRange(range) => encode_range(line, range),
        Command::SetAttributes(set) => encode_attributes(line, set),
        Command::RenameOver(path) => line.verb("351").token("replace", 1).path(path),
        Command::Store(store) => encode_store(line, store),
        Command::Delete(path) => line.verb("DELE").path(path),
        Command::MakeDirectory(path) => line.verb("MKD").path(path),
        Command::MakeLink { path, target } => line.verb("SYMLINK").target(target).path(path),
        Command::ReadLink(path) => line.verb("READLINK").path(path),
        Command::RenameFrom(path) => line.verb("RNFR").path(path),
        Command::Status => line.verb("STAT").end(),
        Command::Facts(path) => line.verb("STAT").path(path),
        Command::Usage => line.verb("DF").end(),
        Command::Hash { path, algorithm } => {
            line.verb("HASH").token("algo", algorithm.name()).path(path);
        }
        Command::Stages => line.verb("STAGES").end(),
        Command::DropStage(path) => line.verb("STAGES drop=1").path(path),
        Command::SetPassword(change) => encode_change(line, change),
        Command::System => line.verb("SYST").end(),
        Command::Help(None) => line.verb("HELP").end(),
        Command::Help(Some(verb)) => line.verb("HELP").verb(" ").verb(verb).end(),
        Command::Noop => line.verb("NOOP").end(),
        Command::Abort => line.verb("ABOR").end(),
        Command::Quit => line.verb("220").end(),
        Command::Answer(answer) => encode_answer(line, answer),
        // This dialect has no lines for these, and no dialogue of it uses them.
        Command::User(_) | Command::Password(_) | Command::Reinitialize => {}
        Command::Security(_) | Command::Data(_) | Command::Parameter(_) => {}
        Command::RetrieveStream(_) | Command::StoreStream { .. } | Command::StoreUnique(_) => {}
        Command::Listing(_) | Command::Entry(_) | Command::Size(_) => {}
        Command::ModifiedAt(_) | Command::SetModified { .. } | Command::SetMode { .. } => {}
        Command::RemoveFile(_) | Command::RemoveDirectory(_) => {}
        Command::Digest { .. } | Command::Available(_) => {}
        Command::Features | Command::Host(_) | Command::StagesInReply => {}
    }
}

fn encode_answer(line: Line<'_>, answer: &Answer) {
    match answer {
        Answer::Working => line.verb("111").end(),
        Answer::FromStart => line.verb("200").end(),
        Answer::ResumeDownload { offset, sum } => {
            line.verb("210").token("offset", offset).sum(sum).end();
        }
        Answer::ResumeUpload => line.verb("211").end(),
        Answer::AllSent { sum } => line.verb("225").sum(sum).end(),
        Answer::Equal => line.verb("227").end(),
        Answer::RenameTo(path) => line.verb("351").path(path),
        Answer::HaveAlready => line.verb("400").end(),
        Answer::DeclineDownload => line.verb("401").end(),
        Answer::DeclineUpload => line.verb("410").end(),
        Answer::Different => line.verb("550").end(),
    }
}

fn encode_list(mut line: Line<'_>, list: &List) {
    line = line.verb("LIST");
    let key = match list.options.key {
        SortKey::Unsorted => None,
        SortKey::Name => Some("name"),
        SortKey::Size => Some("size"),
        SortKey::Modified => Some("modify"),
    };
    if let Some(key) = key {
        line = line.token("sort", key);
    }
    if list.options.direction == Direction::Backward {
        line = line.token("reverse", 1);
    }
    match &list.path {
        Some(path) => line.path(path),
        None => line.end(),
    }
}

fn encode_range(line: Line<'_>, range: &RetrieveRange) {
    let mut line = line.verb("RETR");
    if range.digest != Algorithm::default() {
        line = line.token("digest", range.digest.name());
    }
    line = line.token("start", range.start);
    if let Some(length) = range.length {
        line = line.token("length", length);
    }
    line.path(&range.path);
}

fn encode_attributes(mut line: Line<'_>, set: &SetAttributes) {
    line = line.verb("SETATTR");
    if let Some(modified) = set.modified {
        line = line.token("mtime", modified.to_digits());
    }
    if let Some(mode) = set.mode {
        line = line.token("mode", format_args!("{mode:04o}"));
    }
    line.path(&set.path);
}

fn encode_retrieve(line: Line<'_>, retrieve: &Retrieve) {
    let mut line = line.verb("RETR");
    if retrieve.digest != Algorithm::default() {
        line = line.token("digest", retrieve.digest.name());
    }
    if retrieve.turn == Turn::Skipped {
        line = line.token("start", 0);
    }
    line.path(&retrieve.path);
}

fn encode_store(line: Line<'_>, store: &Store) {
    let mut line = line.verb("STOR").token("size", store.size);
    if let Some(modified) = store.modified {
        line = line.token("mtime", modified.to_digits());
    }
    if store.digest != Algorithm::default() {
        line = line.token("digest", store.digest.name());
    }
    if let Some(sum) = store.declared {
        line = line.sum(&sum);
    }
    if store.replace == Replace::Yes {
        line = line.token("replace", 1);
    }
    if store.turn == Turn::Skipped {
        line = line.token("go", 1);
    }
    line.path(&store.path);
}

fn encode_change(line: Line<'_>, change: &PasswordChange) {
    let PasswordChange { new, proof } = change;
    line.verb("PASSWD")
        .base64("salt", &new.salt)
        .token("iterations", new.iterations)
        .base64("stored", &new.stored_key)
        .base64("server", &new.server_key)
        .base64("proof", proof)
        .end();
}

struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn verb(self, verb: &str) -> Self {
        self.0.extend_from_slice(verb.as_bytes());
        self
    }

    fn token(self, key: &str, value: impl std::fmt::Display) -> Self {
        self.0
            .extend_from_slice(format!(" {key}={value}").as_bytes());
        self
    }

    fn sum(self, sum: &Sum) -> Self {
        self.token(sum.algorithm().name(), sum)
    }

    fn base64(self, key: &str, value: &[u8]) -> Self {
        self.token(key, Base64::encode_string(value))
    }

    fn target(self, target: &LinkTarget) -> Self {
        self.0.extend_from_slice(b" target=");
        push_target(target, self.0);
        self
    }

    /// A relative path whose first word looks like a token gets `./` before it.
    fn path(self, path: &PathArg) {
        self.0.push(b' ');
        let first = path
            .as_bytes()
            .split(|&b| b == b' ')
            .next()
            .unwrap_or_default();
        if first.contains(&b'=') && !first.starts_with(b"/") {
            self.0.extend_from_slice(b"./");
        }
        push_path(path.as_bytes(), self.0);
        self.end();
    }

    /// A path from [`PathArg::to_send`] fits in a line whatever its bytes are.
    fn end(self) {
        self.0.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{LINK_TARGET_MAX, SENT_PATH_MAX, VirtualPath};
    use crate::wire::command::NewVerifier;
    use crate::wire::line::LINE_MAX;
    use crate::wire::listing::Options;
    use crate::wire::native::verbs::{VERBS, decode};
    use crate::wire::stamp::Stamp;

    fn path() -> PathArg {
        PathArg::new("p q").unwrap()
    }

    fn password_change() -> PasswordChange {
        let new = NewVerifier {
            salt: vec![1; 16],
            iterations: 10_000,
            stored_key: [2; 32],
            server_key: [3; 32],
        };
        PasswordChange {
            new,
            proof: [4; 32],
        }
    }

    /// Verbs that have more forms than one.
    fn other_forms() -> [Command; 10] {
        [
            listed(SortKey::Name, Direction::Backward),
            listed(SortKey::Size, Direction::Forward),
            listed(SortKey::Modified, Direction::Forward),
            range(9, Some(0)),
            range(0, Some(7)),
            range(7, None),
            set(Some(Stamp(1_767_323_045)), None),
            set(Some(Stamp(0)), Some(0o7)),
            set(None, Some(0o755)),
            Command::RenameOver(path()),
        ]
    }

    fn every_command() -> Vec<Command> {
        let mut all = every_verb();
        all.extend(other_forms());
        let paths = [
            &b"a"[..],
            b"/a b/c",
            b" lead",
            "中文%".as_bytes(),
            b"\xff\xfe%41",
            b"line\r\nDELE x\n",
        ];
        all.extend(paths.map(|path| Command::ChangeDirectory(PathArg::new(path).unwrap())));
        let sum = Algorithm::Md5.of(b"x");
        let long = Algorithm::Sha256.of(b"x");
        let answers = [
            Answer::Working,
            Answer::FromStart,
            Answer::ResumeDownload { offset: 5, sum },
            Answer::ResumeUpload,
            Answer::AllSent { sum },
            Answer::AllSent { sum: long },
            Answer::Equal,
            Answer::RenameTo(path()),
            Answer::HaveAlready,
            Answer::DeclineDownload,
            Answer::DeclineUpload,
            Answer::Different,
        ];
        all.extend(answers.map(Command::Answer));
        all
    }

    fn listed(key: SortKey, direction: Direction) -> Command {
        let options = Options {
            key,
            direction,
            ..Options::UNSORTED
        };
        Command::List(List {
            path: Some(path()),
            options,
        })
    }

    fn range(start: u64, length: Option<u64>) -> Command {
        Command::RetrieveRange(RetrieveRange {
            path: path(),
            digest: Algorithm::Sha256,
            start,
            length,
        })
    }

    fn set(modified: Option<Stamp>, mode: Option<u32>) -> Command {
        Command::SetAttributes(SetAttributes {
            path: path(),
            modified,
            mode,
        })
    }

    fn every_verb() -> Vec<Command> {
        let bare = Store {
            path: path(),
            size: 7,
            modified: None,
            digest: Algorithm::Md5,
            declared: None,
            replace: Replace::Never,
            turn: Turn::Negotiate,
        };
        let full = Store {
            modified: Some(Stamp(1_767_323_045)),
            digest: Algorithm::Sha256,
            declared: Some(Algorithm::Sha256.of(b"x")),
            replace: Replace::Yes,
            turn: Turn::Skipped,
            ..bare.clone()
        };
        vec![
            Command::Login {
                first: b"n,,n=a,r=b".to_vec(),
            },
            Command::Prove {
                last: b"c=biws".to_vec(),
            },
            Command::WorkingDirectory,
            Command::list(None),
            Command::list(Some(path())),
            Command::Retrieve(Retrieve {
                path: path(),
                digest: Algorithm::Md5,
                turn: Turn::Negotiate,
            }),
            Command::Retrieve(Retrieve {
                path: path(),
                digest: Algorithm::Sha256,
                turn: Turn::Skipped,
            }),
            Command::Store(bare),
            Command::Store(full),
            Command::Delete(path()),
            Command::MakeDirectory(path()),
            Command::MakeLink {
                path: path(),
                target: LinkTarget::new("../a b=c").unwrap(),
            },
            Command::ReadLink(path()),
            Command::RenameFrom(path()),
            Command::Status,
            Command::Facts(path()),
            Command::Usage,
            Command::Hash {
                path: path(),
                algorithm: Algorithm::Sha256,
            },
            Command::Stages,
            Command::DropStage(path()),
            Command::SetPassword(Box::new(password_change())),
            Command::System,
            Command::Help(None),
            Command::Help(Some("RETR".into())),
            Command::Noop,
            Command::Abort,
            Command::Quit,
        ]
    }

    #[test]
    fn every_command_comes_back_and_every_verb_is_used() {
        let mut used = std::collections::BTreeSet::new();
        for command in every_command() {
            let mut line = Vec::new();
            encode(&command, &mut line);
            let line = line.strip_suffix(b"\r\n").unwrap();
            assert_eq!(
                decode(line).as_ref(),
                Ok(&command),
                "{}",
                String::from_utf8_lossy(line)
            );
            used.insert(
                String::from_utf8_lossy(line.split(|&b| b == b' ').next().unwrap()).into_owned(),
            );
        }
        let table: std::collections::BTreeSet<_> =
            VERBS.iter().map(|v| v.name.to_owned()).collect();
        assert_eq!(used, table);
    }

    #[test]
    fn a_name_that_looks_like_a_token_still_arrives() {
        let root = VirtualPath::root();
        for name in ["size=3", "x=1 y", "=", "中=1"] {
            let name = PathArg::new(name).unwrap();
            let mut line = Vec::new();
            encode(&Command::Delete(name.clone()), &mut line);
            let Ok(Command::Delete(arrived)) = decode(line.strip_suffix(b"\r\n").unwrap()) else {
                panic!("{}", String::from_utf8_lossy(&line));
            };
            assert_eq!(root.join(&arrived), root.join(&name));
        }
    }

    #[test]
    fn the_longest_path_fits_in_a_line_whatever_its_bytes_are() {
        for byte in [b'%', 0xff, b'a'] {
            let path = PathArg::to_send(vec![byte; SENT_PATH_MAX]).unwrap();
            let target = LinkTarget::new(vec![byte; LINK_TARGET_MAX]).unwrap();
            let link = Command::MakeLink {
                path: path.clone(),
                target,
            };
            let store = Command::Store(Store {
                path,
                size: u64::MAX,
                modified: Some(Stamp(0)),
                digest: Algorithm::Sha256,
                declared: Some(Sum::Sha256([0xff; 32])),
                replace: Replace::Yes,
                turn: Turn::Skipped,
            });
            for command in [store, link] {
                let mut line = Vec::new();
                encode(&command, &mut line);
                assert!(line.len() <= LINE_MAX, "{byte}: {}", line.len());
            }
        }
        assert_eq!(PathArg::to_send(vec![b'a'; SENT_PATH_MAX + 1]), None);
    }
}
