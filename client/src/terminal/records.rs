//! Results as JSON, one object a line (`--json`): a table of their kinds, from which the schema in
//! the repository is made, and the builder that keeps to it.

use skiff_sessions::wire::reply::{Facts, Kind};
use skiff_sessions::wire::stamp::Stamp;

use super::format::unescape_name;

/// A kind of result.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct RecordKind {
    /// The value of `type`.
    pub name: &'static str,
    pub help: &'static str,
    pub fields: &'static [Field],
}

/// A field of a kind.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub form: Form,
    pub presence: Presence,
    pub help: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Text,
    /// A name or a path, whose bytes need not be UTF-8: then a field `.._hex` beside it has them.
    Name,
    Number,
    /// One of these.
    Word(&'static [&'static str]),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presence {
    Always,
    Sometimes,
}

const fn always(name: &'static str, form: Form, help: &'static str) -> Field {
    Field {
        name,
        form,
        presence: Presence::Always,
        help,
    }
}

const fn sometimes(name: &'static str, form: Form, help: &'static str) -> Field {
    Field {
        name,
        form,
        presence: Presence::Sometimes,
        help,
    }
}

const KINDS_OF_ENTRY: Form = Form::Word(&["file", "directory", "link", "other"]);
const ACTIONS: Form = Form::Word(&["mkdir", "put", "get", "ln", "delete"]);
const RESULTS: Form = Form::Word(&["transferred", "replaced", "unchanged", "left"]);

/// An entry of `ls`, `ldir`, `find`, `stat` and `stages`.
pub(crate) const ENTRY: RecordKind = RecordKind {
    name: "entry",
    help: "a name of ls, ldir, find, stat or stages",
    fields: &[
        always("name", Form::Name, "the name, or the path as it was given"),
        sometimes(
            "directory",
            Form::Name,
            "what was listed, where it was named",
        ),
        always("kind", KINDS_OF_ENTRY, "what has the name"),
        always("size", Form::Number, "bytes"),
        sometimes("modified", Form::Text, "the time in UTC, as in RFC 3339"),
        sometimes("mode", Form::Text, "permissions in octal"),
    ],
};

/// What became of one file of `get` and `put`.
pub(crate) const TRANSFER: RecordKind = RecordKind {
    name: "transfer",
    help: "what became of a file of get or put",
    fields: &[
        always("name", Form::Name, "the file where it went to"),
        always(
            "result",
            RESULTS,
            "left: another file has the name, and stays",
        ),
        always("bytes", Form::Number, "bytes that went over the connection"),
        always("text", Form::Text, "the same for people"),
    ],
};

/// What `sync` does, or with `-n` would do, at its target.
pub(crate) const ACTION: RecordKind = RecordKind {
    name: "action",
    help: "what sync does, or with -n would do",
    fields: &[
        always("action", ACTIONS, "the command that does it"),
        always("path", Form::Name, "the path at the target"),
    ],
};

/// The sum of a tree of `get -r`, `put -r` and `sync`.
pub(crate) const TREE: RecordKind = RecordKind {
    name: "tree",
    help: "the sum of get -r, put -r or sync",
    fields: &[
        always("name", Form::Name, "the directory as it was given"),
        always("transferred", Form::Number, "files that were transferred"),
        always("bytes", Form::Number, "bytes that went over the connection"),
        always(
            "replaced",
            Form::Number,
            "transferred files that replaced others",
        ),
        always("unchanged", Form::Number, "files that both ends had"),
        always("left", Form::Number, "files that differ and stay"),
        always("links", Form::Number, "links that were made"),
        always("skipped", Form::Number, "links that were not followed"),
        always(
            "deleted",
            Form::Number,
            "files and directories that sync --delete deleted",
        ),
        always(
            "kept_in_part",
            Form::Number,
            "files under way at an early end of which the server keeps a part",
        ),
        always(
            "not_stored",
            Form::Number,
            "files under way then that are not stored",
        ),
        always(
            "unknown",
            Form::Number,
            "files under way then of which that is not known",
        ),
        always("failed", Form::Number, "files and directories that failed"),
    ],
};

/// What `hash` says.
pub(crate) const DIGEST: RecordKind = RecordKind {
    name: "digest",
    help: "what hash says",
    fields: &[
        always("name", Form::Name, "the file as it was given"),
        always("size", Form::Number, "bytes"),
        always("algorithm", Form::Text, "md5 or sha256"),
        always("digest", Form::Text, "hexadecimal"),
    ],
};

/// What `df` says.
pub(crate) const USAGE: RecordKind = RecordKind {
    name: "usage",
    help: "what df says; without used the server is counting",
    fields: USAGE_FIELDS,
};

const USAGE_FIELDS: &[Field] = &[
    sometimes(
        "quota",
        Form::Number,
        "bytes; absent where there is no limit",
    ),
    sometimes(
        "used",
        Form::Number,
        "bytes of files and unfinished uploads",
    ),
    sometimes(
        "staged",
        Form::Number,
        "bytes of them in unfinished uploads",
    ),
    sometimes("reserved", Form::Number, "bytes for uploads under way"),
    sometimes("free", Form::Number, "bytes that a new upload would get"),
    sometimes("entries", Form::Number, "files, directories and links"),
    sometimes("entries_limit", Form::Number, "how many there may be"),
];

/// What `status` says.
pub(crate) const STATUS: RecordKind = RecordKind {
    name: "status",
    help: "what status says; a usage follows",
    fields: &[
        always("user", Form::Name, "who is logged in"),
        always("server", Form::Text, "host and port"),
        always("directory", Form::Name, "the directory at the server"),
        always("server_version", Form::Text, "the server's program"),
        always("client_version", Form::Text, "this program"),
    ],
};

/// What `du` says.
pub(crate) const SUM: RecordKind = RecordKind {
    name: "sum",
    help: "what du says",
    fields: &[
        always("name", Form::Name, "the path as it was given"),
        always("bytes", Form::Number, "the sum of all files below"),
    ],
};

/// A reply of the server.
pub(crate) const REPLY: RecordKind = RecordKind {
    name: "reply",
    help: "a reply of the server, as to mkdir, rename, delete, pwd",
    fields: &[
        always("code", Form::Number, "as in PROTOCOL.md"),
        always("text", Form::Text, "its text, or a path"),
    ],
};

/// A host of the settings.
pub(crate) const HOST: RecordKind = RecordKind {
    name: "host",
    help: "a host of the settings",
    fields: &[
        always("name", Form::Text, "what it is called"),
        always("server", Form::Text, "host and port"),
        sometimes("user", Form::Text, "who logs in"),
        sometimes("directory", Form::Text, "where one begins there"),
    ],
};

/// A line that has no kind of its own.
pub(crate) const TEXT: RecordKind = RecordKind {
    name: "text",
    help: "a line for people",
    fields: &[always("text", Form::Text, "the line")],
};

/// Something that is neither a result nor an error; on standard error.
pub(crate) const NOTE: RecordKind = RecordKind {
    name: "note",
    help: "neither a result nor an error; on standard error",
    fields: &[always("text", Form::Text, "the line")],
};

/// What failed.
pub(crate) const ERROR: RecordKind = RecordKind {
    name: "error",
    help: "what failed",
    fields: &[
        always("message", Form::Text, "what and why"),
        sometimes(
            "code",
            Form::Number,
            "the server's reply, as in PROTOCOL.md",
        ),
        sometimes("place", Form::Text, "FILE:LINE of the script"),
    ],
};

/// Every kind.
pub(crate) const KINDS: &[RecordKind] = &[
    ENTRY, TRANSFER, ACTION, TREE, DIGEST, USAGE, STATUS, SUM, REPLY, HOST, TEXT, NOTE, ERROR,
];

/// An object under construction.
pub(crate) struct Record {
    kind: &'static RecordKind,
    json: String,
}

impl Record {
    pub(crate) fn new(kind: &'static RecordKind) -> Self {
        let mut json = String::from("{\"type\":");
        push_text(kind.name, &mut json);
        Self { kind, json }
    }

    /// Adds text.
    pub(crate) fn text(mut self, field: &str, text: &str) -> Self {
        self.begin(field);
        push_text(text, &mut self.json);
        self
    }

    /// Adds text where there is some.
    pub(crate) fn some_text(self, field: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(field, text),
            None => self,
        }
    }

    /// Adds a name or a path.
    pub(crate) fn name(self, field: &str, bytes: &[u8]) -> Self {
        let mut record = self.text(field, &String::from_utf8_lossy(bytes));
        if str::from_utf8(bytes).is_err() {
            record.json.push_str(&format!(",\"{field}_hex\":\""));
            for byte in bytes {
                record.json.push_str(&format!("{byte:02x}"));
            }
            record.json.push('"');
        }
        record
    }

    /// Adds a name that was escaped for the terminal, as it was before.
    pub(crate) fn shown_name(self, field: &str, shown: &str) -> Self {
        self.name(field, &unescape_name(shown))
    }

    pub(crate) fn number(mut self, field: &str, number: u64) -> Self {
        self.begin(field);
        self.json.push_str(&number.to_string());
        self
    }

    /// Adds a number where there is one.
    pub(crate) fn some_number(self, field: &str, number: Option<u64>) -> Self {
        match number {
            Some(number) => self.number(field, number),
            None => self,
        }
    }

    /// Adds what is known of an entry.
    pub(crate) fn facts(self, facts: &Facts) -> Self {
        let kind = match facts.kind {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Link => "link",
            Kind::Other => "other",
        };
        let mode = facts.mode.map(|mode| format!("{:03o}", mode & 0o7777));
        self.text("kind", kind)
            .number("size", facts.size)
            .some_text("modified", rfc3339(facts.modified).as_deref())
            .some_text("mode", mode.as_deref())
    }

    /// Returns the line.
    pub(crate) fn finish(mut self) -> String {
        let json = &self.json;
        debug_assert!(
            self.kind.fields.iter().all(|field| {
                field.presence == Presence::Sometimes
                    || json.contains(&format!("\"{}\":", field.name))
            }),
            "{json}"
        );
        self.json.push('}');
        self.json
    }

    fn begin(&mut self, field: &str) {
        debug_assert!(
            self.kind.fields.iter().any(|known| known.name == field),
            "{field} of {}",
            self.kind.name
        );
        self.json.push_str(&format!(",\"{field}\":"));
    }
}

/// Appends a string as RFC 8259 section 7 writes it.
fn push_text(text: &str, json: &mut String) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\n' => json.push_str("\\n"),
            // Line separators too: some take them for the end of a line.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                json.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

/// Returns a time such as `2026-01-02T03:04:05Z`; `None` for one with a year that has no four
/// digits.
fn rfc3339(stamp: Stamp) -> Option<String> {
    let digits = stamp.to_digits();
    let part = |from: usize, to: usize| digits.get(from..to);
    if digits.len() != 14 {
        return None;
    }
    Some(format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

/// Returns the JSON schema (draft 2020-12) of a line.
pub(crate) fn schema() -> String {
    let kinds: Vec<String> = KINDS.iter().map(schema_of).collect();
    format!(
        "{{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \
         \"title\": \"a line of skiff --json\",\n  \"oneOf\": [\n{}\n  ]\n}}\n",
        kinds.join(",\n")
    )
}

fn schema_of(kind: &RecordKind) -> String {
    let mut rows = vec![format!("\"type\": {{\"const\": \"{}\"}}", kind.name)];
    let mut required = vec!["\"type\"".to_owned()];
    for field in kind.fields {
        let form = match field.form {
            Form::Text | Form::Name => "\"type\": \"string\"".to_owned(),
            Form::Number => "\"type\": \"integer\", \"minimum\": 0".to_owned(),
            Form::Word(words) => format!("\"enum\": [\"{}\"]", words.join("\", \"")),
        };
        let mut help = String::new();
        push_text(field.help, &mut help);
        rows.push(format!(
            "\"{}\": {{{form}, \"description\": {help}}}",
            field.name
        ));
        if field.form == Form::Name {
            rows.push(format!(
                "\"{}_hex\": {{\"type\": \"string\", \"description\": \"its bytes, where they are not UTF-8\"}}",
                field.name
            ));
        }
        if field.presence == Presence::Always {
            required.push(format!("\"{}\"", field.name));
        }
    }
    let mut help = String::new();
    push_text(kind.help, &mut help);
    format!(
        "    {{\n      \"description\": {help},\n      \"type\": \"object\",\n      \"properties\": {{\n        \
         {}\n      }},\n      \"required\": [{}],\n      \"additionalProperties\": false\n    }}",
        rows.join(",\n        "),
        required.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_the_repository_is_the_tables() {
        let kept = include_str!("../../results.schema.json");
        assert!(
            kept == schema(),
            "run: skiff schema > client/results.schema.json"
        );
    }

    #[test]
    fn names_are_kept_whatever_bytes_they_have() {
        let line = Record::new(&SUM)
            .name("name", b"a\"\\\n\x1b\xff")
            .number("bytes", 7)
            .finish();
        assert_eq!(
            line,
            "{\"type\":\"sum\",\"name\":\"a\\\"\\\\\\n\\u001b\u{fffd}\",\
             \"name_hex\":\"61225c0a1bff\",\"bytes\":7}"
        );
    }

    #[test]
    fn times() {
        assert_eq!(rfc3339(Stamp(0)).as_deref(), Some("1970-01-01T00:00:00Z"));
    }
}
