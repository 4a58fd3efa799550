//! Words `--help`, which fits a screen, and `skiff help`, which explains what there is.

use super::argv::FORMS;
use super::error::ProgramError;
use super::exit::EXITS;
use crate::commands::help::{print_about, print_table};
use crate::commands::options::Group;
use crate::net::command_error::CommandError;
use crate::terminal::columns::{columns, wrap};
use crate::terminal::output::{print_error, print_wrapped};

/// The width from which on two options stand on a line.
const TWO_COLUMNS: usize = 78;

/// The columns of the first of them.
const FIRST_COLUMN: usize = 40;

/// Returns the text of `--help`, laid out for this width.
pub(crate) fn usage(width: usize) -> String {
    let names: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
    let mut text = wrap(
        &format!(
            "usage: skiff [options] [[user@]host[:port]]\n\
             \x20      skiff [options] COMMAND ...\n\
             COMMAND is one of {}.",
            names.join(" ")
        ),
        width,
    );
    for group in Group::ALL {
        text.push_str(&format!("{}:\n", group.title()));
        let cells: Vec<String> = group
            .options()
            .map(|option| format!("  {}  {}", option.syntax(), option.brief))
            .collect();
        if width < TWO_COLUMNS {
            text.push_str(&wrap(&cells.join("\n"), width));
            continue;
        }
        for row in cells.chunks(2) {
            let gap = FIRST_COLUMN.saturating_sub(columns(&row[0]));
            text.push_str(&row.join(&" ".repeat(gap)));
            text.push('\n');
        }
    }
    let codes = EXITS.map(|(exit, meaning)| format!("{} {}", exit.code(), brief(meaning)));
    let end = format!(
        "exit codes: {}\nskiff help and man skiff say more.",
        codes.join(", ")
    );
    text.push_str(&wrap(&end, width));
    text
}

/// A meaning up to its first comma: what more there is stands in the manual.
fn brief(meaning: &str) -> &str {
    meaning.split([',', '(']).next().unwrap_or(meaning).trim()
}

/// Explains a command or a topic; without any, tells which there are.
///
/// # Errors
///
/// [`ProgramError::CommandFailed`] where there is nothing of the kind.
pub(crate) fn explain(about: Option<&str>) -> Result<(), ProgramError> {
    match about {
        None => print_table(),
        Some(about) => {
            let form = FORMS.iter().find(|form| form.name == about);
            if let Some(form) = form {
                print_wrapped(&format!(
                    "usage: skiff [options] {}\n  {}",
                    form.syntax,
                    form.help()
                ));
            }
            // A command of the program alone has been told.
            if let (Err(CommandError::Refused(why)), None) = (print_about(about), form) {
                print_error(why);
                return Err(ProgramError::CommandFailed);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::options::OPTIONS;

    #[test]
    fn the_usage_fits_a_screen_and_names_all() {
        let text = usage(80);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= 24, "{} lines:\n{text}", lines.len());
        for line in &lines {
            assert!(columns(line) <= 80, "{line}");
        }
        for option in OPTIONS {
            let shown = format!("  {}  {}", option.syntax(), option.brief);
            assert!(text.contains(&shown), "{shown}");
        }
        assert!(FORMS.iter().all(|form| text.contains(form.name)));
        assert!(
            EXITS
                .iter()
                .all(|(exit, _)| text.contains(&exit.code().to_string()))
        );
    }
}
