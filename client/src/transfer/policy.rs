//! Says what a transfer may do without asking the user: resume a part, replace a file.

use skiff_sessions::client::Decision;

/// Whether a part is resumed without asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resume {
    Ask,
    Always,
}

/// Whether another file at the target is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overwrite {
    /// If the user says so; not where nobody can be asked.
    Ask,
    Always,
    Never,
}

/// What a transfer may do without asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TransferPolicy {
    pub resume: Resume,
    pub overwrite: Overwrite,
}

/// Converts an answer to the type that dialogues take.
pub(crate) fn to_decision(yes: bool) -> Decision {
    if yes { Decision::Yes } else { Decision::No }
}
