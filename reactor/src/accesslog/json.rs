//! The lines of the log in JSON, one object each; `conf/log.schema.json` describes them.

use std::io::{self, Write};

use super::client::{Client, TlsVersion};
use super::format::{Seconds, Space, escape};
use super::notice::{Notice, Value};
use super::record::Record;

/// An object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    scratch: Vec<u8>,
}

impl<'a> Object<'a> {
    /// Begins with the time, written as the text log has it.
    pub(super) fn begin(out: &'a mut Vec<u8>, time: &[u8], kind: &str) -> Self {
        out.extend(b"{\"time\":\"");
        out.extend(time);
        out.extend(b"\",\"kind\":\"");
        out.extend(kind.as_bytes());
        out.push(b'"');
        Self {
            out,
            scratch: Vec::new(),
        }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) {
        self.out.extend(b",\"");
        self.out.extend(key.as_bytes());
        self.out.extend(b"\":");
    }

    /// What is no text is escaped as the text log does it: no byte is lost.
    pub(super) fn text(&mut self, key: &str, text: impl AsRef<[u8]>) {
        self.key(key);
        self.scratch.clear();
        escape(&mut self.scratch, text.as_ref(), Space::Keep);
        self.out.push(b'"');
        for &byte in &self.scratch {
            if matches!(byte, b'"' | b'\\') {
                self.out.push(b'\\');
            }
            self.out.push(byte);
        }
        self.out.push(b'"');
    }

    fn text_or_null(&mut self, key: &str, text: Option<impl AsRef<[u8]>>) {
        match text {
            Some(text) => self.text(key, text),
            None => self.null(key),
        }
    }

    fn null(&mut self, key: &str) {
        self.key(key);
        self.out.extend(b"null");
    }

    pub(super) fn number(&mut self, key: &str, number: impl std::fmt::Display) -> io::Result<()> {
        self.key(key);
        write!(self.out, "{number}")
    }

    fn client(&mut self, client: &Client) -> io::Result<()> {
        let address = client.peer.ip().to_canonical();
        self.number("session", client.session)?;
        self.text("address", address.to_string());
        self.number("port", client.peer.port())?;
        self.text("dialect", client.dialect.to_string());
        let tls = (client.tls != TlsVersion::Clear).then(|| client.tls.to_string());
        self.text_or_null("tls", tls);
        Ok(())
    }
}

pub(super) fn command(out: &mut Vec<u8>, time: &[u8], record: &Record<'_>) -> io::Result<()> {
    let mut object = Object::begin(out, time, "command");
    object.client(&record.client)?;
    object.text_or_null("user", record.user);
    object.text("verb", record.verb);
    object.number("code", record.code)?;
    match record.bytes {
        Some(bytes) => object.number("bytes", bytes)?,
        None => object.null("bytes"),
    }
    match record.elapsed {
        Some(elapsed) => object.number("seconds", Seconds(elapsed))?,
        None => object.null("seconds"),
    }
    let digest = record
        .digest
        .map(|sum| format!("{}={sum}", sum.algorithm().name()));
    object.text_or_null("digest", digest);
    object.text_or_null("path", record.path);
    object.text_or_null("to", record.to);
    object.end();
    Ok(())
}

pub(super) fn notice(out: &mut Vec<u8>, time: &[u8], notice: &Notice<'_>) -> io::Result<()> {
    let mut object = Object::begin(out, time, notice.kind());
    if let Some(client) = notice.client() {
        object.client(client)?;
    }
    for (key, value) in notice.fields() {
        match value {
            Value::Number(number) => object.number(key, number)?,
            Value::Word(word) => object.text(key, word),
            Value::Text(text) => object.text(key, text),
        }
    }
    object.end();
    Ok(())
}

#[cfg(test)]
#[path = "../../../tests/harness/json_schema.rs"]
mod json_schema;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::Value as Json;
    use skiff_conf::LogFormat;

    use super::*;
    use crate::accesslog::client::Dialect;
    use crate::accesslog::format::Stamp;
    use crate::accesslog::line::{Line, Prefix};
    use crate::accesslog::tests::{client, upload};

    const SCHEMA: &str = include_str!("../../../conf/log.schema.json");

    fn written(line: &Line<'_>, prefix: Prefix) -> String {
        let mut out = Vec::new();
        let at = UNIX_EPOCH + Duration::from_millis(1_793_880_000_045);
        let format = (LogFormat::Json, prefix);
        line.put(&mut out, format, &mut Stamp::default(), at);
        String::from_utf8(out).unwrap()
    }

    fn schema() -> Json {
        serde_json::from_str(SCHEMA).unwrap()
    }

    fn valid(line: &Line<'_>) -> Json {
        let text = written(line, Prefix::None);
        let value: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(json_schema::fault(&schema(), &value), None, "{text}");
        value
    }

    fn notices() -> Vec<Notice<'static>> {
        let bare = Client {
            dialect: Dialect::Native,
            tls: TlsVersion::Clear,
            ..client()
        };
        vec![
            Notice::Connected(bare),
            Notice::LoginFailed(client(), b"\"} \xff\n"),
            Notice::LoginNeedsTls(client(), b"tom"),
            Notice::HandshakeFailed(bare, "the \"cause\""),
            Notice::NotLetIn {
                client: bare,
                cause: "banned",
                more: 5,
            },
            Notice::Banned {
                address: "2001:db8::/64",
                user: None,
                seconds: 600,
                cause: "why",
            },
            Notice::Banned {
                address: "192.0.2.7",
                user: Some(b"tom"),
                seconds: 600,
                cause: "why",
            },
        ]
    }

    #[test]
    fn every_kind_of_line_is_as_the_schema_says() {
        let mut kinds = BTreeSet::new();
        let least = Record {
            user: None,
            path: None,
            bytes: None,
            elapsed: None,
            digest: None,
            ..upload()
        };
        let renamed = Record {
            to: Some(b"/\xff\"\\\n"),
            ..upload()
        };
        let (target, text) = ("skiffd", "a \"b\"\n\x1b");
        let notices = notices();
        let mut lines = vec![
            Line::Command(&least),
            Line::Command(&renamed),
            Line::Lost(3),
        ];
        lines.extend(notices.iter().map(Line::Notice));
        let level = log::Level::Warn;
        lines.push(Line::Message {
            level,
            target,
            text,
        });
        for line in &lines {
            kinds.insert(valid(line)["kind"].as_str().unwrap().to_owned());
        }
        let schema = schema();
        let known = schema["oneOf"].as_array().unwrap().iter();
        let known = known
            .map(|one| one["title"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds, known, "each kind has a sample here");
        let record = valid(&Line::Command(&renamed));
        assert_eq!(record["to"], r#"/\xff"\\\x0a"#);
        assert_eq!(record["seconds"], 2.5);
        assert_eq!(record["address"], "192.0.2.7");
    }

    #[test]
    fn what_is_not_as_the_schema_says_is_told() {
        for wrong in [
            r#"{"kind":"connected"}"#,
            r#"{"time":"2026-11-05T12:00:00.045Z","kind":"lines-lost","lines":-1}"#,
            r#"{"time":"2026-11-05T12:00:00.045Z","kind":"lines-lost","lines":1,"more":1}"#,
            r#"{"time":"2026-11-05T12:00:00.045Z","kind":"other","lines":1}"#,
        ] {
            let value = serde_json::from_str(wrong).unwrap();
            assert!(json_schema::fault(&schema(), &value).is_some(), "{wrong}");
        }
    }

    #[test]
    fn readers_are_told_how_important_a_line_is() {
        let level = log::Level::Error;
        let message = Line::Message {
            level,
            target: "skiffd",
            text: "x",
        };
        let failed = Notice::LoginFailed(client(), b"tom");
        let pid = std::process::id();
        for (line, journal, syslog) in [
            (&message, 3, 27),
            (&Line::Notice(&failed), 5, 93),
            (&Line::Command(&upload()), 6, 94),
        ] {
            let told = written(line, Prefix::Journal);
            assert!(told.starts_with(&format!("<{journal}>{{")), "{told}");
            let told = written(line, Prefix::Syslog);
            let head = format!("<{syslog}>skiffd[{pid}]: {{");
            assert!(told.starts_with(&head), "{told}");
        }
    }
}
