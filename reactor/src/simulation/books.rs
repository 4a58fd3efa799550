//! What each home may hold: the peers' books of what they were told, against which the disk is held.

use std::collections::BTreeMap;

/// Bytes that nobody else has: `len` bytes that follow from `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) id: u64,
    pub(super) len: usize,
}

impl Piece {
    /// The bytes from `from` on that fit into `buffer`.
    pub(super) fn fill(self, from: usize, buffer: &mut [u8]) {
        for (at, byte) in (from..).zip(buffer) {
            let mixed = (self.id ^ (at as u64 / 8).wrapping_mul(0x9E37_79B9_7F4A_7C15))
                .wrapping_mul(0xD6E8_FEB8_6659_FD93);
            *byte = (mixed ^ (mixed >> 32)).to_le_bytes()[at % 8];
        }
    }

    pub(super) fn bytes(self, from: usize, to: usize) -> Vec<u8> {
        let mut bytes = vec![0; to - from];
        self.fill(from, &mut bytes);
        bytes
    }
}

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Absent,
    Directory,
    File(Vec<Piece>),
}

impl Value {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::File(pieces) => pieces.iter().map(|piece| piece.len).sum(),
            Self::Absent | Self::Directory => 0,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::File(pieces) => pieces
                .iter()
                .flat_map(|piece| piece.bytes(0, piece.len))
                .collect(),
            Self::Absent | Self::Directory => Vec::new(),
        }
    }

    fn is(&self, found: Option<&Found>) -> bool {
        match (self, found) {
            (Self::Absent, None) | (Self::Directory, Some(Found::Directory)) => true,
            (Self::File(_), Some(Found::File(bytes))) => {
                bytes.len() == self.len() && *bytes == self.bytes()
            }
            _ => false,
        }
    }
}

/// What the disk has under a name.
#[derive(Debug)]
pub(super) enum Found {
    Directory,
    File(Vec<u8>),
}

/// The books of one home.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Names that one peer alone uses, as far as it knows what they lead to.
    settled: BTreeMap<String, Value>,
    /// What nobody was told the end of.
    open: Vec<Open>,
    /// Names that many peers use, and all that may be there.
    shared: BTreeMap<String, Vec<Value>>,
    /// What was last begun to be sent to a name that had no file, and did not get there.
    pub(super) interrupted: BTreeMap<String, Piece>,
    /// All that was begun to be sent to the home and may be there.
    begun: Vec<Vec<Piece>>,
}

/// An operation that may have happened or not.
#[derive(Debug)]
struct Open {
    names: Vec<String>,
    /// Each has a value for each name.
    alternatives: Vec<Vec<Value>>,
}

impl Books {
    /// What a name leads to; `None` while that is not known.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        let is_open = self
            .open
            .iter()
            .any(|open| open.names.iter().any(|other| other == name));
        match is_open {
            true => None,
            false => Some(self.settled.get(name).cloned().unwrap_or(Value::Absent)),
        }
    }

    pub(super) fn settle(&mut self, names: &[String], values: Vec<Value>) {
        self.open
            .retain(|open| !open.names.iter().any(|name| names.contains(name)));
        for (name, value) in names.iter().zip(values) {
            match value {
                Value::Absent => self.settled.remove(name),
                value => self.settled.insert(name.clone(), value),
            };
        }
    }

    /// Notes that one of the alternatives holds, or one that was possible before.
    pub(super) fn leave_open(&mut self, names: &[String], alternatives: Vec<Vec<Value>>) {
        let mut all = alternatives;
        let (touched, rest) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|open: &Open| open.names.iter().any(|name| names.contains(name)));
        self.open = rest;
        for open in touched {
            assert_eq!(open.names, names, "an operation on what is not known");
            all.extend(open.alternatives);
        }
        self.open.push(Open {
            names: names.to_vec(),
            alternatives: all,
        });
    }

    pub(super) fn begin(&mut self, pieces: Vec<Piece>) {
        self.begun.push(pieces);
    }

    /// Notes that a name which many use may have this value from now on.
    pub(super) fn allow_shared(&mut self, name: &str, value: Value) {
        let absent = || vec![Value::Absent];
        let values = self.shared.entry(name.to_owned()).or_insert_with(absent);
        values.push(value);
    }

    pub(super) fn is_allowed_shared(&self, name: &str, bytes: &[u8]) -> bool {
        let values = self.shared.get(name);
        let is_it = |value: &Value| value.len() == bytes.len() && value.bytes() == bytes;
        values.is_some_and(|values| values.iter().any(is_it))
    }

    pub(super) fn is_known(&self, name: &str) -> bool {
        self.settled.contains_key(name)
            || self.shared.contains_key(name)
            || self
                .open
                .iter()
                .any(|open| open.names.iter().any(|other| other == name))
    }

    /// The names that begin with `prefix` and are known to be there.
    pub(super) fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.settled.keys().map(String::as_str);
        names.filter(move |name| name.starts_with(prefix))
    }

    /// Whether `bytes` are the beginning of something that was sent to the home.
    pub(super) fn is_prefix(&self, bytes: &[u8]) -> bool {
        self.begun.iter().any(|pieces| {
            let value = Value::File(pieces.clone());
            value.len() >= bytes.len() && value.bytes().starts_with(bytes)
        })
    }

    /// Holds what was found in the home against the books, and takes it over where they leave
    /// something open.
    pub(super) fn check(&mut self, found: &BTreeMap<String, Found>) -> Result<(), String> {
        for open in std::mem::take(&mut self.open) {
            let holds = |values: &Vec<Value>| {
                let mut both = open.names.iter().zip(values);
                both.all(|(name, value)| value.is(found.get(name)))
            };
            let Some(values) = open.alternatives.iter().find(|values| holds(values)) else {
                return Err(format!(
                    "{:?}: none of {} alternatives: {}",
                    open.names,
                    open.alternatives.len(),
                    open.names
                        .iter()
                        .map(|name| describe(found.get(name)))
                        .collect::<Vec<_>>()
                        .join(", ")
                ) + &format!(" instead of {:?}", open.alternatives));
            };
            self.settle(&open.names, values.clone());
        }
        for (name, value) in &self.settled {
            if !value.is(found.get(name)) {
                let what = describe(found.get(name));
                return Err(format!("{name}: {what} instead of {value:?}"));
            }
        }
        for (name, values) in &mut self.shared {
            let held = values.iter().find(|value| value.is(found.get(name)));
            let Some(held) = held.cloned() else {
                let what = describe(found.get(name));
                return Err(format!("{name}: {what}, which nobody has sent"));
            };
            *values = vec![held];
        }
        match found.keys().find(|name| !self.is_known(name)) {
            Some(name) => Err(format!(
                "{name}: {} that nobody has made",
                describe(found.get(name))
            )),
            None => Ok(()),
        }
    }

    /// Forgets what was begun, once no stage can have it.
    pub(super) fn forget_begun(&mut self) {
        self.begun.clear();
    }
}

fn describe(found: Option<&Found>) -> String {
    match found {
        None => "nothing".to_owned(),
        Some(Found::Directory) => "a directory".to_owned(),
        Some(Found::File(bytes)) => {
            let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
            format!("{} bytes, the last {zeros} of them zeros", bytes.len())
        }
    }
}
