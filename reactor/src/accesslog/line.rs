//! One line of the log, of whatever kind, in the format and with the priority that its reader wants.

use std::io::{self, Write};
use std::time::SystemTime;

use skiff_conf::LogFormat;

use super::format::{Stamp, access_line, message_line, notice_line};
use super::json::{self, Object};
use super::notice::Notice;
use super::record::Record;

/// What a line says.
pub(super) enum Line<'a> {
    Command(&'a Record<'a>),
    Notice(&'a Notice<'a>),
    Message {
        level: log::Level,
        target: &'a str,
        text: &'a str,
    },
    /// So many lines were lost, as the disk did not keep up.
    Lost(u64),
}

/// What stands before a line for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Prefix {
    #[default]
    None,
    /// `<N>`, the priority of a line for systemd-journald(8) (sd-daemon(3)).
    Journal,
    /// `<N>skiffd[PID]: `, priority and facility of a message to syslog (RFC 3164 section 4.1), which
    /// knows the time itself.
    Syslog,
}

/// Facilities of RFC 3164: what users do goes to that of FTP, the rest to that of daemons.
const FACILITY_DAEMON: u8 = 3;
const FACILITY_FTP: u8 = 11;

/// Severities of RFC 3164.
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;
const DEBUG: u8 = 7;

impl Line<'_> {
    /// Appends the line with its end.
    pub(super) fn put(
        &self,
        out: &mut Vec<u8>,
        (format, prefix): (LogFormat, Prefix),
        stamp: &mut Stamp,
        at: SystemTime,
    ) {
        // Formatting into memory cannot fail.
        let _ = self.put_prefix(out, prefix);
        let _ = match format {
            LogFormat::Line => {
                if prefix != Prefix::Syslog {
                    stamp.put(out, at);
                    out.push(b' ');
                }
                self.put_text(out)
            }
            LogFormat::Json => {
                let mut time = Vec::with_capacity(24);
                stamp.put(&mut time, at);
                self.put_json(out, &time)
            }
        };
        out.push(b'\n');
    }

    fn put_prefix(&self, out: &mut Vec<u8>, prefix: Prefix) -> io::Result<()> {
        let severity = self.severity();
        match prefix {
            Prefix::None => Ok(()),
            Prefix::Journal => write!(out, "<{severity}>"),
            Prefix::Syslog => {
                let priority = self.facility() * 8 + severity;
                write!(out, "<{priority}>skiffd[{}]: ", std::process::id())
            }
        }
    }

    fn severity(&self) -> u8 {
        let of_level = |level| match level {
            log::Level::Error => ERROR,
            log::Level::Warn => WARNING,
            log::Level::Info => INFORMATIONAL,
            log::Level::Debug | log::Level::Trace => DEBUG,
        };
        match self {
            Self::Command(_) => INFORMATIONAL,
            Self::Notice(notice) => notice.level().map_or(NOTICE, of_level),
            Self::Message { level, .. } => of_level(*level),
            Self::Lost(_) => WARNING,
        }
    }

    fn facility(&self) -> u8 {
        match self {
            Self::Command(_) | Self::Notice(_) => FACILITY_FTP,
            Self::Message { .. } | Self::Lost(_) => FACILITY_DAEMON,
        }
    }

    fn put_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Command(record) => access_line(out, record),
            Self::Notice(notice) => notice_line(out, notice),
            Self::Message {
                level,
                target,
                text,
            } => {
                message_line(out, *level, target, text);
                Ok(())
            }
            Self::Lost(lost) => write!(out, "log: {lost} lines lost, the disk did not keep up"),
        }
    }

    fn put_json(&self, out: &mut Vec<u8>, time: &[u8]) -> io::Result<()> {
        match self {
            Self::Command(record) => json::command(out, time, record),
            Self::Notice(notice) => json::notice(out, time, notice),
            Self::Message {
                level,
                target,
                text,
            } => {
                let mut object = Object::begin(out, time, "message");
                object.text("level", level.as_str().to_ascii_lowercase());
                object.text("target", target);
                object.text("text", text);
                object.end();
                Ok(())
            }
            Self::Lost(lost) => {
                let mut object = Object::begin(out, time, "lines-lost");
                object.number("lines", lost)?;
                object.end();
                Ok(())
            }
        }
    }
}
