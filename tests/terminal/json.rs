//! Results for programs: every line of `--json` is what the schema in the repository says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::desk::{Desk, Ran};
use crate::harness::{Daemon, noise};

/// A value as RFC 8259 has it; numbers are whole here.
#[derive(Clone, PartialEq, Debug)]
enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Value {
    #[track_caller]
    fn parse(text: &str) -> Self {
        let mut reader = Reader { rest: text };
        let value = reader.value();
        assert_eq!(reader.rest.trim(), "", "{text}");
        value
    }

    #[track_caller]
    fn at(&self, key: &str) -> &Self {
        self.get(key)
            .unwrap_or_else(|| panic!("no {key} in {self:?}"))
    }

    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(key),
            _ => None,
        }
    }

    #[track_caller]
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            other => panic!("{other:?}"),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn takes(&mut self, mark: &str) -> bool {
        self.rest = self.rest.trim_start();
        let behind = self.rest.strip_prefix(mark);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    #[track_caller]
    fn value(&mut self) -> Value {
        if self.takes("{") {
            let mut fields = BTreeMap::new();
            while !self.takes("}") {
                assert!(self.takes("\""), "{}", self.rest);
                let key = self.string();
                assert!(self.takes(":"), "{}", self.rest);
                assert_eq!(fields.insert(key, self.value()), None, "{}", self.rest);
                self.takes(",");
            }
            return Value::Object(fields);
        }
        if self.takes("[") {
            let mut list = Vec::new();
            while !self.takes("]") {
                list.push(self.value());
                self.takes(",");
            }
            return Value::List(list);
        }
        if self.takes("\"") {
            return Value::Text(self.string());
        }
        for (word, value) in [("true", true), ("false", false)] {
            if self.takes(word) {
                return Value::Flag(value);
            }
        }
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        Value::Number(number.parse().unwrap_or_else(|_| panic!("{number}{rest}")))
    }

    /// What stands before the closing quote.
    #[track_caller]
    fn string(&mut self) -> String {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next().unwrap() {
                '"' => break,
                '\\' => match chars.next().unwrap() {
                    'n' => text.push('\n'),
                    'u' => {
                        let hex: String = chars.by_ref().take(4).collect();
                        let code = u32::from_str_radix(&hex, 16).unwrap();
                        text.push(char::from_u32(code).unwrap());
                    }
                    c => {
                        assert!("\"\\".contains(c), "\\{c}");
                        text.push(c);
                    }
                },
                c => {
                    assert!(!c.is_control(), "{c:?} in a line");
                    text.push(c);
                }
            }
        }
        self.rest = chars.as_str();
        text
    }
}

/// The kinds of lines by the schema in the repository.
fn kinds() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/results.schema.json");
    let schema = Value::parse(&fs::read_to_string(path).unwrap());
    schema.at("oneOf").list().to_vec()
}

/// Holds a line against the schema, and returns it.
#[track_caller]
fn checked(line: &str) -> Value {
    let object = Value::parse(line);
    let kind = object.at("type");
    let kinds = kinds();
    let is_it = |known: &&Value| known.at("properties").at("type").at("const") == kind;
    let known = kinds.iter().find(is_it).unwrap_or_else(|| panic!("{line}"));
    for required in known.at("required").list() {
        object.at(required.text());
    }
    let Value::Object(fields) = &object else {
        panic!("{line}");
    };
    for (key, value) in fields {
        let wanted = known.at("properties").at(key);
        if let Some(words) = wanted.get("enum") {
            assert!(words.list().contains(value), "{key}: {line}");
        } else if let Some(form) = wanted.get("type") {
            let fits = match form.text() {
                "string" => matches!(value, Value::Text(_)),
                "integer" => matches!(value, Value::Number(_)),
                _ => false,
            };
            assert!(fits, "{key}: {line}");
        }
    }
    object
}

#[track_caller]
fn lines(ran: &Ran) -> Vec<Value> {
    ran.complained.lines().for_each(|line| {
        assert_eq!(checked(line).at("type").text(), "note", "{line}");
    });
    ran.said.lines().map(checked).collect()
}

fn types(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line.at("type").text()).collect()
}

#[test]
fn every_line_of_every_command_is_in_the_schema() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    fs::create_dir_all(desk.path("tree/sub")).unwrap();
    for n in 0..3 {
        desk.write(&format!("tree/sub/{n}"), &noise(n, 5000));
    }
    desk.write("file", b"content");
    let commands = "put file; put -r tree; ls -l; ls . tree; ls file; stat file tree; find; du; hash file; \
                    hash -s file; df; status; stages; pwd; cd tree; cd; mkdir d; mv file d; delete d/file; \
                    chmod 600 tree/sub/0; touch tree/sub/0; get -r tree back; get -r tree back; \
                    get tree/sub/1 one; get tree/sub/1 one; lpwd; ldir; system; help get; \
                    sync tree :synced; sync -n --delete :synced back; rm -rf tree; \
                    -get none; -frob; -mkdir; -ls -x; -cd ..; reconnect; close";
    let ran = desk.batch(daemon.address(), &["--json", "-c", commands], "");
    let lines = lines(&ran);
    assert_eq!(ran.code, 0, "{} {}", ran.said, ran.complained);
    let mut seen = types(&lines);
    seen.sort_unstable();
    seen.dedup();
    let wanted = [
        "action", "digest", "entry", "error", "reply", "status", "sum", "text", "transfer", "tree",
        "usage",
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn values_are_the_facts() {
    let daemon = Daemon::demo();
    let mut peer = daemon.login("tom");
    peer.put("mtime=20260102030405 ", "a b", b"content");
    let desk = Desk::new();
    let run = |commands: &str| {
        let ran = desk.batch(daemon.address(), &["--json", "-c", commands], "");
        (ran.code, lines(&ran))
    };
    let (_, listed) = run("ls");
    let text = |key: &str| listed[0].at(key).text();
    assert_eq!(
        (text("name"), text("kind"), text("modified"), text("mode")),
        ("a b", "file", "2026-01-02T03:04:05Z", "600")
    );
    assert_eq!(listed[0].at("size"), &Value::Number(7));
    let (_, got) = run("get 'a b' here; get 'a b' here");
    let results: Vec<_> = got.iter().map(|line| line.at("result").text()).collect();
    assert_eq!(results, ["transferred", "unchanged"]);
    let (code, failed) = run("get none");
    assert_eq!(code, 1);
    assert_eq!(types(&failed), ["error"]);
    assert_eq!(failed[0].at("code"), &Value::Number(404));
    let (_, usage) = run("df");
    assert_eq!(usage[0].at("used"), &Value::Number(7));
    assert_eq!(usage[0].at("quota"), &Value::Number(800_000_000));
}

/// A name is itself in an object, and its bytes stand beside it where it is not UTF-8.
#[test]
fn names_that_are_not_utf8_are_whole() {
    use std::os::unix::ffi::OsStrExt;
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let name = std::ffi::OsStr::from_bytes(b"n\"\\\x1b\xff");
    fs::write(desk.path(".").join(name), b"1").unwrap();
    let server = format!("tom@{}:", daemon.address());
    let words = ["--json", "put", &server, "--"].map(std::ffi::OsString::from);
    let ran = desk.give(
        &words
            .into_iter()
            .chain([name.to_owned()])
            .collect::<Vec<_>>(),
    );
    let sent = lines(&ran);
    assert_eq!(sent[0].at("name").text(), "n\"\\\u{1b}\u{fffd}");
    assert_eq!(sent[0].at("name_hex").text(), "6e225c1bff");
    let ran = desk.give(&["--json", "ls", &server]);
    assert_eq!(lines(&ran)[0].at("name_hex").text(), "6e225c1bff");
    let ran = desk.give(&["--json", "ls", "-l", &server]);
    assert_eq!(types(&lines(&ran)), ["entry"]);
}

#[test]
fn hosts_and_errors_before_the_login_are_objects_too() {
    let desk = Desk::new();
    desk.write(
        "c.ron",
        b"(hosts: {\"nas\": (server: \"files.example\", user: \"tom\")})",
    );
    let ran = desk.run(&["--json", "--config", "c.ron", "hosts"], "");
    let host = &lines(&ran)[0];
    assert_eq!(host.at("server").text(), "files.example:8001");
    let ran = desk.run(&["--json", "--config", "none.ron", "hosts"], "");
    assert_eq!(ran.code, 2);
    let told = lines(&ran);
    assert!(
        told[0].at("message").text().contains("none.ron"),
        "{told:?}"
    );
}
