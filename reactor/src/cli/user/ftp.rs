//! The FTP options of `user add` and `user set`.

use pico_args::Arguments;
use skiff_conf::{Account, CertificateRule, CloseNotify, Fingerprint, FtpAccess, LostControl};

use super::choice::take_one_of;
use super::own::{Own, parse_own};
use crate::cli::failure::Failure;

/// Changes to an account's FTP settings; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct FtpChanges {
    access: Option<FtpAccess>,
    certificate: Option<CertificateRule>,
    fingerprint: Option<Own<Fingerprint>>,
    close_notify: Option<Own<CloseNotify>>,
    lost_control: Option<Own<LostControl>>,
}

impl FtpChanges {
    pub(super) fn take(words: &mut Arguments) -> Result<Self, Failure> {
        Ok(Self {
            access: take_one_of(
                words,
                "--ftp",
                &[("on", FtpAccess::Allowed), ("off", FtpAccess::Refused)],
            )?,
            certificate: take_one_of(
                words,
                "--certificate",
                &[
                    ("off", CertificateRule::Off),
                    ("required", CertificateRule::Required),
                    ("instead", CertificateRule::Instead),
                ],
            )?,
            fingerprint: words.opt_value_from_fn("--certificate-fingerprint", parse_own)?,
            close_notify: take_one_of(
                words,
                "--data-close-notify",
                &[
                    ("require", Own::Set(CloseNotify::Require)),
                    ("prefer", Own::Set(CloseNotify::Prefer)),
                    ("warn", Own::Set(CloseNotify::Warn)),
                    ("default", Own::Default),
                ],
            )?,
            lost_control: take_one_of(
                words,
                "--publish-on-lost-control",
                &[
                    ("on", Own::Set(LostControl::Publish)),
                    ("off", Own::Set(LostControl::Discard)),
                    ("default", Own::Default),
                ],
            )?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn apply(&self, account: &mut Account) {
        if let Some(access) = self.access {
            account.ftp = Some(access);
        }
        if let Some(certificate) = self.certificate {
            account.certificate = Some(certificate);
        }
        if let Some(fingerprint) = self.fingerprint {
            account.certificate_fingerprint = fingerprint.value();
        }
        if let Some(close_notify) = self.close_notify {
            account.data_close_notify = close_notify.value();
        }
        if let Some(lost_control) = self.lost_control {
            account.publish_on_lost_control = lost_control.value();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::user::verifier;

    fn taken(line: &str) -> Result<FtpChanges, String> {
        let words = line.split_whitespace().map(OsString::from).collect();
        FtpChanges::take(&mut Arguments::from_vec(words)).map_err(|failure| failure.to_string())
    }

    fn said(account: &Account) -> (FtpAccess, Option<CloseNotify>, Option<LostControl>) {
        (
            account.ftp(),
            account.data_close_notify,
            account.publish_on_lost_control,
        )
    }

    #[test]
    fn words_become_rights() {
        let mut account = Account::new(verifier("123", skiff_conf::Iterations::MIN).unwrap());
        for (line, expected) in [
            ("", (FtpAccess::Allowed, None, None)),
            (
                "--ftp off --data-close-notify warn --publish-on-lost-control on",
                (
                    FtpAccess::Refused,
                    Some(CloseNotify::Warn),
                    Some(LostControl::Publish),
                ),
            ),
            (
                "--data-close-notify require",
                (
                    FtpAccess::Refused,
                    Some(CloseNotify::Require),
                    Some(LostControl::Publish),
                ),
            ),
            (
                "--data-close-notify prefer --publish-on-lost-control default",
                (FtpAccess::Refused, Some(CloseNotify::Prefer), None),
            ),
            (
                "--ftp on --data-close-notify default --publish-on-lost-control off",
                (FtpAccess::Allowed, None, Some(LostControl::Discard)),
            ),
        ] {
            let changes = taken(line).unwrap();
            assert_eq!(changes.is_empty(), line.is_empty());
            changes.apply(&mut account);
            assert_eq!(said(&account), expected, "{line:?}");
        }
    }

    #[test]
    fn other_words_are_refused_with_the_right_ones() {
        for (line, expected) in [
            ("--ftp no", "--ftp takes on or off"),
            (
                "--data-close-notify off",
                "--data-close-notify takes require or prefer or warn or default",
            ),
            (
                "--publish-on-lost-control true",
                "--publish-on-lost-control takes on or off or default",
            ),
            ("--ftp", "--ftp"),
        ] {
            let message = taken(line).unwrap_err();
            assert!(message.contains(expected), "{line:?}: {message}");
        }
    }
}
