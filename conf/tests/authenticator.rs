//! Complaints about the `authenticator` section of `server.ron`.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;

use skiff_conf::Server;

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (keys, said) in [
        (
            "run: []",
            "3:25: authenticator.run: no program; write its path and its arguments, as \
             [\"/usr/local/bin/who\"]",
        ),
        (
            "deadline: \"5s\"",
            "3:3: authenticator: the key \"run\" is missing; add it",
        ),
        (
            "run: [\"/who\"], deadline: \"1min\"",
            "3:44: authenticator.deadline: it may be 100ms to 20s",
        ),
        (
            "run: [\"/who\"], cache: \"1d\"",
            "3:44: authenticator.cache: it may be Never, or 1ms to 1h",
        ),
        (
            "run: [\"/who\"], at_most: 0",
            "3:43: authenticator.at_most: it may be 1 to 64",
        ),
        (
            "run: [\"/who\"], atmost: 1",
            "3:34: unknown key \"atmost\" in authenticator; did you mean \"at_most\"?",
        ),
    ] {
        let text = format!("(\n\n  authenticator: ({keys}),\n)\n");
        let complaint = Server::parse(&text, Path::new("server.ron")).unwrap_err();
        assert_eq!(complaint.to_string(), format!("server.ron:{said}"));
    }
}
