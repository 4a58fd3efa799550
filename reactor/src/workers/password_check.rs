//! [`PasswordCheck`]: a password that is being checked.

use std::sync::Arc;

/// Counts as a failed login of its user and its network until it is dropped, which is to be done
/// once the outcome was recorded.
#[derive(Default)]
pub(crate) struct PasswordCheck {
    _of_user: Arc<()>,
    _of_network: Arc<()>,
}

impl PasswordCheck {
    pub(crate) fn new(of_user: &Arc<()>, of_network: &Arc<()>) -> Self {
        Self {
            _of_user: Arc::clone(of_user),
            _of_network: Arc::clone(of_network),
        }
    }
}
