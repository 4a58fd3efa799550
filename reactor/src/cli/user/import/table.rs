//! Reads users from tables with named columns: CSV (RFC 4180), and JSON.

use serde_json::{Deserializer, Map, Value};
use skiff_conf::{Account, UserName, is_text_key, unknown_key};
use zeroize::Zeroizing;

use super::row::{Found, Row, WrongLine};
use crate::accounts::json_account;

/// The columns besides the keys of accounts.
const OWN_COLUMNS: [&str; 3] = ["name", "password", "hash"];

/// The columns of a user that have been read.
struct Columns {
    name: Option<String>,
    password: Option<Zeroizing<String>>,
    hash: Option<Zeroizing<String>>,
    account: Account,
}

impl Columns {
    fn new() -> Self {
        Self {
            name: None,
            password: None,
            hash: None,
            account: Account::proven_elsewhere(),
        }
    }

    /// Takes a column; an empty one says nothing.
    fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        let secret = || Some(Zeroizing::new(text.to_owned()));
        match (key, text.trim()) {
            (_, "") => {}
            ("name", name) => self.name = Some(name.to_owned()),
            ("password", _) => self.password = secret(),
            ("hash", _) => self.hash = secret(),
            (key, text) => self.account.set_text(key, text)?,
        }
        Ok(())
    }

    fn row(self, line: usize) -> Result<Row, String> {
        let name = self
            .name
            .ok_or("name: it is missing; each user needs one")?;
        let name: UserName = name.parse().map_err(|why| format!("name: {why}"))?;
        let mut account = self.account;
        match (&self.password, &self.hash) {
            (Some(_), None) => {}
            (None, Some(hash)) => {
                let hash = hash.trim().parse().map_err(|why| format!("hash: {why}"))?;
                account.hash = Some(hash);
            }
            (None, None) => {
                return Err(format!("{name} has no password; give a password or a hash"));
            }
            (Some(_), Some(_)) => {
                return Err(format!(
                    "{name} has a password and a hash; give one of them"
                ));
            }
        }
        Ok(Row {
            line,
            name,
            account,
            password: self.password,
        })
    }
}

fn check_column(key: &str) -> Result<(), String> {
    match OWN_COLUMNS.contains(&key) || is_text_key(key) {
        true => Ok(()),
        false => Err(unknown_key(key, &OWN_COLUMNS)),
    }
}

/// Reads a table whose first line names the columns. Some programs write semicolons.
pub(super) fn read_csv(text: &str) -> Found {
    let mut found = Found::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let head = text.lines().next().unwrap_or_default();
    let separator = match head.contains(',') {
        false if head.contains(';') => ';',
        _ => ',',
    };
    let mut records = Records {
        rest: text,
        line: 1,
        separator,
    };
    let Some((line, head)) = records.next() else {
        let what = "the file is empty; its first line names the columns: name,password,quota";
        found.wrong.push(WrongLine::new(1, what));
        return found;
    };
    let head = match head.and_then(read_head) {
        Ok(head) => head,
        Err(what) => {
            found.wrong.push(WrongLine { line, what });
            return found;
        }
    };
    for (line, record) in records {
        found.take(
            line,
            record.and_then(|fields| csv_row(line, &head, &fields)),
        );
    }
    found
}

fn read_head(fields: Vec<Zeroizing<String>>) -> Result<Vec<String>, String> {
    let head: Vec<String> = fields
        .iter()
        .map(|field| field.trim().to_lowercase())
        .collect();
    for (at, key) in head.iter().enumerate() {
        check_column(key)?;
        if head[..at].contains(key) {
            return Err(format!("the column {key} stands twice; keep one of them"));
        }
    }
    match head.iter().any(|key| key == "name") {
        true => Ok(head),
        false => Err("the first line names the columns, and name is not there".to_owned()),
    }
}

fn csv_row(
    line: usize,
    head: &[String],
    fields: &[Zeroizing<String>],
) -> Result<Option<Row>, String> {
    if let [only] = fields
        && only.trim().is_empty()
    {
        return Ok(None);
    }
    if fields.len() != head.len() {
        return Err(format!(
            "there are {} fields, and the first line names {}; a field with a comma stands in quotes",
            fields.len(),
            head.len()
        ));
    }
    let mut columns = Columns::new();
    for (key, field) in head.iter().zip(fields) {
        columns.set(key, field)?;
    }
    columns.row(line).map(Some)
}

/// The records of a table with their lines. A field in quotes may hold separators, line ends, and
/// quotes twice.
struct Records<'a> {
    rest: &'a str,
    line: usize,
    separator: char,
}

impl Iterator for Records<'_> {
    type Item = (usize, Result<Vec<Zeroizing<String>>, String>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            let (field, end) = match self.rest.strip_prefix('"') {
                Some(quoted) => match self.quoted(quoted) {
                    Ok(field) => field,
                    Err(why) => {
                        self.rest = "";
                        return Some((line, Err(why)));
                    }
                },
                None => self.plain(),
            };
            fields.push(field);
            if end == End::Record {
                return Some((line, Ok(fields)));
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Field,
    Record,
}

impl<'a> Records<'a> {
    fn plain(&mut self) -> (Zeroizing<String>, End) {
        let separator = self.separator;
        let stop = |c: char| c == separator || c == '\n';
        let length = self.rest.find(stop).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(length);
        let field = field.strip_suffix('\r').unwrap_or(field);
        self.rest = rest;
        (Zeroizing::new(field.to_owned()), self.end())
    }

    /// Reads a field whose opening quote is before `rest`.
    fn quoted(&mut self, mut rest: &'a str) -> Result<(Zeroizing<String>, End), String> {
        let mut field = Zeroizing::new(String::with_capacity(rest.len().min(1024)));
        loop {
            let Some(quote) = rest.find('"') else {
                return Err("the quote of a field that begins here is not closed".to_owned());
            };
            field.push_str(&rest[..quote]);
            rest = &rest[quote + 1..];
            match rest.strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        let (field_text, _) = self.rest.split_at(self.rest.len() - rest.len());
        self.line += field_text.matches('\n').count();
        let after = rest.strip_prefix('\r').unwrap_or(rest);
        let is_end = after.is_empty() || after.starts_with(['\n', self.separator]);
        match is_end {
            true => {
                self.rest = after;
                Ok((field, self.end()))
            }
            false => Err("after the closing quote of a field its end must follow".to_owned()),
        }
    }

    /// Steps over what ends a field.
    fn end(&mut self) -> End {
        let mut chars = self.rest.chars();
        let end = match chars.next() {
            Some('\n') => {
                self.line += 1;
                End::Record
            }
            Some(_) => End::Field,
            None => End::Record,
        };
        self.rest = chars.as_str();
        end
    }
}

/// Reads a list of objects, or objects one after the other (JSON lines).
pub(super) fn read_json(text: &str) -> Found {
    let mut found = Found::default();
    let mut at = skip_space(text, 0);
    let is_list = text[at..].starts_with('[');
    if is_list {
        at = skip_space(text, at + 1);
    }
    while at < text.len() && !(is_list && text[at..].starts_with(']')) {
        let line = 1 + text[..at].matches('\n').count();
        let mut objects = Deserializer::from_str(&text[at..]).into_iter::<Map<String, Value>>();
        match objects.next() {
            Some(Ok(object)) => {
                found.take(line, json_row(line, &object).map(Some));
                at = skip_space(text, at + objects.byte_offset());
            }
            Some(Err(error)) => {
                let line = line + error.line().saturating_sub(1);
                let what = "this is no object of a user; write them as [{\"name\": \"tom\", \
                            \"password\": \"..\"}, ..]";
                found.wrong.push(WrongLine::new(line, what));
                return found;
            }
            None => break,
        }
        if is_list && text[at..].starts_with(',') {
            at = skip_space(text, at + 1);
        } else if is_list && !text[at..].starts_with(']') {
            let line = 1 + text[..at].matches('\n').count();
            let what = "after a user in the list a comma or ] must follow";
            found.wrong.push(WrongLine::new(line, what));
            return found;
        }
    }
    found
}

fn skip_space(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start().len()
}

fn json_row(line: usize, object: &Map<String, Value>) -> Result<Row, String> {
    let mut columns = Columns::new();
    for (key, value) in object {
        match OWN_COLUMNS.contains(&key.as_str()) {
            true => {
                let text = json_account::text_of(key, value)?.map(Zeroizing::new);
                columns.set(key, text.as_deref().map_or("", String::as_str))?;
            }
            false => json_account::set(&mut columns.account, key, value, &OWN_COLUMNS)?,
        }
    }
    columns.row(line)
}
