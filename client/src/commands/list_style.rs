//! Decides how a listing is sorted and laid out: columns and colours at a terminal, one name a line
//! elsewhere, long lines with `-l`.

use std::io;

use skiff_sessions::wire::reply::{Facts, Kind};

use super::lexer::Word;
use super::local_time::Zone;
use super::spec::ParsedArgs;
use crate::terminal::columns::{columns, terminal_width};
use crate::terminal::format::{escape_name, format_entry, format_size};
use crate::terminal::output::{OutputFormat, format, print_line, print_object};
use crate::terminal::records::{ENTRY, Record};
use crate::terminal::redirect::is_screen;

/// The width of a terminal that does not tell its own.
const WIDTH: usize = 80;

/// The spaces between two columns.
const GAP: usize = 2;

/// An entry of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) facts: Facts,
}

/// How entries are shown; made once for a command.
pub(crate) struct ListStyle {
    layout: Layout,
    order: Order,
    is_reversed: bool,
    /// Names that begin with a dot too.
    shows_all: bool,
    has_round_sizes: bool,
    zone: Zone,
    colors: Option<Colors>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    Long,
    OneName(Reader),
    /// Columns for a terminal of this width.
    Columns(usize),
}

/// Who reads standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reader {
    Person,
    Script,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Name,
    Time,
    Size,
}

impl ListStyle {
    /// The style that the options of `ls` ask for, where output is what it is now.
    pub(crate) fn of(args: &ParsedArgs) -> Self {
        let is_terminal = is_screen();
        let layout = match is_terminal {
            _ if args.has_option('l') => Layout::Long,
            true if !args.has_option('1') => {
                Layout::Columns(terminal_width(io::stdout()).unwrap_or(WIDTH))
            }
            true => Layout::OneName(Reader::Person),
            false => Layout::OneName(Reader::Script),
        };
        Self {
            layout,
            order: match (args.has_option('t'), args.has_option('S')) {
                (_, true) => Order::Size,
                (true, false) => Order::Time,
                (false, false) => Order::Name,
            },
            is_reversed: args.has_option('r'),
            shows_all: args.has_option('a'),
            has_round_sizes: args.has_option('h'),
            zone: match args.has_option('u') {
                true => Zone::default(),
                false => Zone::of_user(),
            },
            colors: is_terminal.then(Colors::of_user).flatten(),
        }
    }

    /// True where a listing shows this name unasked.
    pub(crate) fn shows(&self, name: &[u8]) -> bool {
        self.shows_all || !name.starts_with(b".")
    }

    pub(crate) fn sort(&self, entries: &mut [Entry]) {
        entries.sort_unstable_by(|one, other| {
            let by_fact = match self.order {
                Order::Name => std::cmp::Ordering::Equal,
                Order::Time => other.facts.modified.cmp(&one.facts.modified),
                Order::Size => other.facts.size.cmp(&one.facts.size),
            };
            by_fact.then_with(|| one.name.cmp(&other.name))
        });
        if self.is_reversed {
            entries.reverse();
        }
    }

    /// Prints entries in the order they have; `of` is the directory that was named.
    pub(crate) fn print(&self, entries: &[Entry], of: Option<&Word>) {
        if format() == OutputFormat::Json {
            return entries.iter().for_each(|entry| self.print_alone(entry, of));
        }
        if let Layout::Columns(width) = self.layout {
            let cells: Vec<Cell> = entries.iter().map(|entry| self.cell(entry)).collect();
            for line in lay_out(&cells, width) {
                print_line(line);
            }
            return;
        }
        for entry in entries {
            self.print_alone(entry, of);
        }
    }

    /// Prints one entry before the others are known.
    pub(crate) fn print_alone(&self, entry: &Entry, of: Option<&Word>) {
        if format() == OutputFormat::Json {
            return print_object(|| {
                let record = Record::new(&ENTRY).name("name", &entry.name);
                let record = match of {
                    Some(word) => record.name("directory", word.as_bytes()),
                    None => record,
                };
                record.facts(&entry.facts)
            });
        }
        match self.layout {
            Layout::Long => print_line(self.long_line(entry)),
            // A script gets the name and nothing else.
            Layout::OneName(Reader::Script) => print_line(escape_name(&entry.name)),
            Layout::OneName(Reader::Person) | Layout::Columns(_) => {
                print_line(self.cell(entry).text);
            }
        }
    }

    fn long_line(&self, entry: &Entry) -> String {
        let facts = Facts {
            modified: self.zone.to_local(entry.facts.modified),
            ..entry.facts
        };
        let size = match self.has_round_sizes {
            true => format_size(facts.size),
            false => facts.size.to_string(),
        };
        let name = self.paint(entry, escape_name(&entry.name));
        format_entry(&format!("{name}{}", mark(facts.kind)), &facts, &size)
    }

    fn cell(&self, entry: &Entry) -> Cell {
        let (name, mark) = (escape_name(&entry.name), mark(entry.facts.kind));
        Cell {
            width: columns(&name) + mark.len(),
            text: format!("{}{mark}", self.paint(entry, name)),
        }
    }

    fn paint(&self, entry: &Entry, shown: String) -> String {
        let code = self.colors.as_ref().and_then(|colors| colors.of(entry));
        match code {
            Some(code) => format!("\x1b[{code}m{shown}\x1b[0m"),
            None => shown,
        }
    }
}

/// What stands behind a name at a terminal.
fn mark(kind: Kind) -> &'static str {
    match kind {
        Kind::Directory => "/",
        Kind::Link => "@",
        Kind::File | Kind::Other => "",
    }
}

/// A name as it is printed, and the columns that it takes.
struct Cell {
    text: String,
    width: usize,
}

/// Lays names out in as many columns as fit, filled from top to bottom.
fn lay_out(cells: &[Cell], width: usize) -> Vec<String> {
    let most = (width / (1 + GAP)).clamp(1, cells.len().max(1));
    let (rows, widths) = (1..=most)
        .rev()
        .map(|columns| {
            let rows = cells.len().div_ceil(columns).max(1);
            let widest = |column: &[Cell]| column.iter().map(|cell| cell.width).max();
            let widths: Vec<usize> = cells.chunks(rows).filter_map(widest).collect();
            (rows, widths)
        })
        .find(|(_, widths)| {
            let gaps = GAP * widths.len().saturating_sub(1);
            widths.len() <= 1 || widths.iter().sum::<usize>() + gaps <= width
        })
        .unwrap_or_else(|| (cells.len().max(1), Vec::new()));
    let line = |row: usize| {
        let mut line = String::new();
        let mut padding = 0;
        for (column, width) in widths.iter().enumerate() {
            let Some(cell) = cells.get(column * rows + row) else {
                break;
            };
            line.extend(std::iter::repeat_n(' ', padding));
            line.push_str(&cell.text);
            padding = width - cell.width + GAP;
        }
        line
    };
    (0..rows.min(cells.len())).map(line).collect()
}

/// What LS_COLORS says (dir_colors(5)).
#[derive(Debug)]
struct Colors(Vec<(String, String)>);

impl Colors {
    /// `None` where colours are not wanted or not shown.
    fn of_user() -> Option<Self> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if is_dumb || is_set("NO_COLOR") {
            return None;
        }
        let told = std::env::var("LS_COLORS").unwrap_or_default();
        Some(match told.as_str() {
            "" => Self::parse("di=01;34:ln=01;36:ex=01;32"),
            told => Self::parse(told),
        })
    }

    fn parse(told: &str) -> Self {
        let rows = told.split(':').filter_map(|row| row.split_once('='));
        // A value goes to the terminal as it is: no more than colours may be in it.
        let is_color = |c: char| c.is_ascii_digit() || c == ';';
        let rows = rows.filter(|(_, code)| !code.is_empty() && code.chars().all(is_color));
        Self(rows.map(|(key, code)| (key.into(), code.into())).collect())
    }

    fn of(&self, entry: &Entry) -> Option<&str> {
        let find = |wanted: &str| {
            let row = self.0.iter().rev().find(|(key, _)| key == wanted);
            row.map(|(_, code)| code.as_str())
        };
        match entry.facts.kind {
            Kind::Directory => find("di"),
            Kind::Link => find("ln"),
            Kind::Other => find("or"),
            Kind::File if entry.facts.mode.is_some_and(|mode| mode & 0o111 != 0) => find("ex"),
            Kind::File => {
                let ends = |(key, _): &&(String, String)| {
                    let end = key.strip_prefix('*');
                    end.is_some_and(|end| entry.name.ends_with(end.as_bytes()))
                };
                let row = self.0.iter().rev().find(ends);
                row.map(|(_, code)| code.as_str()).or_else(|| find("fi"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use skiff_sessions::wire::stamp::Stamp;

    use super::*;

    fn entry(name: &str, kind: Kind, size: u64, time: i64) -> Entry {
        Entry {
            name: name.into(),
            facts: Facts {
                kind,
                size,
                modified: Stamp(time),
                mode: Some(0o640),
            },
        }
    }

    fn style(options: &str) -> ListStyle {
        ListStyle::of(&ParsedArgs {
            options: options.into(),
            ..ParsedArgs::default()
        })
    }

    #[test]
    fn orders() {
        let entries = [("b", 1, 30), ("a", 3, 10), ("c", 3, 20)]
            .map(|(name, size, time)| entry(name, Kind::File, size, time));
        for (options, wanted) in [
            ("", "abc"),
            ("r", "cba"),
            ("t", "bca"),
            ("S", "acb"),
            ("Sr", "bca"),
        ] {
            let mut sorted = entries.clone();
            style(options).sort(&mut sorted);
            let names: Vec<u8> = sorted.iter().flat_map(|entry| entry.name.clone()).collect();
            assert_eq!(names, wanted.as_bytes(), "{options}");
        }
    }

    #[test]
    fn names_with_a_dot_are_shown_when_asked_for() {
        assert!(!style("").shows(b".a") && style("a").shows(b".a") && style("").shows(b"a."));
    }

    #[test]
    fn long_lines() {
        let odd = entry("a\x1b b", Kind::Directory, 12_345_678, 1_767_323_045);
        assert_eq!(
            style("lu").long_line(&odd),
            "drw-r-----       12345678 2026-01-02 03:04 a\\x1b b/"
        );
        assert_eq!(
            style("luh").long_line(&odd),
            "drw-r-----          12 MB 2026-01-02 03:04 a\\x1b b/"
        );
    }

    #[test]
    fn columns_fit_and_are_filled_from_top_to_bottom() {
        let cells = |names: &[&str]| -> Vec<Cell> {
            let cell = |name: &&str| Cell {
                text: (*name).into(),
                width: columns(name),
            };
            names.iter().map(cell).collect()
        };
        let names = cells(&["a", "bbb", "c", "dd", "e"]);
        assert_eq!(lay_out(&names, 80), ["a  bbb  c  dd  e"]);
        assert_eq!(lay_out(&names, 11), ["a    c   e", "bbb  dd"]);
        assert_eq!(lay_out(&names, 2), ["a", "bbb", "c", "dd", "e"]);
        assert_eq!(lay_out(&cells(&["年度", "x", "y"]), 8), ["年度  y", "x"]);
        assert!(lay_out(&[], 80).is_empty());
        let long = "x".repeat(300);
        assert_eq!(lay_out(&cells(&[&long, "y"]), 80), [&long, "y"]);
        for width in 1..120 {
            let names: Vec<String> = (0..50).map(|n| "n".repeat(1 + n * 7 % 13)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let lines = lay_out(&cells(&names), width);
            assert!(
                lines.iter().all(|line| line.len() <= width.max(13)),
                "{width}"
            );
            let shown: usize = lines
                .iter()
                .map(|line| line.split_whitespace().count())
                .sum();
            assert_eq!(shown, 50);
        }
    }

    #[test]
    fn colours_are_those_of_ls_and_nothing_else() {
        let colors = Colors::parse("di=01;34:*.tar=31:*.r=1:fi=0:ex=32:ln=\x1b[2J:so=:x");
        let code = |name: &str, kind| colors.of(&entry(name, kind, 0, 0)).map(str::to_owned);
        assert_eq!(code("d.tar", Kind::Directory).as_deref(), Some("01;34"));
        assert_eq!(code("a.tar", Kind::File).as_deref(), Some("31"));
        assert_eq!(code("a", Kind::File).as_deref(), Some("0"));
        assert_eq!(code("a", Kind::Link), None);
        let mut run = entry("run", Kind::File, 0, 0);
        run.facts.mode = Some(0o755);
        assert_eq!(colors.of(&run), Some("32"));
    }
}
