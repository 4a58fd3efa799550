//! Translates what the settings say of an account into the terms that its sessions know.

use std::num::NonZeroU64;

use skiff_conf::{Account, Server, UserName};
use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::rights::{Grant, Permissions, Right, Rights};
use skiff_sessions::server::terms::{CloseNotify, LostControl, Rates, StreamRules, Terms};

use super::shared_folders::path_of;

/// What the account may do.
pub(super) fn terms(config: &Server, name: &UserName, account: &Account) -> Terms {
    let rule = |(folder, access): (&skiff_conf::FolderPath, &skiff_conf::Access)| {
        let path = PathArg::new(folder.as_str())?;
        let folder = VirtualPath::root().join(&path).ok()?;
        Some((folder, grant(access)))
    };
    let folders = account.folders.iter().filter_map(rule);
    let shared = config.folders.iter();
    let shared = shared.filter(|(_, folder)| folder.is_for(name, account));
    let jails = shared.filter_map(|(at, folder)| Some((path_of(at)?, grant(&folder.access))));
    Terms {
        permissions: Permissions::new(grant(account.access()), folders).with_jails(jails),
        streams: stream_rules(config, account),
        user_rates: rates(account.rates.unwrap_or_default().or(config.rates.user)),
        session_rates: rates(
            account
                .session_rates
                .unwrap_or_default()
                .or(config.rates.session),
        ),
    }
}

/// The rates as sessions have them.
pub(crate) fn rates(rates: skiff_conf::Rates) -> Rates {
    let limit = |rate: Option<skiff_conf::Rate>| NonZeroU64::new(rate?.get()?);
    Rates {
        upload: limit(rates.upload),
        download: limit(rates.download),
    }
}

fn grant(access: &skiff_conf::Access) -> Grant {
    match access {
        skiff_conf::Access::ReadWrite => Grant::ALL,
        skiff_conf::Access::ReadOnly => Grant::READING,
        skiff_conf::Access::DropBox => Grant::DROP_BOX,
        skiff_conf::Access::Rights(rights) => {
            let each = rights
                .iter()
                .map(|right| Rights::of(&[self::right(*right)]));
            Grant::of(each.fold(Rights::NONE, Rights::with))
        }
    }
}

fn right(right: skiff_conf::Right) -> Right {
    match right {
        skiff_conf::Right::List => Right::List,
        skiff_conf::Right::Get => Right::Get,
        skiff_conf::Right::Put => Right::Put,
        skiff_conf::Right::Replace => Right::Replace,
        skiff_conf::Right::Append => Right::Append,
        skiff_conf::Right::Delete => Right::Delete,
        skiff_conf::Right::Mkdir => Right::MakeDirectory,
        skiff_conf::Right::Rmdir => Right::RemoveDirectory,
        skiff_conf::Right::Rename => Right::Rename,
    }
}

fn stream_rules(config: &Server, account: &Account) -> StreamRules {
    let close_notify = account
        .data_close_notify
        .unwrap_or(config.ftp.data_close_notify);
    let lost_control = account
        .publish_on_lost_control
        .unwrap_or(config.ftp.publish_on_lost_control);
    StreamRules {
        close_notify: match close_notify {
            skiff_conf::CloseNotify::Require => CloseNotify::Required,
            skiff_conf::CloseNotify::Prefer => CloseNotify::Preferred,
            skiff_conf::CloseNotify::Warn => CloseNotify::Optional,
        },
        lost_control: match lost_control {
            skiff_conf::LostControl::Discard => LostControl::SuspendUpload,
            skiff_conf::LostControl::Publish => LostControl::PublishUpload,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_of_the_settings_is_the_one_of_that_name() {
        for (settings, session) in skiff_conf::Right::ALL.into_iter().zip(Right::ALL) {
            assert_eq!(settings.name(), session.name());
            assert_eq!(right(settings), session);
        }
    }
}
