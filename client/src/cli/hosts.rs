//! Implements `skiff hosts`: the hosts of the settings.

use skiff_conf::{Alias, Host};

use super::settings::Settings;
use crate::terminal::format::escape_name;
use crate::terminal::output::{OutputFormat, format, print_note, print_object, print_wrapped};
use crate::terminal::records::{HOST, Record};

/// Prints each host with its user, its server, and where one begins there.
pub(crate) fn print(settings: &Settings) {
    let hosts = settings.hosts();
    if hosts.is_empty() {
        print_note("no hosts; give them names in the settings: hosts: {\"nas\": (server: \"..\")}");
    }
    let widest = hosts.keys().map(|alias| alias.as_str().len()).max();
    let widest = widest.unwrap_or(0);
    for (alias, host) in hosts {
        match format() {
            OutputFormat::Text => {
                print_wrapped(&format!("{:widest$}  {}", alias.as_str(), describe(host)));
            }
            OutputFormat::Json => print_object(|| record(alias, host)),
        }
    }
}

fn record(alias: &Alias, host: &Host) -> Record {
    Record::new(&HOST)
        .text("name", alias.as_str())
        .text("server", &host.server.to_string())
        .some_text("user", host.user.as_ref().map(|user| user.as_str()))
        .some_text("directory", host.directory.as_deref())
}

fn describe(host: &Host) -> String {
    let user = host.user.as_ref().map(|user| format!("{user}@"));
    let mut text = format!("{}{}", user.unwrap_or_default(), host.server);
    if let Some(directory) = &host.directory {
        text.push_str(&format!(" {}", escape_name(directory.as_bytes())));
    }
    text
}
