//! Says what a transfer may do without asking the user: resume a part, replace a file.

use skiff_sessions::client::Decision;

/// Whether a part is resumed without asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resume {
    Ask,
    Always,
}

/// Whether a file at the server is replaced without asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overwrite {
    Ask,
    Always,
}

/// What an upload may do without asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UploadPolicy {
    pub resume: Resume,
    pub overwrite: Overwrite,
}

/// Converts an answer to the type that dialogues take.
pub(crate) fn to_decision(yes: bool) -> Decision {
    if yes { Decision::Yes } else { Decision::No }
}
