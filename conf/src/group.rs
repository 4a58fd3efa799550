//! [`Group`]: what several accounts of `users.ron` have in common.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::access::{Access, FolderPath};
use crate::account::{Account, CertificateRule, FtpAccess, PasswordRight};
use crate::address::Network;
use crate::file_owner::FileOwner;
use crate::ftp::{CloseNotify, LostControl};
use crate::quota::{ByteQuota, EntryQuota};
use crate::rates::Rates;
use crate::retention::{Age, WhenFull};
use crate::schedule::Hours;

/// What accounts inherit that name this group; each key means what it means in an [`Account`], and
/// holds where the account has none of its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<ByteQuota>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<EntryQuota>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub folders: BTreeMap<FolderPath, Access>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<Network>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<Vec<Network>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Age>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<WhenFull>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_rates: Option<Rates>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<FileOwner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Vec<Hours>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ftp: Option<FtpAccess>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passwd: Option<PasswordRight>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_close_notify: Option<CloseNotify>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_on_lost_control: Option<LostControl>,
}

impl Account {
    /// The account with what it has from `group`. A new key of a group does not compile until it is
    /// inherited here.
    pub(crate) fn inheriting(&self, group: &Group) -> Self {
        let Group {
            home,
            quota,
            entries,
            access,
            folders,
            allow,
            deny,
            keep,
            ring,
            rates,
            session_rates,
            owner,
            hours,
            ftp,
            certificate,
            passwd,
            data_close_notify,
            publish_on_lost_control,
        } = group;
        let mut all = self.clone();
        inherit(&mut all.home, home);
        inherit(&mut all.quota, quota);
        inherit(&mut all.entries, entries);
        inherit(&mut all.access, access);
        inherit(&mut all.allow, allow);
        inherit(&mut all.deny, deny);
        inherit(&mut all.keep, keep);
        inherit(&mut all.ring, ring);
        inherit(&mut all.rates, rates);
        inherit(&mut all.session_rates, session_rates);
        inherit(&mut all.owner, owner);
        inherit(&mut all.hours, hours);
        inherit(&mut all.ftp, ftp);
        inherit(&mut all.certificate, certificate);
        inherit(&mut all.passwd, passwd);
        inherit(&mut all.data_close_notify, data_close_notify);
        inherit(&mut all.publish_on_lost_control, publish_on_lost_control);
        for (folder, access) in folders {
            let own = all.folders.entry(folder.clone());
            own.or_insert_with(|| access.clone());
        }
        all
    }
}

fn inherit<T: Clone>(own: &mut Option<T>, of_group: &Option<T>) {
    if own.is_none() {
        own.clone_from(of_group);
    }
}
