//! Defines [`Terms`]: what an account may do, resolved once at its login, and replaced as a whole when
//! the operator changes it.

use core::num::NonZeroU64;

use crate::rights::Permissions;

/// What an account may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    pub permissions: Permissions,
    pub streams: StreamRules,
    /// Of all sessions of the user together.
    pub user_rates: Rates,
    pub session_rates: Rates,
}

impl From<Permissions> for Terms {
    fn from(permissions: Permissions) -> Self {
        Self {
            permissions,
            streams: StreamRules::default(),
            user_rates: Rates::NONE,
            session_rates: Rates::NONE,
        }
    }
}

/// Bytes of files that may flow in a second; `None`: as many as come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    pub upload: Option<NonZeroU64>,
    pub download: Option<NonZeroU64>,
}

impl Rates {
    pub const NONE: Self = Self {
        upload: None,
        download: None,
    };
}

/// How an account's streams may end, by the operator's settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamRules {
    pub close_notify: CloseNotify,
    pub lost_control: LostControl,
}

/// Whether an upload under TLS must end with close_notify.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CloseNotify {
    Required,
    /// It may be missing where the control connection shows that the client lives.
    #[default]
    Preferred,
    /// It may be missing, which is logged.
    Optional,
}

/// What becomes of an upload whose control connection ends before it, without QUIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LostControl {
    /// It stops, and its stage stays.
    #[default]
    SuspendUpload,
    /// It goes on and is published: some cameras hang up like this.
    PublishUpload,
}
