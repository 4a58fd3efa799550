//! [`QuotaRules`]: the `quota` section of `server.ron`, and [`Allowance`]: what one user gets.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::name::UserName;
use crate::units::Bytes;
use crate::users;

/// The `quota` section of `server.ron`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaRules {
    /// Bytes for each user without a rule of its own.
    pub default: Bytes,
    /// Files, directories and links for each user.
    pub entries: u64,
    /// Bytes for these users.
    #[serde(deserialize_with = "users::unique")]
    pub users: BTreeMap<UserName, Bytes>,
}

impl Default for QuotaRules {
    fn default() -> Self {
        Self {
            default: Bytes::new(400_000_000),
            entries: 1_000_000,
            users: BTreeMap::new(),
        }
    }
}

/// What one user may store in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub bytes: Bytes,
    /// Files, directories and links.
    pub entries: u64,
}
