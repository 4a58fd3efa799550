//! Implements `skiff hosts`: the hosts of the settings.

use skiff_conf::{Host, HostAlias};

use super::settings::Settings;
use crate::commands::layout::{screen_width, terms};
use crate::terminal::format::escape_name;
use crate::terminal::output::print_line;

/// Prints each host with its user, its server, and where one begins there.
pub(crate) fn print(settings: &Settings) {
    let rows: Vec<_> = settings.hosts().iter().map(row).collect();
    if rows.is_empty() {
        print_line("no hosts; give them names in the settings: hosts: {\"nas\": (server: \"..\")}");
    }
    for line in terms(&rows, screen_width()) {
        print_line(line);
    }
}

fn row((alias, host): (&HostAlias, &Host)) -> (String, String) {
    let user = host.user.as_ref().map(|user| format!("{user}@"));
    let mut text = format!("{}{}", user.unwrap_or_default(), host.server);
    if let Some(directory) = &host.directory {
        text.push_str(&format!(" {}", escape_name(directory.as_bytes())));
    }
    (alias.to_string(), text)
}
