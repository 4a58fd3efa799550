//! Tells what a tree transfer does at its target, one line an action, in the order of the walk.

use std::fmt;
use std::path::Path;

use skiff_sessions::path::PathArg;

use super::rule::{Execution, TreeRule};
use crate::terminal::format::escape_name;
use crate::terminal::output::print_record;
use crate::terminal::records::{ACTION, Record};

/// Something that is done at the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    MakeDirectory,
    Put,
    Get,
    Link,
    Delete,
}

/// Whether an action that was told is done as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Proceed {
    Does,
    OnlyTells,
}

impl Action {
    /// The command that would do it.
    fn verb(self) -> &'static str {
        match self {
            Self::MakeDirectory => "mkdir",
            Self::Put => "put",
            Self::Get => "get",
            Self::Link => "ln",
            Self::Delete => "delete",
        }
    }

    /// Tells the action where the rule says so, and whether it is done.
    pub(super) fn tell(self, rule: &TreeRule, target: &(impl Target + ?Sized)) -> Proceed {
        let name = target.bytes();
        match rule.execution {
            Execution::Silent => {}
            Execution::Told | Execution::OnlyTold => print_record(
                || {
                    Record::new(&ACTION)
                        .text("action", self.verb())
                        .name("path", name)
                },
                || Line(self, name),
            ),
        }
        match rule.execution {
            Execution::Silent | Execution::Told => Proceed::Does,
            Execution::OnlyTold => Proceed::OnlyTells,
        }
    }
}

/// A path at the target, here or at the server.
pub(super) trait Target {
    fn bytes(&self) -> &[u8];
}

impl Target for Path {
    fn bytes(&self) -> &[u8] {
        std::os::unix::ffi::OsStrExt::as_bytes(self.as_os_str())
    }
}

impl Target for PathArg {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

struct Line<'a>(Action, &'a [u8]);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.verb(), escape_name(self.1))
    }
}
