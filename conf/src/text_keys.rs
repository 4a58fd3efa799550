//! Sets the keys of an account from plain text, in which tables and programs of other systems have
//! them: the grammar is that of `users.ron`, and of `skiffd user` where that has a shorter one.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use crate::account::{Account, CertificateRule};
use crate::ftp::CloseNotify;
use crate::parse_error::suggest;
use crate::rates::{Rate, Rates};

/// The keys that [`Account::set_text`] knows.
const TEXT_KEYS: [&str; 22] = [
    "home",
    "quota",
    "entries",
    "group",
    "access",
    "expires",
    "hours",
    "allow",
    "deny",
    "owner",
    "keep",
    "ring",
    "upload_rate",
    "download_rate",
    "session_upload_rate",
    "session_download_rate",
    "ftp",
    "certificate",
    "certificate_fingerprint",
    "passwd",
    "data_close_notify",
    "publish_on_lost_control",
];

/// Those of them that are `true` or `false` in `users.ron`.
const SWITCHES: [&str; 4] = ["ring", "ftp", "passwd", "publish_on_lost_control"];

/// `on` and `off` are the words of `skiffd user`.
const SWITCH: [(&str, bool); 4] = [
    ("on", true),
    ("off", false),
    ("true", true),
    ("false", false),
];

const CERTIFICATE: [(&str, CertificateRule); 3] = [
    ("off", CertificateRule::Off),
    ("required", CertificateRule::Required),
    ("instead", CertificateRule::Instead),
];

const CLOSE_NOTIFY: [(&str, CloseNotify); 3] = [
    ("require", CloseNotify::Require),
    ("prefer", CloseNotify::Prefer),
    ("warn", CloseNotify::Warn),
];

impl Account {
    /// Sets one key; lists have commas, and hours semicolons. The error says what would be right.
    pub fn set_text(&mut self, key: &str, text: &str) -> Result<(), String> {
        let set = match key {
            "home" => set_home(&mut self.home, text),
            "quota" => set(&mut self.quota, text),
            "entries" => set(&mut self.entries, text),
            "group" => set(&mut self.group, text),
            "access" => set(&mut self.access, text),
            "expires" => set(&mut self.expires, text),
            "hours" => set_list(&mut self.hours, text, ';'),
            "allow" => set_list(&mut self.allow, text, ','),
            "deny" => set_list(&mut self.deny, text, ','),
            "owner" => set(&mut self.owner, text),
            "keep" => set(&mut self.keep, text),
            "ring" => set_word(&mut self.ring, text, &SWITCH),
            "upload_rate" => set_rate(&mut self.rates, |rates| &mut rates.upload, text),
            "download_rate" => set_rate(&mut self.rates, |rates| &mut rates.download, text),
            "session_upload_rate" => {
                set_rate(&mut self.session_rates, |rates| &mut rates.upload, text)
            }
            "session_download_rate" => {
                set_rate(&mut self.session_rates, |rates| &mut rates.download, text)
            }
            "ftp" => set_word(&mut self.ftp, text, &SWITCH),
            "certificate" => set_word(&mut self.certificate, text, &CERTIFICATE),
            "certificate_fingerprint" => set(&mut self.certificate_fingerprint, text),
            "passwd" => set_word(&mut self.passwd, text, &SWITCH),
            "data_close_notify" => set_word(&mut self.data_close_notify, text, &CLOSE_NOTIFY),
            "publish_on_lost_control" => set_word(&mut self.publish_on_lost_control, text, &SWITCH),
            _ => return Err(unknown_key(key, &[])),
        };
        set.map_err(|why| format!("{key}: {why}"))
    }

    /// Gives a folder of the home a rule of its own.
    pub fn set_folder(&mut self, folder: &str, access: &str) -> Result<(), String> {
        let named = |why: String| format!("folders[{folder:?}]: {why}");
        let path = parse(folder).map_err(named)?;
        self.folders.insert(path, parse(access).map_err(named)?);
        Ok(())
    }
}

/// The complaint about a key that is neither of [`Account::set_text`] nor one of `more`.
pub fn unknown_key(key: &str, more: &[&str]) -> String {
    let known: Vec<&str> = more.iter().copied().chain(TEXT_KEYS).collect();
    format!("unknown key {key:?}; {}", suggest(key, &known))
}

/// Whether [`Account::set_text`] knows the key.
pub fn is_text_key(key: &str) -> bool {
    TEXT_KEYS.contains(&key)
}

/// Whether [`Account::set_text`] has `true` and `false` for the key.
pub fn is_switch(key: &str) -> bool {
    SWITCHES.contains(&key)
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|why: T::Err| why.to_string())
}

fn set<T: FromStr<Err: Display>>(value: &mut Option<T>, text: &str) -> Result<(), String> {
    *value = Some(parse(text)?);
    Ok(())
}

fn set_list<T: FromStr<Err: Display>>(
    value: &mut Option<Vec<T>>,
    text: &str,
    separator: char,
) -> Result<(), String> {
    let parts = text.split(separator).map(|part| parse(part.trim()));
    *value = Some(parts.collect::<Result<_, _>>()?);
    Ok(())
}

fn set_word<W: Copy, T: From<W>>(
    value: &mut Option<T>,
    text: &str,
    words: &[(&str, W)],
) -> Result<(), String> {
    let found = words.iter().find(|(word, _)| *word == text);
    let (_, meant) = found.ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("{text:?} is none of {}", known.join(", "))
    })?;
    *value = Some((*meant).into());
    Ok(())
}

fn set_rate(
    value: &mut Option<Rates>,
    direction: impl FnOnce(&mut Rates) -> &mut Option<Rate>,
    text: &str,
) -> Result<(), String> {
    let mut rates = value.unwrap_or_default();
    set(direction(&mut rates), text)?;
    *value = Some(rates);
    Ok(())
}

fn set_home(value: &mut Option<PathBuf>, text: &str) -> Result<(), String> {
    let climbs = text.split('/').any(|part| part == "..");
    if text.contains('\0') || climbs {
        let wanted = "write a folder without .., absolute or relative to `homes`";
        return Err(format!("{text:?} is not a home; {wanted}"));
    }
    *value = Some(text.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;
    use crate::account::{FtpAccess, PasswordRight};
    use crate::ftp::LostControl;
    use crate::retention::WhenFull;

    #[test]
    fn every_key_is_set_by_its_grammar() {
        let fingerprint = "ab".repeat(32);
        let mut account = Account::proven_elsewhere();
        for (key, text) in [
            ("home", "pupils/tom"),
            ("quota", "50MB"),
            ("entries", "1000"),
            ("group", "pupils"),
            ("access", "list,get"),
            ("expires", "2027-01-31"),
            ("hours", "mon-fri 08:00-18:00; sat 09:00-12:00"),
            ("allow", "10.0.0.0/8, 192.0.2.7"),
            ("deny", "10.0.5.0/24"),
            ("owner", "1000:1000"),
            ("keep", "14d"),
            ("ring", "on"),
            ("upload_rate", "1MB"),
            ("download_rate", "unlimited"),
            ("session_upload_rate", "500kB"),
            ("session_download_rate", "2MB"),
            ("ftp", "off"),
            ("certificate", "required"),
            ("certificate_fingerprint", &fingerprint),
            ("passwd", "false"),
            ("data_close_notify", "warn"),
            ("publish_on_lost_control", "true"),
        ] {
            assert_eq!(account.set_text(key, text), Ok(()), "{key}");
            assert!(is_text_key(key));
        }
        let rates = |rates: Option<Rates>| {
            let Rates { upload, download } = rates.unwrap();
            [upload, download].map(|rate| rate.unwrap().to_string())
        };
        assert_eq!(rates(account.rates), ["1MB", "unlimited"]);
        assert_eq!(rates(account.session_rates), ["500kB", "2MB"]);
        assert!(account.owner.is_some());
        assert_eq!(account.keep.unwrap().to_string(), "14d");
        assert_eq!(account.ring, Some(WhenFull::RemoveOldest));
        assert_eq!(account.ftp, Some(FtpAccess::Refused));
        assert_eq!(account.certificate, Some(CertificateRule::Required));
        assert!(account.certificate_fingerprint.is_some());
        assert_eq!(account.passwd, Some(PasswordRight::Fixed));
        assert_eq!(account.data_close_notify, Some(CloseNotify::Warn));
        assert_eq!(account.publish_on_lost_control, Some(LostControl::Publish));
        assert_eq!(account.hours.map(|hours| hours.len()), Some(2));
        assert_eq!(account.allow.map(|allow| allow.len()), Some(2));
        assert_eq!(
            account.access.map(|access| access.to_string()).as_deref(),
            Some("list,get")
        );
        assert_eq!(TEXT_KEYS.len(), 22);
        assert!(SWITCHES.iter().all(|key| is_text_key(key)));
    }

    #[test]
    fn folders_have_rules() {
        let mut account = Account::proven_elsewhere();
        assert_eq!(account.set_folder("/in", "drop-box"), Ok(()));
        let rules: Vec<_> = account.folders.values().collect();
        assert_eq!(rules, [&Access::DropBox]);
        let wrong = account.set_folder("in", "drop-box").unwrap_err();
        assert!(
            wrong.starts_with("folders[\"in\"]: \"in\" is not a folder of the home"),
            "{wrong}"
        );
        let wrong = account.set_folder("/in", "dropbox").unwrap_err();
        assert!(
            wrong.starts_with("folders[\"/in\"]: \"dropbox\" is not an access"),
            "{wrong}"
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_be_right() {
        let mut account = Account::proven_elsewhere();
        for (key, text, said) in [
            ("quota", "800", "quota: 800 bytes? write \"800MB\""),
            ("group", "a b", "group: \"a b\" is not a user name"),
            (
                "access",
                "readonly",
                "access: \"readonly\" is not an access; write read-write",
            ),
            ("expires", "tomorrow", "expires: \"tomorrow\" is not a day"),
            (
                "keep",
                "1s",
                "keep: \"1s\" is not an age; write it such as \"14d\"",
            ),
            (
                "ring",
                "yes",
                "ring: \"yes\" is none of on, off, true, false",
            ),
            (
                "data_close_notify",
                "Never",
                "data_close_notify: \"Never\" is none of require, prefer, warn",
            ),
            ("upload_rate", "1B", "upload_rate: \"1B\" is not a rate"),
            (
                "home",
                "../etc",
                "home: \"../etc\" is not a home; write a folder without ..",
            ),
            (
                "qouta",
                "1MB",
                "unknown key \"qouta\"; did you mean \"quota\"?",
            ),
        ] {
            let wrong = account.set_text(key, text).unwrap_err();
            assert!(wrong.starts_with(said), "{wrong}");
        }
        assert_eq!(
            unknown_key("pasword", &["password"]),
            "unknown key \"pasword\"; did you mean \"password\"?"
        );
    }
}
