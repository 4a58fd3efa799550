//! What is told of the certificates' dates.

use time::OffsetDateTime;

use super::shared::Shared;

impl Shared {
    /// Warns of certificates that have expired or are about to.
    pub(crate) fn warn_of_certificate(&self) {
        for warning in self.validities.warnings(OffsetDateTime::now_utc()) {
            log::warn!("{warning}");
        }
    }

    /// Of the first one that expires, in seconds since 1970.
    pub(crate) fn certificate_expiry(&self) -> Option<u64> {
        let until = self.validities.first_end()?.unix_timestamp();
        u64::try_from(until).ok()
    }
}
