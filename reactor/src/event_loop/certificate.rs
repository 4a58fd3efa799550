//! What is told of the certificate's dates.

use time::OffsetDateTime;

use super::shared::Shared;

impl Shared {
    /// Warns of a certificate that has expired or is about to.
    pub(crate) fn warn_of_certificate(&self) {
        let validity = self.validity;
        if let Some(warning) = validity.and_then(|dates| dates.warning(OffsetDateTime::now_utc())) {
            log::warn!("{warning}");
        }
    }

    /// In seconds since 1970.
    pub(crate) fn certificate_expiry(&self) -> Option<u64> {
        let until = self.validity?.until.unix_timestamp();
        u64::try_from(until).ok()
    }
}
