//! What a transfer may do without asking: resume, replace.

use skiff_sessions::client::Decision;

/// Whether the person is asked before a part is gone on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resume {
    Ask,
    Always,
}

/// Whether a file at the server is replaced when the person is not asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overwrite {
    Ask,
    Always,
}

/// What is decided without the person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UploadPolicy {
    pub resume: Resume,
    pub overwrite: Overwrite,
}

pub(crate) fn to_decision(yes: bool) -> Decision {
    if yes { Decision::Yes } else { Decision::No }
}
