//! Which crate may lean on which: the arrows of the house, read from the manifests.

use super::Complaint;

/// Package name and folder of each member that others could depend on.
const MEMBERS: [(&str, &str); 7] = [
    ("skiff-conf", "conf"),
    ("skiff-quota", "quota"),
    ("skiff-vfs", "vfs"),
    ("skiff-sessions", "sessions"),
    ("skiffd", "reactor"),
    ("skiff", "client"),
    ("skiff-tests", "tests"),
];

/// The arrows; `tests` and `fuzz` look at everything and are not asked.
const ALLOWED: [(&str, &str); 6] = [
    ("client", "sessions"),
    ("client", "conf"),
    ("reactor", "sessions"),
    ("reactor", "vfs"),
    ("reactor", "conf"),
    ("vfs", "quota"),
];

/// Complaints about one member's `Cargo.toml`, whose first path component is the member.
pub(super) fn manifest(file: &str, text: &str) -> Vec<Complaint> {
    let Some((from, "Cargo.toml")) = file.split_once('/') else {
        return Vec::new();
    };
    if ["tests", "fuzz"].contains(&from) {
        return Vec::new();
    }
    dependencies(text)
        .filter_map(|(line, name)| Some((line, folder_of(name)?)))
        .filter(|(_, to)| !ALLOWED.contains(&(from, to)))
        .map(|(line, to)| Complaint {
            file: file.to_owned(),
            line,
            rule: format!("no arrow leads from {from} to {to}"),
        })
        .collect()
}

/// Line and name of everything depended on, for building, for running and for tests.
fn dependencies(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut section = "";
    text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            let own = section.rsplit_once("dependencies.").map(|(_, name)| name);
            return own.map(|name| (index + 1, name));
        }
        let key = line.split(['=', '.', ' ']).next().unwrap_or_default();
        (section.ends_with("dependencies") && !key.is_empty()).then_some((index + 1, key))
    })
}

fn folder_of(package: &str) -> Option<&'static str> {
    let package = package.trim_matches('"');
    MEMBERS
        .iter()
        .find(|(name, _)| *name == package)
        .map(|(_, folder)| *folder)
}

#[cfg(test)]
mod tests {
    use super::manifest;

    fn complaints(file: &str, text: &str) -> Vec<String> {
        manifest(file, text)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn arrows_that_are_drawn_are_fine() {
        let text =
            "[dependencies]\nskiff-sessions.workspace = true\nskiff-conf = { path = \"x\" }\n";
        assert!(complaints("client/Cargo.toml", text).is_empty());
        assert!(
            complaints(
                "vfs/Cargo.toml",
                "[dependencies]\nskiff-quota.workspace = true\n"
            )
            .is_empty()
        );
        assert!(
            complaints(
                "tests/Cargo.toml",
                "[dependencies]\nskiffd.workspace = true\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn arrows_that_are_not_drawn_are_told() {
        let told = complaints(
            "reactor/Cargo.toml",
            "[dependencies]\nskiff-quota.workspace = true\n",
        );
        assert_eq!(
            told,
            ["reactor/Cargo.toml:2: no arrow leads from reactor to quota"]
        );
        let told = complaints(
            "vfs/Cargo.toml",
            "[dependencies]\nlog = \"1\"\nskiff-sessions = { path = \"..\" }\n",
        );
        assert_eq!(
            told,
            ["vfs/Cargo.toml:3: no arrow leads from vfs to sessions"]
        );
    }

    #[test]
    fn every_way_to_write_a_dependency_is_seen() {
        for text in [
            "[dev-dependencies]\nskiffd.workspace = true\n",
            "[dependencies.skiffd]\npath = \"../reactor\"\n",
            "[target.'cfg(unix)'.dependencies]\n\"skiffd\" = \"1\"\n",
            "[build-dependencies]\nskiffd=\"1\"\n",
        ] {
            assert_eq!(complaints("client/Cargo.toml", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_name_in_another_section_is_no_arrow() {
        assert!(
            complaints(
                "client/Cargo.toml",
                "[package]\nname = \"skiffd\"\nskiffd = 1\n"
            )
            .is_empty()
        );
    }
}
