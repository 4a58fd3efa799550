//! One session of the crowd: chooses, does, and checks each answer against its model.

use crate::harness::{Answer, Daemon, Peer, Random, Tail, md5, noise};

use super::model::{Model, parent};
use super::shared;

/// Bytes of the longest file.
const LONGEST: u64 = 150_000;

pub(super) struct Actor<'a> {
    daemon: &'a Daemon,
    user: &'static str,
    folder: String,
    peer: Peer,
    random: Random,
    model: Model,
}

/// How an upload that may begin ends.
#[derive(Clone, Copy)]
enum Ending {
    Complete,
    Aborted,
    WrongDigest,
    LineLost,
}

impl<'a> Actor<'a> {
    pub(super) fn enter(daemon: &'a Daemon, user: &'static str, number: usize) -> Self {
        let folder = format!("s{number}");
        let mut peer = daemon.login(user);
        peer.ask(&format!("MKD {folder}"), 257);
        peer.ask(&format!("CWD {folder}"), 250);
        let seed = user
            .bytes()
            .fold(number as u64, |seed, byte| seed * 31 + u64::from(byte));
        Self {
            daemon,
            user,
            folder,
            peer,
            random: Random::new(seed),
            model: Model::default(),
        }
    }

    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    pub(super) fn leave(mut self) -> Model {
        self.peer.ask("220", 221);
        self.model
    }

    pub(super) fn step(&mut self) {
        match self.random.below(16) {
            0..6 => self.upload(),
            6..8 => self.download(),
            8..10 => self.remove(),
            10 => self.make_dir(),
            11 => self.rename(),
            12 => self.list(),
            13 => self.facts(),
            _ => shared::step(&mut self.peer, &mut self.random),
        }
    }

    fn upload(&mut self) {
        let path = self.any_path();
        let replace = self.random.below(2) == 0;
        let data = self.data_for(&path);
        let tokens = if replace { "replace=1 " } else { "" };
        let line = format!("STOR size={} {tokens}{path}", data.len());
        let answer = self.ask(&line);
        if let Some(expected) = self.refusal(&path, &data, replace) {
            assert_eq!(answer.code, expected, "{line}: {}", answer.line);
            if expected == 200 {
                assert_eq!(answer.token("md5"), md5(self.model.file(&path).unwrap()));
            }
        } else if answer.code == 551 {
            assert!(answer.number("needed") > answer.number("available"));
            self.model.refused += 1;
        } else {
            let from = self.agree(&path, &data, &answer);
            self.send(&line, &path, data, from);
        }
    }

    /// What must be answered to an upload that has no chance, whatever the quota is.
    fn refusal(&self, path: &str, data: &[u8], replace: bool) -> Option<u16> {
        if !self.model.has_dir(parent(path)) {
            return Some(404);
        }
        if self.model.has_dir(path) {
            return Some(550);
        }
        match self.model.file(path) {
            Some(there) if !replace && there.len() == data.len() => Some(200),
            Some(_) if !replace => Some(550),
            _ => None,
        }
    }

    /// The turns before the frames: where they begin.
    fn agree(&mut self, path: &str, data: &[u8], answer: &Answer) -> usize {
        let part = self.model.part(path).filter(|part| part.have <= data.len());
        let Some(part) = part else {
            assert_eq!(answer.code, 150, "{path}: {}", answer.line);
            return 0;
        };
        assert_eq!(answer.code, 210, "{path}: {}", answer.line);
        assert_eq!(answer.number("have"), part.have as u64, "{path}");
        assert_eq!(answer.token("md5"), md5(&part.whole[..part.have]), "{path}");
        let same = data[..part.have] == part.whole[..part.have];
        let (turn, from) = if same { ("211", part.have) } else { ("200", 0) };
        assert_eq!(self.peer.ask(turn, 212).number("offset"), from as u64);
        from
    }

    fn send(&mut self, line: &str, path: &str, data: Vec<u8>, from: usize) {
        let stop = from + self.random.below((data.len() - from) as u64 + 1) as usize;
        match self.any_ending() {
            Ending::Complete => {
                self.peer.fill(&data[from..], &data);
                self.model.publish(path, data);
            }
            Ending::Aborted => {
                self.peer.frames(&data[from..stop]);
                self.peer.tail(Tail::Abort);
                self.peer.expect(550);
                let kept = self.kept(path, stop);
                self.model.keep_part(path, data, kept);
            }
            Ending::WrongDigest => {
                self.peer.frames(&data[from..]);
                self.peer.tail(Tail::End);
                self.peer
                    .ask(&format!("225 md5={}", md5(b"something else")), 550);
                self.model.drop_part(path);
            }
            Ending::LineLost => {
                self.peer.frames(&data[from..stop]);
                self.return_from_lost_line(line, path, stop);
                let kept = self.kept(path, stop);
                self.model.keep_part(path, data, kept);
            }
        }
    }

    /// Bytes of the part that was left of `have`: all, or none where they may not have fitted
    /// beside the file that was to be replaced.
    fn kept(&mut self, path: &str, have: usize) -> usize {
        if self.model.file(path).is_none() {
            return have;
        }
        let name = format!("/{}/{path}", self.folder);
        match self.peer.list("STAGES").contains_key(&name) {
            true => have,
            false => 0,
        }
    }

    /// All that was sent before the line broke must be there.
    fn return_from_lost_line(&mut self, line: &str, path: &str, have: usize) {
        let lost = std::mem::replace(&mut self.peer, self.daemon.login(self.user));
        lost.hang_up();
        self.peer.ask(&format!("CWD {}", self.folder), 250);
        let offer = self.peer.store_again(line);
        match offer.code {
            210 => {
                assert_eq!(offer.number("have"), have as u64, "{line}");
                self.peer.send("410");
            }
            150 => {
                let may_not_fit = self.model.file(path).is_some();
                assert!(have == 0 || may_not_fit, "{line}: the part is lost");
                self.peer.tail(Tail::Abort);
                self.peer.expect(550);
            }
            // Others have taken the room meanwhile.
            551 => {}
            _ => panic!("{line}: {}", offer.line),
        }
    }

    fn download(&mut self) {
        let path = self.any_path();
        match self.model.file(&path) {
            Some(data) => assert!(self.peer.get(&path) == *data, "{path} holds something else"),
            None => {
                let code = if self.model.has_dir(&path) { 551 } else { 404 };
                self.peer.ask(&format!("RETR {path}"), code);
            }
        }
    }

    fn remove(&mut self) {
        let path = self.any_path();
        let code = self.model.remove(&path);
        self.peer.ask(&format!("DELE {path}"), code);
    }

    fn make_dir(&mut self) {
        let path = self.any_dir();
        let code = self.model.make_dir(&path);
        self.peer.ask(&format!("MKD {path}"), code);
    }

    fn rename(&mut self) {
        let (from, to) = match self.random.below(4) {
            0 => (self.any_dir(), self.any_dir()),
            _ => (self.any_leaf(), self.any_leaf()),
        };
        let (first, second) = self.model.rename(&from, &to);
        self.peer.ask(&format!("RNFR {from}"), first);
        if let Some(code) = second {
            self.peer.ask(&format!("351 {to}"), code);
        }
    }

    fn list(&mut self) {
        let path = self.any_dir();
        if !self.model.exists(&path) {
            self.peer.ask(&format!("LIST {path}"), 404);
            return;
        }
        let listed = self.peer.list(&format!("LIST {path}"));
        let names = listed.into_keys().collect();
        assert_eq!(self.model.listed(&path), names, "in {path}");
    }

    fn facts(&mut self) {
        let path = self.any_leaf();
        let Some(data) = self.model.file(&path) else {
            self.peer.ask(&format!("STAT {path}"), 404);
            return;
        };
        let facts = self.peer.ask(&format!("STAT {path}"), 213);
        assert_eq!(facts.number("size"), data.len() as u64);
        let hash = self.peer.ask(&format!("HASH algo=md5 {path}"), 213);
        assert_eq!(hash.token("md5"), md5(data), "{path}");
    }

    fn ask(&mut self, line: &str) -> Answer {
        self.peer.send(line);
        self.peer.reply()
    }

    fn any_ending(&mut self) -> Ending {
        match self.random.below(10) {
            0..6 => Ending::Complete,
            6..8 => Ending::Aborted,
            8 => Ending::WrongDigest,
            _ => Ending::LineLost,
        }
    }

    /// The same file as its part is of, where one is there, every second time.
    fn data_for(&mut self, path: &str) -> Vec<u8> {
        match self.model.part(path) {
            Some(part) if self.random.below(2) == 0 => part.whole.clone(),
            _ => {
                let length = self.random.below(LONGEST) as usize;
                noise(self.random.next(), length)
            }
        }
    }

    fn any_path(&mut self) -> String {
        match self.random.below(6) {
            0 => self.any_dir(),
            _ => self.any_leaf(),
        }
    }

    fn any_dir(&mut self) -> String {
        format!("d{}", self.random.below(2))
    }

    fn any_leaf(&mut self) -> String {
        let leaf = ["a", "b", "c"][self.random.below(3) as usize];
        match self.random.below(2) {
            0 => leaf.to_owned(),
            _ => format!("{}/{leaf}", self.any_dir()),
        }
    }
}
