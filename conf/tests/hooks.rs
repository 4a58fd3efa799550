//! The list `on` of `server.ron`: what it means, and complaints about it.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;
use std::time::Duration;

use skiff_conf::{Complaint, HookEvent, Server};

fn parse(list: &str) -> Result<Server, Complaint> {
    Server::parse(
        &format!("(\n\n  on: [{list}],\n)\n"),
        Path::new("server.ron"),
    )
}

#[test]
fn a_hook_is_for_everybody_or_for_whom_it_names() {
    let server = parse(
        "(event: Upload, run: [\"/bin/a\", \"b\"]), \
         (event: Login, run: [\"/bin/a\"], deadline: \"10min\", users: [\"tom\"], \
          groups: [\"cameras\"])",
    );
    let hooks = server.unwrap().on;
    assert_eq!(hooks[0].event, HookEvent::Upload);
    assert_eq!(hooks[0].run.arguments, ["b"]);
    assert_eq!(hooks[0].deadline, Duration::from_secs(60));
    let cameras = "cameras".parse().unwrap();
    assert!(hooks[0].is_for("anna", None));
    assert!(hooks[1].is_for("tom", None));
    assert!(hooks[1].is_for("door", Some(&cameras)));
    assert!(!hooks[1].is_for("anna", None));
    assert!(!hooks[1].is_for("cameras", Some(&"tom".parse().unwrap())));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let one = "(event: Upload, run: [\"/bin/a\"])";
    let many = vec![one; 17].join(", ");
    for (list, said) in [
        (
            "(event: Upload, run: [])",
            "on.run: no program; write its path and its arguments",
        ),
        (
            "(event: Upload, run: [\"curl\"])",
            "on.run: \"curl\" is no absolute path; write it from the root on",
        ),
        ("(event: Uploads, run: [\"/bin/a\"])", "\"Uploads\""),
        (
            "(event: Upload, run: [\"/bin/a\"], deadline: \"1h\")",
            "on.deadline: it may be 1s to 10min",
        ),
        ("(event: Upload)", "the key \"run\" is missing; add it"),
        (
            "(event: Upload, run: [\"/bin/a\"], user: [\"tom\"])",
            "unknown key \"user\" in on; did you mean \"users\"?",
        ),
        (
            &format!("{one}, {one}"),
            "/bin/a stands twice for Upload with the same arguments",
        ),
        (&many, "there may be 16 hooks"),
    ] {
        let complaint = parse(list).unwrap_err().to_string();
        assert!(complaint.starts_with("server.ron:3:"), "{complaint}");
        assert!(complaint.contains(said), "{complaint}");
    }
}
