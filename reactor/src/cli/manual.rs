//! Makes the manual pages `skiffd.8` and `skiffd.ron.5`, from the table of commands and from the
//! commented settings.

use super::roff::Page;
use super::settings_text::{Block, Setting, settings};
use super::table::{COMMANDS, CONFIG_VARIABLE, DEFAULT_CONFIG, EXITS, GENERAL_OPTIONS};

/// The names of the pages, as `skiffd man` takes them.
pub(crate) const PAGES: [&str; 2] = ["skiffd", "skiffd.ron"];

const DESCRIPTION: [&str; 4] = [
    "skiffd serves files to many users: by its own protocol to skiff(1), and by FTP and FTPS to \
     every other client. Each user has a home, and a quota that is kept to the byte. An upload \
     appears whole and on the disk or not at all, and one that was interrupted can be resumed.",
    "Its settings are one file, which skiffd.ron(5) describes and \"skiffd check\" checks. Users \
     are those of the file that the settings name, and never those of the system.",
    "Without a service manager it runs in the foreground and writes its messages to standard error. \
     Under systemd it says when it is ready, and what it does.",
    "\"skiffd upgrade\" is called by the new program: it starts with the settings of now, is handed \
     listening sockets and locks by the daemon that runs, and serves at once; the other lets its \
     transfers finish and ends. A user with a session there logs in here when that has ended: a home \
     is never open in two processes. What is in memory only, such as bans and counters, begins anew. \
     A daemon that systemd has started is replaced by an ExecReload= of its unit, or restarted, which \
     refuses nobody where a socket unit listens; one of another supervisor is restarted by that.",
];

const SIGNALS: [(&str, &str); 4] = [
    (
        "SIGTERM, SIGINT",
        "take no more sessions, let transfers finish for as long as limits.drain says, keep what \
         is unfinished, and end; a second one stops the transfers at once",
    ),
    (
        "SIGHUP",
        "read the settings and the certificate again, as \"skiffd reload\" has it do, which also \
         says what came of it",
    ),
    (
        "SIGUSR1",
        "open the log files again, after they were rotated",
    ),
    ("SIGUSR2, SIGALRM", "do nothing"),
];

const FILES: [(&str, &str); 2] = [
    (DEFAULT_CONFIG, "the settings, where no others are named"),
    (
        "skiffd.service, init/skiffd.sysv, init/skiffd.openrc",
        "services for systemd, System V init and OpenRC, in conf/ of the sources",
    ),
];

const EXAMPLES: [(&str, &str); 3] = [
    ("try it", "skiffd --demo"),
    ("a server of your own in a folder", "skiffd init storage"),
    (
        "a user with a quota, whose password comes from a file",
        "skiffd user add tom --quota 2GB --password-stdin < password",
    ),
];

/// Returns the page of the program.
pub(crate) fn program() -> String {
    let mut page = Page::new("skiffd", 8);
    page.section("NAME");
    page.text("skiffd - file server for many users on small machines");
    page.section("SYNOPSIS");
    for (index, command) in COMMANDS.iter().enumerate() {
        if index > 0 {
            page.request("br");
        }
        page.bold(&command.syntax());
    }
    page.section("DESCRIPTION");
    DESCRIPTION.iter().for_each(|text| page.paragraph(text));
    page.section("COMMANDS");
    for command in COMMANDS {
        let mut words = vec!["skiffd"];
        words.extend(command.words);
        words.extend(command.operand.as_ref().map(|operand| operand.syntax));
        page.subsection(&words.join(" "));
        page.paragraph(command.help);
        for option in command.options {
            page.term(&option.syntax(), option.help);
        }
    }
    page.section("OPTIONS");
    for (names, help) in GENERAL_OPTIONS {
        page.term(&names.join(", "), help);
    }
    terms(&mut page, "SIGNALS", &SIGNALS);
    page.section("EXIT STATUS");
    for (status, meaning) in EXITS {
        page.term(&status.to_string(), meaning);
    }
    let variable = format!("the settings, where --config is not given; else {DEFAULT_CONFIG}");
    terms(&mut page, "ENVIRONMENT", &[(CONFIG_VARIABLE, &variable)]);
    terms(&mut page, "FILES", &FILES);
    page.section("EXAMPLES");
    for (what, line) in EXAMPLES {
        page.paragraph(&format!("{what}:"));
        page.verbatim([line]);
    }
    page.section("SEE ALSO");
    page.text("skiff(1), skiffd.ron(5)");
    page.finish()
}

fn terms(page: &mut Page, title: &str, rows: &[(&str, &str)]) {
    page.section(title);
    rows.iter().for_each(|(term, text)| page.term(term, text));
}

/// Returns the page of the settings.
pub(crate) fn settings_page() -> String {
    let mut page = Page::new("skiffd.ron", 5);
    let (about, settings) = settings(skiff_conf::SERVER_SAMPLE);
    page.section("NAME");
    page.text("skiffd.ron - settings of skiffd, in server.ron");
    page.section("DESCRIPTION");
    write_blocks(&mut page, &about);
    page.section("SETTINGS");
    for setting in &settings {
        write_setting(&mut page, setting);
    }
    page.section("SEE ALSO");
    page.text("skiffd(8), skiff(1)");
    page.finish()
}

fn write_setting(page: &mut Page, setting: &Setting) {
    page.subsection(&setting.name);
    if let Some(default) = &setting.default {
        page.paragraph(&format!("default: {default}"));
    }
    write_blocks(page, &setting.about);
    if !setting.examples.is_empty() {
        page.paragraph("for example:");
        page.verbatim(setting.examples.iter().map(String::as_str));
    }
}

fn write_blocks(page: &mut Page, blocks: &[Block]) {
    for block in blocks {
        match block {
            Block::Paragraph(text) => page.paragraph(text),
            Block::Term(term, text) => page.term(term, text),
            Block::Verbatim(line) => page.verbatim([line.as_str()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_in_the_repository_are_what_the_tables_make() {
        for (kept, made, command) in [
            (
                include_str!("../../skiffd.8"),
                program(),
                "skiffd man > reactor/skiffd.8",
            ),
            (
                include_str!("../../skiffd.ron.5"),
                settings_page(),
                "skiffd man skiffd.ron > reactor/skiffd.ron.5",
            ),
        ] {
            assert!(kept == made, "run: {command}");
        }
    }
}
