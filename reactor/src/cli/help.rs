//! Words `skiffd --help` from the table of commands.

use super::table::{COMMANDS, EXITS, GENERAL_OPTIONS, OptionSpec};

const WIDTH: usize = 79;

/// The columns before the text of a command.
const INDENT: usize = 6;

/// The columns before the text of an option.
const OPTION_INDENT: usize = 21;

/// Returns the text.
pub(crate) fn text() -> String {
    let mut text = String::from("skiffd: a file server for many users on small machines\n\n");
    for command in COMMANDS {
        // Further lines begin below the first option.
        let hang = "skiffd".len()
            + 3
            + command
                .words
                .iter()
                .map(|word| word.len() + 1)
                .sum::<usize>();
        text.push_str(&wrap(&format!("  {}", command.syntax()), hang));
        text.push_str(&wrap(&indented(INDENT, command.help), INDENT));
    }
    text.push_str("\noptions:\n");
    for option in every_option() {
        text.push_str(&row(&option.syntax(), option.help));
    }
    for (names, help) in GENERAL_OPTIONS {
        text.push_str(&row(&names.join(", "), help));
    }
    text.push_str("\nexit status:\n");
    for (status, meaning) in EXITS {
        text.push_str(&row(&status.to_string(), meaning));
    }
    text.push_str("\nman skiffd and man skiffd.ron say more.\n");
    text
}

/// Every option once, though several commands have it; of one whose value or meaning differs from
/// command to command, each.
pub(crate) fn every_option() -> Vec<&'static OptionSpec> {
    let mut options: Vec<&OptionSpec> = Vec::new();
    for option in COMMANDS.iter().flat_map(|command| command.options) {
        let known = options
            .iter()
            .any(|known| known.help == option.help && known.name == option.name);
        if !known {
            options.push(option);
        }
    }
    options
}

fn indented(columns: usize, text: &str) -> String {
    format!("{}{text}", " ".repeat(columns))
}

/// A term and its text, which begins on the next line where the term is long.
fn row(term: &str, text: &str) -> String {
    let term = format!("  {term}");
    match term.len() + 2 <= OPTION_INDENT {
        true => wrap(&format!("{term:OPTION_INDENT$}{text}"), OPTION_INDENT),
        false => format!(
            "{term}\n{}",
            wrap(&indented(OPTION_INDENT, text), OPTION_INDENT)
        ),
    }
}

/// Breaks a line between words; what is in brackets stays together, and further lines begin in
/// column `hang`.
fn wrap(line: &str, hang: usize) -> String {
    let start = line.len() - line.trim_start().len();
    let mut wrapped = line[..start].to_owned();
    let mut column = start;
    for (index, word) in unbreakable(&line[start..]).iter().enumerate() {
        if index > 0 && column + 1 + word.len() > WIDTH {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(hang));
            column = hang;
        } else if index > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += word.len();
    }
    wrapped.push('\n');
    wrapped
}

fn unbreakable(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ' ' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_fits_a_terminal_and_names_all() {
        let text = text();
        for line in text.lines() {
            assert!(line.len() <= WIDTH && line == line.trim_end(), "{line:?}");
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let joined = words.join(" ");
        for command in COMMANDS {
            assert!(joined.contains(&command.syntax()), "{}", command.syntax());
            assert!(joined.contains(command.help), "{}", command.help);
            for option in command.options {
                assert!(joined.contains(option.help), "{}", option.name);
            }
        }
    }
}
