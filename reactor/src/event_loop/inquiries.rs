//! Has passwords asked about whose users only the authenticator knows.

use std::time::Instant;

use super::shared::Shared;
use crate::workers::inquiry::{CheckedBy, Forwarded};

impl Shared {
    /// Submits the question; the check of the password goes on, and waits from now.
    pub(crate) fn submit_inquiry(&mut self, asked: Forwarded, now: Instant) {
        let Forwarded {
            connection,
            id,
            mut request,
            check,
        } = asked;
        (request.checked_by, request.since) = (CheckedBy::Authenticator, now);
        let kind = request.kind();
        let item = self.job(connection, id, request, check);
        self.pool.submit(kind, item);
    }
}
