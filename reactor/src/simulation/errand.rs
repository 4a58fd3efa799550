//! [`Errand`]: one thing that a peer does in a home, whatever its dialect, and what is known after it.

use skiff_vfs::simulated::Random;

use super::books::{Books, Piece, Value};
use super::scene::Scene;

/// Files of each peer in the home itself, and in each of its directories.
const FILES: usize = 4;
const FILES_BELOW: usize = 2;
const DIRECTORIES: usize = 2;
/// Names that all peers of a home use.
const SHARED: usize = 3;

pub(super) struct Errand {
    pub(super) what: What,
    /// The codes of its replies but the marks and the intermediate ones before the last.
    pub(super) told: Vec<u16>,
    pub(super) is_aborted: bool,
    /// The server has said that it takes or sends the bytes.
    pub(super) has_begun: bool,
    /// The peer found out that there is nothing to be done.
    pub(super) is_given_up: bool,
    /// The names that it changes, and what they lead to before and after.
    names: Vec<String>,
    before: Vec<Value>,
    after: Vec<Value>,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Store { name: String, piece: Piece },
    Resume { name: String, piece: Piece },
    Append { name: String, piece: Piece },
    Fetch { name: String },
    List { folder: String },
    Delete { name: String },
    Rename { from: String, to: String },
    MakeDirectory { name: String },
    RemoveDirectory { name: String },
    Small(&'static str),
    Nothing,
}

/// How an errand ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    Yes,
    No,
    Unknown,
}

impl Errand {
    fn new(what: What, names: Vec<String>, before: Vec<Value>, after: Vec<Value>) -> Self {
        Self {
            what,
            told: Vec::new(),
            is_aborted: false,
            has_begun: false,
            is_given_up: false,
            names,
            before,
            after,
        }
    }

    /// One that changes nothing.
    pub(super) fn plain() -> Self {
        Self::new(What::Nothing, Vec::new(), Vec::new(), Vec::new())
    }

    fn reading(what: What) -> Self {
        Self::new(what, Vec::new(), Vec::new(), Vec::new())
    }

    /// Whether there is nothing to be done.
    pub(super) fn is_unseen(&self) -> bool {
        matches!(self.what, What::Nothing)
    }

    /// An errand of the peer in `slot`.
    pub(super) fn random(
        slot: usize,
        random: &mut Random,
        books: &mut Books,
        next_id: &mut u64,
    ) -> Self {
        match random.below(20) {
            0..6 => Self::store(slot, random, books, next_id),
            6..8 => Self::resume(slot, random, books),
            8..10 => Self::append(slot, random, books, next_id),
            10..13 => Self::fetch(slot, random, books),
            13 => Self::list(slot, random, books),
            14 => Self::delete(slot, random, books),
            15 | 16 => Self::rename(slot, random, books),
            17 => Self::directory(slot, random, books),
            18 => {
                let words = ["NOOP", "PWD", "STAT", "SYST", "FEAT", "CWD ."];
                Self::reading(What::Small(words[random.below(words.len())]))
            }
            _ => Self::store_shared(random, books, next_id),
        }
    }

    fn store(slot: usize, random: &mut Random, books: &mut Books, next_id: &mut u64) -> Self {
        let Some((name, old)) = own_file(slot, random, books) else {
            return Self::plain();
        };
        let piece = new_piece(random, next_id);
        books.begin(vec![piece]);
        books.interrupted.remove(&name);
        let (names, before, after) = (vec![name.clone()], vec![old], vec![file(piece)]);
        Self::new(What::Store { name, piece }, names, before, after)
    }

    fn store_shared(random: &mut Random, books: &mut Books, next_id: &mut u64) -> Self {
        let (name, piece) = (
            format!("x{}", random.below(SHARED)),
            new_piece(random, next_id),
        );
        books.begin(vec![piece]);
        books.allow_shared(&name, file(piece));
        Self::reading(What::Store { name, piece })
    }

    fn resume(slot: usize, random: &mut Random, books: &mut Books) -> Self {
        let own = format!("s{slot}-");
        let open = books.interrupted.iter();
        let open: Vec<_> = open.filter(|(name, _)| name.starts_with(&own)).collect();
        if open.is_empty() {
            return Self::plain();
        }
        let (name, piece) = open[random.below(open.len())];
        let (name, piece) = (name.clone(), *piece);
        books.begin(vec![piece]);
        let (names, before, after) = (vec![name.clone()], vec![Value::Absent], vec![file(piece)]);
        Self::new(What::Resume { name, piece }, names, before, after)
    }

    fn append(slot: usize, random: &mut Random, books: &mut Books, next_id: &mut u64) -> Self {
        match own_file(slot, random, books) {
            Some((name, Value::File(mut pieces))) if pieces.len() < 5 => {
                let (piece, old) = (new_piece(random, next_id), Value::File(pieces.clone()));
                books.interrupted.remove(&name);
                pieces.push(piece);
                let (names, after) = (vec![name.clone()], vec![Value::File(pieces)]);
                Self::new(What::Append { name, piece }, names, vec![old], after)
            }
            _ => Self::plain(),
        }
    }

    fn fetch(slot: usize, random: &mut Random, books: &Books) -> Self {
        if random.one_in(4) {
            let name = format!("x{}", random.below(SHARED));
            return Self::reading(What::Fetch { name });
        }
        match own_file(slot, random, books) {
            Some((name, Value::File(_))) => Self::reading(What::Fetch { name }),
            _ => Self::plain(),
        }
    }

    fn list(slot: usize, random: &mut Random, books: &Books) -> Self {
        let folder = format!("s{slot}-d{}", random.below(DIRECTORIES));
        let folder = match books.value(&folder) {
            Some(Value::Directory) if !random.one_in(3) => folder,
            _ => String::new(),
        };
        Self::reading(What::List { folder })
    }

    fn delete(slot: usize, random: &mut Random, books: &mut Books) -> Self {
        match own_file(slot, random, books) {
            Some((name, old @ Value::File(_))) => {
                books.interrupted.remove(&name);
                let names = vec![name.clone()];
                Self::new(What::Delete { name }, names, vec![old], vec![Value::Absent])
            }
            _ => Self::plain(),
        }
    }

    fn rename(slot: usize, random: &mut Random, books: &mut Books) -> Self {
        let (from, to) = (own_file(slot, random, books), own_file(slot, random, books));
        match (from, to) {
            (Some((from, old @ Value::File(_))), Some((to, Value::Absent))) => {
                books.interrupted.remove(&from);
                books.interrupted.remove(&to);
                let names = vec![from.clone(), to.clone()];
                let after = vec![Value::Absent, old.clone()];
                let before = vec![old, Value::Absent];
                Self::new(What::Rename { from, to }, names, before, after)
            }
            _ => Self::plain(),
        }
    }

    /// Makes, removes or renames a directory.
    fn directory(slot: usize, random: &mut Random, books: &mut Books) -> Self {
        let number = random.below(DIRECTORIES);
        let name = format!("s{slot}-d{number}");
        let below: Vec<_> = (0..FILES_BELOW).map(|n| format!("{name}/f{n}")).collect();
        let inside: Option<Vec<_>> = below.iter().map(|name| books.value(name)).collect();
        let (Some(is), Some(inside)) = (books.value(&name), inside) else {
            return Self::plain();
        };
        let is_empty = inside.iter().all(|value| *value == Value::Absent);
        let names = vec![name.clone()];
        match is {
            Value::Absent => {
                let (before, after) = (vec![Value::Absent], vec![Value::Directory]);
                Self::new(What::MakeDirectory { name }, names, before, after)
            }
            _ if is_empty && random.one_in(2) => {
                books.interrupted.retain(|other, _| !below.contains(other));
                let (before, after) = (vec![Value::Directory], vec![Value::Absent]);
                Self::new(What::RemoveDirectory { name }, names, before, after)
            }
            _ => {
                let to = format!("s{slot}-d{}", 1 - number);
                if books.value(&to) != Some(Value::Absent) {
                    return Self::plain();
                }
                let moved: Vec<_> = (0..FILES_BELOW).map(|n| format!("{to}/f{n}")).collect();
                if moved
                    .iter()
                    .any(|name| books.value(name) != Some(Value::Absent))
                {
                    return Self::plain();
                }
                let touched = |other: &String| below.contains(other) || moved.contains(other);
                books.interrupted.retain(|other, _| !touched(other));
                let none = vec![Value::Absent; inside.len()];
                let names = [vec![name.clone(), to.clone()], below, moved].concat();
                let (here, gone) = (Value::Directory, Value::Absent);
                let before = [
                    vec![here.clone(), gone.clone()],
                    inside.clone(),
                    none.clone(),
                ]
                .concat();
                let after = [vec![gone, here], none, inside].concat();
                Self::new(What::Rename { from: name, to }, names, before, after)
            }
        }
    }

    /// The same upload again, of what did not get there.
    pub(super) fn again(name: String, piece: Piece, books: &mut Books) -> Self {
        books.begin(vec![piece]);
        let (names, after) = (vec![name.clone()], vec![file(piece)]);
        // What was there before is in the books.
        let before = match books.value(&name) {
            Some(value) => vec![value],
            None => after.clone(),
        };
        Self::new(What::Store { name, piece }, names, before, after)
    }

    /// Whether it changes what `name` leads to.
    pub(super) fn touches(&self, name: &str) -> bool {
        self.names.iter().any(|other| other == name)
    }

    /// How it ended, if its connections were lost before everything was sent.
    pub(super) fn when_lost(&self) -> Done {
        match self.what {
            What::Store { .. } | What::Resume { .. } | What::Append { .. } => Done::No,
            _ => Done::Unknown,
        }
    }

    /// Notes how it ended by what the server told.
    pub(super) fn finish(self, scene: &mut Scene<'_>) -> Result<(), String> {
        let first = if self.is_aborted {
            self.told.first()
        } else {
            self.told.last()
        };
        let done = match first {
            Some(200..=299) => Done::Yes,
            _ if scene.faults && !self.told.is_empty() => Done::Unknown,
            _ => Done::No,
        };
        if self.is_given_up || self.is_unseen() {
            return Ok(());
        }
        scene.count(&self, done);
        self.note(done, scene.books);
        Ok(())
    }

    pub(super) fn note(self, done: Done, books: &mut Books) {
        if self.names.is_empty() {
            return;
        }
        if let What::Store { name, piece } | What::Resume { name, piece } = &self.what
            && done != Done::Yes
            && self.has_begun
            && self.before == [Value::Absent]
        {
            books.interrupted.insert(name.clone(), *piece);
        }
        match (done, &self.what) {
            (Done::Yes, What::Resume { name, .. } | What::Store { name, .. }) => {
                books.interrupted.remove(name);
                books.settle(&self.names, self.after);
            }
            (Done::Yes, _) => books.settle(&self.names, self.after),
            (Done::No, _) => {}
            // A power cut on btrfs may leave a file both names.
            (Done::Unknown, What::Rename { .. }) if self.names.len() == 2 => {
                let both = vec![self.before[0].clone(), self.before[0].clone()];
                books.leave_open(&self.names, vec![self.before, self.after, both]);
            }
            (Done::Unknown, _) => books.leave_open(&self.names, vec![self.before, self.after]),
        }
    }
}

fn file(piece: Piece) -> Value {
    Value::File(vec![piece])
}

/// A file of the peer's own, if its directory is there and it is known what the name leads to.
fn own_file(slot: usize, random: &mut Random, books: &Books) -> Option<(String, Value)> {
    let number = random.below(FILES + DIRECTORIES * FILES_BELOW);
    let name = match number.checked_sub(FILES) {
        None => format!("s{slot}-f{number}"),
        Some(below) => {
            let folder = format!("s{slot}-d{}", below / FILES_BELOW);
            if books.value(&folder) != Some(Value::Directory) {
                return None;
            }
            format!("{folder}/f{}", below % FILES_BELOW)
        }
    };
    let value = books.value(&name)?;
    Some((name, value))
}

fn new_piece(random: &mut Random, next_id: &mut u64) -> Piece {
    *next_id += 1;
    let len = match random.below(40) {
        0 => 0,
        1..12 => random.below(100),
        12..26 => random.below(4096),
        26..39 => random.below(64 << 10),
        _ => (1 << 20) + random.below(1 << 20),
    };
    Piece { id: *next_id, len }
}
