//! Examples of SITE lines, and what they mean.

use super::{modified, path};
use crate::path::LinkTarget;
use crate::wire::command::Command;
use crate::wire::stamp::Stamp;

pub(super) fn sites() -> Vec<(&'static str, Command)> {
    let mode = |mode| Command::SetMode {
        path: path("a b"),
        mode,
    };
    let minute = Command::SetModified {
        path: path("a"),
        modified: Stamp(1_767_323_040),
    };
    vec![
        ("SITE HELP", Command::Help(Some("SITE".into()))),
        ("SITE HELP UTIME", Command::Help(Some("SITE UTIME".into()))),
        ("SITE QUOTA", Command::Usage),
        ("SITE STAGES", Command::StagesInReply),
        ("SITE UTIME 20260102030405 a", modified("a")),
        ("SITE UTIME 202601020304 a", minute),
        (
            "SITE UTIME a b 20200101000000 20260102030405 20200101000000 UTC",
            modified("a b"),
        ),
        ("SITE CHMOD 640 a b", mode(0o640)),
        ("site chmod 0755 a b", mode(0o755)),
        (
            "SITE SYMLINK ../x a b",
            Command::MakeLink {
                path: path("a b"),
                target: LinkTarget::new("../x").unwrap(),
            },
        ),
    ]
}
