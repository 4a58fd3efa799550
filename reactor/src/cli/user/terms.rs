//! The options of `user add` and `user set` about rights, groups, networks and times.

use std::str::FromStr;

use pico_args::Arguments;
use skiff_conf::{
    Access, Account, Age, Date, FileOwner, Hours, Network, Rate, Rates, UserName, UserStore,
    WhenFull,
};

use super::choice::take_one_of;
use super::own::{Own, parse_own};
use crate::cli::failure::Failure;

/// Changes to what an account may do, from where and when; `None` leaves a value as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct TermsChanges {
    access: Option<Own<Access>>,
    group: Option<Own<UserName>>,
    allow: Option<Own<Vec<Network>>>,
    deny: Option<Own<Vec<Network>>>,
    hours: Option<Own<Vec<Hours>>>,
    expires: Option<Own<Date>>,
    keep: Option<Own<Age>>,
    ring: Option<Own<WhenFull>>,
    upload_rate: Option<Own<Rate>>,
    download_rate: Option<Own<Rate>>,
    owner: Option<Own<FileOwner>>,
}

impl TermsChanges {
    pub(super) fn take(words: &mut Arguments) -> Result<Self, Failure> {
        let short = [
            ("--read-only", Access::ReadOnly),
            ("--read-write", Access::ReadWrite),
        ];
        let mut access = words.opt_value_from_fn("--access", parse_own)?;
        for (option, meant) in short {
            if !words.contains(option) {
                continue;
            }
            if access.is_some() {
                let said = "--access, --read-only or --read-write, not two of them";
                return Err(Failure::Usage(said.to_owned()));
            }
            access = Some(Own::Set(meant));
        }
        Ok(Self {
            access,
            group: words.opt_value_from_fn("--group", parse_own)?,
            allow: words.opt_value_from_fn("--allow", |text| parse_list(text, ','))?,
            deny: words.opt_value_from_fn("--deny", |text| parse_list(text, ','))?,
            hours: words.opt_value_from_fn("--hours", |text| parse_list(text, ';'))?,
            expires: words.opt_value_from_fn("--expires", parse_own)?,
            keep: words.opt_value_from_fn("--keep", parse_own)?,
            ring: take_one_of(
                words,
                "--ring",
                &[
                    ("on", Own::Set(WhenFull::RemoveOldest)),
                    ("off", Own::Set(WhenFull::Refuse)),
                    ("default", Own::Default),
                ],
            )?,
            upload_rate: words.opt_value_from_fn("--upload-rate", parse_own)?,
            download_rate: words.opt_value_from_fn("--download-rate", parse_own)?,
            owner: words.opt_value_from_fn("--owner", parse_own)?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Fails where the group is none of the store.
    pub(super) fn check(&self, store: &UserStore) -> Result<(), Failure> {
        match &self.group {
            Some(Own::Set(group)) if !store.has_group(group) => Err(Failure::Failed(format!(
                "there is no group {group} in the user store; write it there under groups first"
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn apply(&self, account: &mut Account) {
        change(&mut account.access, self.access.as_ref());
        change(&mut account.group, self.group.as_ref());
        change(&mut account.allow, self.allow.as_ref());
        change(&mut account.deny, self.deny.as_ref());
        change(&mut account.hours, self.hours.as_ref());
        change(&mut account.expires, self.expires.as_ref());
        change(&mut account.keep, self.keep.as_ref());
        change(&mut account.ring, self.ring.as_ref());
        change(&mut account.owner, self.owner.as_ref());
        let mut rates = account.rates.unwrap_or_default();
        change(&mut rates.upload, self.upload_rate.as_ref());
        change(&mut rates.download, self.download_rate.as_ref());
        account.rates = (rates != Rates::default()).then_some(rates);
    }
}

fn change<T: Clone>(value: &mut Option<T>, change: Option<&Own<T>>) {
    if let Some(change) = change {
        *value = change.clone().value();
    }
}

fn parse_list<T: FromStr>(text: &str, separator: char) -> Result<Own<Vec<T>>, T::Err> {
    match text {
        "default" => Ok(Own::Default),
        _ => {
            let parts = text.split(separator).map(|part| part.trim().parse());
            parts.collect::<Result<_, _>>().map(Own::Set)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::user::verifier;

    fn taken(words: &[&str]) -> Result<TermsChanges, String> {
        let words = words.iter().map(OsString::from).collect();
        TermsChanges::take(&mut Arguments::from_vec(words)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn words_become_terms_and_default_takes_them_back() {
        let mut account = Account::new(verifier("123", skiff_conf::Iterations::MIN).unwrap());
        let set = [
            ("--access", "list,get"),
            ("--group", "students"),
            ("--allow", "10.0.0.0/8, ::1"),
            ("--deny", "10.1.0.0/16"),
            ("--hours", "mon-fri 08:00-18:00;sat 09:00-12:00"),
            ("--expires", "2027-01-31"),
            ("--keep", "14d"),
            ("--ring", "on"),
            ("--upload-rate", "1MB"),
            ("--download-rate", "unlimited"),
            ("--owner", "ann:media"),
        ];
        let words: Vec<_> = set
            .iter()
            .flat_map(|(option, value)| [*option, *value])
            .collect();
        taken(&words).unwrap().apply(&mut account);
        assert_eq!(account.access().to_string(), "list,get");
        assert_eq!(account.group.as_ref().unwrap().as_str(), "students");
        assert_eq!(account.allow.as_ref().unwrap().len(), 2);
        assert_eq!(account.deny.as_ref().unwrap().len(), 1);
        assert_eq!(account.hours.as_ref().unwrap().len(), 2);
        assert_eq!(account.expires.unwrap().to_string(), "2027-01-31");
        assert_eq!(
            account.rates.unwrap().upload.unwrap().get(),
            Some(1_000_000)
        );
        assert_eq!(account.owner.as_ref().unwrap().to_string(), "ann:media");
        let back: Vec<_> = set
            .iter()
            .flat_map(|(option, _)| [*option, "default"])
            .collect();
        taken(&back).unwrap().apply(&mut account);
        let none = (
            &account.access,
            &account.group,
            &account.allow,
            &account.deny,
        );
        assert_eq!(none, (&None, &None, &None, &None));
        assert_eq!((&account.hours, &account.expires), (&None, &None));
        assert_eq!(account.rates, None);
        assert_eq!((&account.keep, account.ring), (&None, None));
        assert_eq!(account.owner, None);
    }

    #[test]
    fn what_is_not_right_is_told_with_what_would_be() {
        for (words, told) in [
            (
                vec!["--access", "some"],
                "write read-write, read-only, drop-box",
            ),
            (vec!["--access", "list", "--read-only"], "not two of them"),
            (vec!["--read-write", "--read-only"], "not two of them"),
            (vec!["--allow", "ten"], "10.0.0.0/8"),
            (vec!["--hours", "always"], "mon-fri 08:00-18:00"),
            (vec!["--expires", "soon"], "2027-01-31"),
            (vec!["--group", "-x"], "is not a user name"),
            (vec!["--keep", "1s"], "at least \"1h\""),
            (vec!["--owner", "root"], "other than root"),
            (vec!["--ring", "yes"], "--ring takes on or off or default"),
            (vec!["--upload-rate", "0"], "at least \"1kB\""),
        ] {
            let said = taken(&words).unwrap_err();
            assert!(said.contains(told), "{words:?}: {said}");
        }
    }
}
