//! Defines the forms of listings and the facts in them, for whichever file writes them.

/// The form of a listing's entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Facts and an escaped name (PROTOCOL.md section 6).
    Native,
    /// Facts and a bare name (RFC 3659 section 7).
    Machine(FactSet),
    /// As `ls -l` writes, for people and for the many programs that parse it.
    Long,
    /// One name on each line.
    Names,
}

impl Form {
    /// Whether the last name of a path may be a pattern.
    pub fn allows_patterns(self) -> bool {
        matches!(self, Self::Long | Self::Names)
    }
}

/// What options of `ls` ask of a listing for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    pub key: SortKey,
    pub direction: Direction,
    pub depth: Depth,
}

/// What entries are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortKey {
    /// Nothing: the order of the file system.
    Unsorted,
    /// The bytes of the name.
    Name,
    /// `-t`: the latest first.
    Modified,
    /// `-S`: the largest first.
    Size,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    /// `-r`
    Backward,
}

/// Whether directories below are listed too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    One,
    /// `-R`, which is not done.
    All,
}

impl Options {
    /// Without options: sorted by name.
    pub const NONE: Self = Self {
        key: SortKey::Name,
        direction: Direction::Forward,
        depth: Depth::One,
    };

    pub const UNSORTED: Self = Self {
        key: SortKey::Unsorted,
        ..Self::NONE
    };

    /// With one more option; letters without a meaning here change nothing, and the later of two
    /// keys counts.
    #[must_use]
    pub fn with(self, letter: u8) -> Self {
        match letter {
            b't' => Self {
                key: SortKey::Modified,
                ..self
            },
            b'S' => Self {
                key: SortKey::Size,
                ..self
            },
            b'r' => Self {
                direction: Direction::Backward,
                ..self
            },
            b'R' => Self {
                depth: Depth::All,
                ..self
            },
            _ => self,
        }
    }
}

/// A set of facts for machine listings, as bits of [`Fact`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FactSet(u8);

/// A fact of a machine listing (RFC 3659 section 7.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact {
    Type,
    Size,
    Modify,
    Perm,
    /// `UNIX.mode`.
    Mode,
}

impl Fact {
    /// All facts in the order in which listings write them.
    pub const ALL: [Self; 5] = [Self::Type, Self::Size, Self::Modify, Self::Perm, Self::Mode];

    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Size => "size",
            Self::Modify => "modify",
            Self::Perm => "perm",
            Self::Mode => "UNIX.mode",
        }
    }
}

impl FactSet {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(0b1_1111);

    #[must_use]
    pub fn with(self, fact: Fact) -> Self {
        Self(self.0 | 1 << fact as u8)
    }

    pub fn has(self, fact: Fact) -> bool {
        self.0 & 1 << fact as u8 != 0
    }
}
