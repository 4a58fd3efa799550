//! Prints results on standard output, errors and notes on standard error; with `--json` results and
//! errors are objects on standard output.

use std::fmt::Display;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::columns::{reading_width, wrap};
use super::job_output::{self, JobLine};
use super::records::{ERROR, NOTE, REPLY, Record, TEXT};
use super::redirect::write_line;
use super::status_line::print_apart;

/// For whom results are printed; fixed for the whole run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum OutputFormat {
    #[default]
    Text,
    /// One object a line (`--json`).
    Json,
}

/// Whether anything is said that was not asked for; fixed for the whole run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum Reports {
    #[default]
    Shown,
    /// Only errors are told (`--quiet`).
    Silent,
}

/// Like standard output, how it is used is one for the whole process.
static STATE: Mutex<State> = Mutex::new(State {
    format: OutputFormat::Text,
    reports: Reports::Shown,
    line: LineKind::Result,
    place: None,
});

struct State {
    format: OutputFormat,
    reports: Reports,
    line: LineKind,
    /// The script and its line that is run.
    place: Option<String>,
}

/// What the lines on standard output are now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LineKind {
    /// What was asked for.
    Result,
    /// What a command tells of its work.
    Report,
}

/// Sets how the whole run prints.
pub(crate) fn configure(format: OutputFormat, reports: Reports) {
    let mut state = state();
    state.format = format;
    state.reports = reports;
}

pub(crate) fn format() -> OutputFormat {
    state().format
}

/// Says what the next lines on standard output are.
pub(crate) fn begin_lines(kind: LineKind) {
    state().line = kind;
}

/// Says which line of which script is run, for errors.
pub(crate) fn begin_place(place: Option<String>) {
    state().place = place;
}

/// Prints a result on standard output, or where that was redirected to. A write error is ignored:
/// the reader of a pipe may have left.
pub(crate) fn print_line(line: impl Display) {
    let state = state();
    if state.line == LineKind::Report && state.reports == Reports::Silent {
        return;
    }
    let format = state.format;
    drop(state);
    let line = match format {
        OutputFormat::Text => line.to_string(),
        OutputFormat::Json => Record::new(&TEXT).text("text", &line.to_string()).finish(),
    };
    write_out(&line);
}

/// Prints on standard output what was not asked for, and `--quiet` keeps back.
pub(crate) fn print_report(line: impl Display) {
    let before = std::mem::replace(&mut state().line, LineKind::Report);
    print_line(line);
    begin_lines(before);
}

/// Prints a result: its object with `--json`, else the line that `text` makes.
pub(crate) fn print_record<T: Display>(record: impl FnOnce() -> Record, text: impl FnOnce() -> T) {
    match format() {
        OutputFormat::Text => print_line(text()),
        OutputFormat::Json => print_object(record),
    }
}

/// Prints a line for people; programs are told the same by an object.
pub(crate) fn print_words(line: impl Display) {
    if format() == OutputFormat::Text {
        print_line(line);
    }
}

/// Prints a result with `--json`, where people are told nothing, or otherwise.
pub(crate) fn print_object(record: impl FnOnce() -> Record) {
    let state = state();
    let is_silent = state.line == LineKind::Report && state.reports == Reports::Silent;
    let format = state.format;
    drop(state);
    if format == OutputFormat::Json && !is_silent {
        write_out(&record().finish());
    }
}

/// Prints a reply of the server, its code and its text.
pub(crate) fn print_reply(line: &str) {
    let record = || match line
        .split_once(' ')
        .map(|(code, text)| (code.parse(), text))
    {
        Some((Ok(code), text)) => Record::new(&REPLY).number("code", code).text("text", text),
        _ => Record::new(&TEXT).text("text", line),
    };
    print_record(record, || line);
}

/// Prints a text laid out for the width of standard output; names are not wrapped by it.
pub(crate) fn print_wrapped(text: &str) {
    match format() {
        OutputFormat::Text => print_line(wrap(text, reading_width()).trim_end_matches('\n')),
        OutputFormat::Json => print_line(text),
    }
}

/// Prints what failed, behind the script's file and line where one is run; a write error is
/// ignored.
pub(crate) fn print_error(line: impl Display) {
    let state = state();
    let (format, place) = (state.format, state.place.clone());
    drop(state);
    let line = line.to_string();
    match (format, place) {
        (OutputFormat::Text, None) => write_error(&line),
        (OutputFormat::Text, Some(place)) => write_error(&format!("{place}: {line}")),
        (OutputFormat::Json, place) => {
            let code = line.split_once(' ').map(|(code, _)| code);
            let code = code.filter(|code| code.len() == 3);
            let record = Record::new(&ERROR)
                .text("message", &line)
                .some_number("code", code.and_then(|code| code.parse().ok()))
                .some_text("place", place.as_deref());
            write_out(&record.finish());
        }
    }
}

/// Prints what is neither a result nor an error on standard error; a write error is ignored.
pub(crate) fn print_note(line: impl Display) {
    let state = state();
    let (format, reports) = (state.format, state.reports);
    drop(state);
    match (reports, format) {
        (Reports::Silent, _) => {}
        (Reports::Shown, OutputFormat::Text) => write_error(&line.to_string()),
        (Reports::Shown, OutputFormat::Json) => {
            write_error(&Record::new(&NOTE).text("text", &line.to_string()).finish());
        }
    }
}

fn write_out(line: &str) {
    if let Some(job) = job_output::current() {
        return job.say(JobLine::Result(line.to_owned()));
    }
    print_apart(|| {
        let _ = write_line(&format!("{line}\n"));
    });
}

fn write_error(line: &str) {
    if let Some(job) = job_output::current() {
        return job.say(JobLine::Error(line.to_owned()));
    }
    print_apart(|| {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    });
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
