//! Implements the commands on permissions and times at the server: chmod, touch.

use std::time::{SystemTime, UNIX_EPOCH};

use skiff_sessions::wire::command::SetAttributes;
use skiff_sessions::wire::stamp::Stamp;

use super::each::for_each;
use super::spec::ParsedArgs;
use super::targets::remote_path;
use crate::net::changes;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::terminal::format::escape_name;
use crate::terminal::output::print_line;

/// The greatest mode that the dialect takes (PROTOCOL.md section 5).
const MODE_MAX: u32 = 0o777;

/// `chmod`: sets the permissions of files and directories.
pub(crate) fn chmod(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let Some((mode, words)) = args.words.split_first() else {
        return Ok(());
    };
    let bits = str::from_utf8(mode.as_bytes())
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| u32::from_str_radix(text, 8).ok())
        .filter(|&bits| bits <= MODE_MAX)
        .ok_or_else(|| {
            let shown = escape_name(mode.as_bytes());
            CommandError::refused(shown, "no permissions; write them in octal, 000 to 777")
        })?;
    for_each(session, words, |session, word| {
        let set = SetAttributes {
            path: remote_path(word)?,
            modified: None,
            mode: Some(bits),
        };
        changes::set_attributes(session, &set)?.or_refused(word.as_bytes())?;
        let name = escape_name(word.as_bytes());
        print_line(format_args!("213 {name}: mode {bits:03o}"));
        Ok(())
    })
}

/// `touch`: sets the time of files and directories to the present.
pub(crate) fn touch(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = Stamp(now.map_or(0, |since| since.as_secs() as i64));
    for_each(session, &args.words, |session, word| {
        let set = SetAttributes {
            path: remote_path(word)?,
            modified: Some(now),
            mode: None,
        };
        changes::set_attributes(session, &set)?.or_refused(word.as_bytes())?;
        let name = escape_name(word.as_bytes());
        print_line(format_args!("213 {name}: time set"));
        Ok(())
    })
}
