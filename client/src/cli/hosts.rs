//! Implements `skiff hosts`: the hosts of the settings.

use skiff_conf::{Host, HostAlias};

use super::settings::Settings;
use crate::terminal::format::escape_name;
use crate::terminal::output::print_wrapped;

/// Prints each host with its user, its server, and where one begins there.
pub(crate) fn print(settings: &Settings) {
    let hosts = settings.hosts();
    if hosts.is_empty() {
        print_wrapped(
            "no hosts; give them names in the settings: hosts: {\"nas\": (server: \"..\")}",
        );
    }
    let widest = hosts.keys().map(|alias| alias.as_str().len()).max();
    let widest = widest.unwrap_or(0);
    for (alias, text) in hosts.iter().map(row) {
        print_wrapped(&format!("{alias:widest$}  {text}"));
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
