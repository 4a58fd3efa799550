//! [`Advice`]: warnings about settings that are valid and may still surprise the operator.

mod ftp;

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::{AccountStatus, CertificateRule, Iterations};
use crate::name::UserName;
use crate::server::{Durability, LogTarget, Server, Tls};
use crate::users::UserStore;

/// A warning about one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The key in `server.ron`.
    pub key: &'static str,
    /// Lower case, no full stop.
    pub text: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
    }
}

impl Server {
    /// All warnings that can be given from the files alone. `users` is the user store; `None` where
    /// it could not be loaded.
    pub fn advice(&self, users: Option<&UserStore>) -> Vec<Advice> {
        let mut found = Vec::new();
        let mut say = |key, text: String| found.push(Advice { key, text });
        self.advise_on_network(&mut say);
        ftp::advise(&self.ftp, &mut say);
        self.advise_on_proxies(&mut say);
        self.advise_on_paths(&mut say);
        self.advise_on_promises(&mut say);
        match users {
            Some(users) => self.advise_on_users(users, &mut say),
            None => say(
                "users",
                format!("{} could not be read", self.users.display()),
            ),
        }
        found
    }

    fn advise_on_network(&self, say: &mut impl FnMut(&'static str, String)) {
        let listed = &self.native.listen;
        ftp::advise_on_reach("native.listen", listed, say);
        let outside = listed.iter().filter(|address| !address.ip().is_loopback());
        if let (Tls::Off, Some(all)) = (self.native.tls, ftp::joined(outside)) {
            let text = format!("Off, so files cross the network in clear from {all}");
            say("native.tls", text);
        }
    }

    fn advise_on_proxies(&self, say: &mut impl FnMut(&'static str, String)) {
        let mut all = self.proxy_protocol.from.iter();
        if let Some(network) = all.find(|network| network.prefix() == 0) {
            let text = format!("{network} is everybody, and whoever connects says who he is");
            say("proxy_protocol.from", text);
        }
    }

    fn advise_on_paths(&self, say: &mut impl FnMut(&'static str, String)) {
        for (key, folder) in [("homes", &self.homes), ("state", &self.state)] {
            if !folder.is_dir() {
                say(
                    key,
                    format!("{} is not there, or is no folder", folder.display()),
                );
            }
        }
        if self.state.starts_with(&self.homes) {
            say(
                "state",
                "lies inside homes, where a user may have the name of its folder".into(),
            );
        }
        if mode(&self.state).is_some_and(|mode| mode & 0o077 != 0) {
            say(
                "state",
                format!("others can enter {}; chmod 700", self.state.display()),
            );
        }
        for identity in &self.tls.identities {
            advise_on_key(&identity.key, say);
        }
        if let LogTarget::File(path) = &self.log.access
            && path.parent().is_some_and(|folder| !folder.is_dir())
        {
            say(
                "log.access",
                format!("the folder of {} is not there", path.display()),
            );
        }
    }

    fn advise_on_promises(&self, say: &mut impl FnMut(&'static str, String)) {
        if self.durability == Durability::None {
            let text = "None, so a power cut may lose files that clients were told are stored";
            say("durability", text.into());
        }
        if self.file_mode.bits() & 0o022 != 0 {
            say(
                "file_mode",
                "others on this machine may write to users' files".into(),
            );
        }
        if self.scram_iterations < Iterations::DEFAULT {
            let text = format!(
                "stolen verifiers are guessed faster than with {}",
                Iterations::DEFAULT.get()
            );
            say("scram_iterations", text);
        }
        if self.limits.sessions_per_user > self.limits.sessions {
            say(
                "limits.sessions_per_user",
                "is above limits.sessions, so one user can fill all".into(),
            );
        }
        if self.stages.idle > self.stages.ttl {
            say(
                "stage_idle",
                "is above stage_ttl, so no stage ever gets that old".into(),
            );
        }
        if self.limits.idle < Duration::from_secs(60) {
            say(
                "limits.idle",
                "under a minute cuts off people who read".into(),
            );
        }
    }

    fn advise_on_users(&self, users: &UserStore, say: &mut impl FnMut(&'static str, String)) {
        if users.is_empty() {
            say(
                "users",
                "there is no user yet; make one with: skiffd user add".into(),
            );
        }
        let mut homes: BTreeMap<PathBuf, &UserName> = BTreeMap::new();
        for (name, account) in users.iter() {
            if account.quota.is_some() && self.quota.users.contains_key(name) {
                let text = format!("{name} has a quota in the user store too, which wins");
                say("quota.users", text);
            }
            if let Some(other) = homes.insert(self.home(name, account), name) {
                say("users", format!("{other} and {name} share one home"));
            }
            let home = self.home(name, account);
            if account.home.is_some()
                && account.standing == AccountStatus::Enabled
                && !home.is_dir()
            {
                say(
                    "users",
                    format!("the home of {name}, {}, is not there", home.display()),
                );
            }
        }
        let wanting = users.iter().find(|(_, account)| {
            self.tls.clients.is_none() && account.certificate() != CertificateRule::Off
        });
        if let Some((name, _)) = wanting {
            let text =
                format!("clients are asked for none, but {name} has a rule for certificates");
            say("tls.client_ca", text);
        }
        for name in self
            .quota
            .users
            .keys()
            .filter(|name| users.get(name.as_str()).is_none())
        {
            say("quota.users", format!("there is no user {name}"));
        }
    }
}

fn advise_on_key(key: &Path, say: &mut impl FnMut(&'static str, String)) {
    match mode(key) {
        None => say("tls.key", format!("{} is not there", key.display())),
        Some(mode) if mode & 0o077 != 0 => {
            say(
                "tls.key",
                format!("others can read {}; chmod 600", key.display()),
            );
        }
        Some(_) => {}
    }
}

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|found| found.mode())
}
