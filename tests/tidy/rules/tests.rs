//! Each rule meets a text that breaks it, and one that only looks as if it did.

use super::{MARKERS, OWN_FOLDERS, source, text};

fn told(file: &str, code: &str) -> Vec<String> {
    source(file, code).iter().map(ToString::to_string).collect()
}

/// A function of `lines` lines, its signature and closing brace included.
fn function(lines: usize) -> String {
    format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
}

#[test]
fn a_file_says_what_room_it_is() {
    assert_eq!(
        told("a.rs", "use x;\n"),
        ["a.rs:1: a file begins with `//!`: what room is this?"]
    );
    assert!(told("a.rs", "//! A room.\n").is_empty());
}

#[test]
fn functions_end_at_seventy_lines() {
    assert!(told("a.rs", &format!("//! A.\n{}", function(70))).is_empty());
    let long = format!("//! A.\n\n{}", function(71));
    assert_eq!(
        told("a.rs", &long),
        ["a.rs:3: a function of 71 lines, 70 at most"]
    );
}

#[test]
fn functions_in_functions_and_in_tests_are_counted_too() {
    let nested = format!("//! A.\nimpl X {{\n{}}}\n", function(71));
    assert_eq!(told("a.rs", &nested).len(), 1);
    let tests = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n", function(71));
    assert_eq!(told("a.rs", &tests).len(), 1);
}

#[test]
fn braces_in_words_and_bodiless_functions_do_not_mislead() {
    let strings = format!(
        "//! A.\nfn f() {{ g(\"{{\"); }} // {{\n{}",
        "use x;\n".repeat(100)
    );
    assert!(told("a.rs", &strings).is_empty());
    let bodiless = format!("//! A.\ntrait T {{ fn f(x: [u8; 4]); }}\n{}", function(70));
    assert!(told("a.rs", &bodiless).is_empty());
    let pointer = format!(
        "//! A.\nstruct S {{\n    call: fn(u8) -> u8,\n}}\n{}",
        function(70)
    );
    assert!(told("a.rs", &pointer).is_empty());
}

#[test]
fn files_end_at_six_hundred_lines_without_their_tests() {
    let body = format!("//! A.\n{}", "use x;\n".repeat(599));
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "use y;\n".repeat(200));
    assert!(told("a.rs", &format!("{body}{tests}")).is_empty());
    let allowed = tests.replace("mod tests", "#[allow(dead_code)]\nmod tests");
    assert!(told("a.rs", &format!("{body}{allowed}")).is_empty());
    let long = told("a.rs", &format!("{body}use z;\n{tests}"));
    assert_eq!(long, ["a.rs:601: 601 lines without tests, 600 at most"]);
}

#[test]
fn nothing_is_unsafe() {
    let word = concat!("un", "safe");
    let bad = format!("//! A.\nfn f() {{\n    {word} {{ g() }}\n}}\n");
    assert_eq!(told("vfs/src/a.rs", &bad).len(), 1);
    assert!(told("vfs/src/a.rs", bad.as_str())[0].starts_with("vfs/src/a.rs:3: "));
    let fine = format!("//! A.\n#![forbid({word}_code)]\n// {word}\nconst S: &str = \"{word}\";\n");
    assert!(told("vfs/src/a.rs", &fine).is_empty());
}

#[test]
fn sessions_has_no_clock_but_its_tests_may_make_an_instant() {
    for word in ["Instant::now", "SystemTime::now"] {
        let bad = format!("//! A.\nfn f() {{ {word}(); }}\n");
        assert_eq!(told("sessions/src/server/a.rs", &bad).len(), 1, "{word}");
        assert!(told("reactor/src/a.rs", &bad).is_empty());
        assert!(told("sessions/src/server/tests.rs", &bad).is_empty());
        let test = format!("//! A.\n#[cfg(test)]\nmod tests {{\n    fn f() {{ {word}(); }}\n}}\n");
        assert!(told("sessions/src/server/a.rs", &test).is_empty());
    }
}

#[test]
fn sessions_has_no_sockets_and_no_files() {
    for word in ["std::net", "std::fs"] {
        let bad = format!("//! A.\nuse {word}::X;\n");
        assert_eq!(told("sessions/src/a.rs", &bad).len(), 1, "{word}");
        assert!(told("vfs/src/a.rs", &bad).is_empty());
    }
}

#[test]
fn the_wire_does_not_know_who_talks() {
    for word in ["crate::server", "crate::client"] {
        let bad = format!("//! A.\nuse {word}::State;\n");
        assert_eq!(told("sessions/src/wire/native.rs", &bad).len(), 1, "{word}");
        assert_eq!(told("sessions/src/wire.rs", &bad).len(), 1, "{word}");
        assert!(told("sessions/src/lib.rs", &bad).is_empty());
    }
}

#[test]
fn states_do_not_ask_for_the_dialect() {
    let bad = "//! A.\nfn f(d: Dialect) {}\n";
    assert_eq!(told("sessions/src/server/a.rs", bad).len(), 1);
    assert!(told("sessions/src/wire/a.rs", bad).is_empty());
    assert!(told("sessions/src/server/a.rs", "//! A.\nstruct Dialects;\n").is_empty());
}

#[test]
fn work_that_is_not_done_is_told_in_any_text() {
    for mark in MARKERS {
        let complaints = text("README.md", &format!("fine\nhere: {mark} later\n"));
        assert_eq!(complaints.len(), 1, "{mark}");
        assert!(
            complaints[0].to_string().starts_with("README.md:2: "),
            "{mark}"
        );
        assert!(text("a.md", &format!("x{mark}\n")).is_empty(), "{mark}");
    }
}

#[test]
fn paths_of_one_machine_are_told() {
    for folder in OWN_FOLDERS {
        assert_eq!(
            text("a.toml", &format!("path = \"{folder}tom/x\"\n")).len(),
            1,
            "{folder}"
        );
        assert!(
            text("a.toml", &format!("path = \"sub{folder}tom\"\n")).is_empty(),
            "{folder}"
        );
    }
}
