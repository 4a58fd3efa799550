//! What a client's certificate is for: whether it is the account's, and what the account asks for.

use skiff_conf::{Account, CertificateRule};

/// A certificate that a client has shown.
pub(crate) trait Shown {
    /// Its SHA-256.
    fn fingerprint(&self) -> [u8; 32];

    /// Whether its subject has this name.
    fn names(&self, user: &str) -> bool;
}

/// `None` where the client has shown none.
pub(crate) type MaybeShown<'a> = Option<&'a dyn Shown>;

/// Whether the certificate is that of the account of `user`.
fn is_own(account: &Account, user: &str, shown: MaybeShown<'_>) -> bool {
    shown.is_some_and(|shown| match account.certificate_fingerprint {
        Some(own) => own == shown.fingerprint().into(),
        None => shown.names(user),
    })
}

/// Whether who has proven the password may log in.
pub(super) fn admits(account: &Account, user: &str, shown: MaybeShown<'_>) -> bool {
    match account.certificate() {
        CertificateRule::Off | CertificateRule::Instead => true,
        CertificateRule::Required => is_own(account, user, shown),
    }
}

/// Whether the certificate stands for the password.
pub(super) fn stands_for_password(account: &Account, user: &str, shown: MaybeShown<'_>) -> bool {
    match account.certificate() {
        CertificateRule::Off | CertificateRule::Required => false,
        CertificateRule::Instead => is_own(account, user, shown),
    }
}

#[cfg(test)]
mod tests {
    use skiff_conf::{Iterations, Verifier};

    use super::*;

    struct Certificate(&'static str);

    impl Shown for Certificate {
        fn fingerprint(&self) -> [u8; 32] {
            [self.0.len() as u8; 32]
        }

        fn names(&self, user: &str) -> bool {
            self.0 == user
        }
    }

    #[test]
    fn a_rule_asks_for_the_accounts_own_certificate() {
        let mut account = Account::new(Verifier {
            salt: vec![7; 16],
            iterations: Iterations::DEFAULT,
            stored_key: [11; 32],
            server_key: [13; 32],
        });
        let (tom, jerry) = (Certificate("tom"), Certificate("jerry"));
        let (tom, jerry): (&dyn Shown, &dyn Shown) = (&tom, &jerry);
        let jerrys = Some([5; 32].into());
        for (rule, fingerprint, shown, expected) in [
            (CertificateRule::Off, None, None, (true, false)),
            (CertificateRule::Off, None, Some(tom), (true, false)),
            (CertificateRule::Required, None, None, (false, false)),
            (CertificateRule::Required, None, Some(jerry), (false, false)),
            (CertificateRule::Required, None, Some(tom), (true, false)),
            (CertificateRule::Required, jerrys, Some(tom), (false, false)),
            (
                CertificateRule::Required,
                jerrys,
                Some(jerry),
                (true, false),
            ),
            (CertificateRule::Instead, None, None, (true, false)),
            (CertificateRule::Instead, None, Some(jerry), (true, false)),
            (CertificateRule::Instead, None, Some(tom), (true, true)),
            (CertificateRule::Instead, jerrys, Some(tom), (true, false)),
            (CertificateRule::Instead, jerrys, Some(jerry), (true, true)),
        ] {
            account.certificate = Some(rule);
            account.certificate_fingerprint = fingerprint;
            let found = (
                admits(&account, "tom", shown),
                stands_for_password(&account, "tom", shown),
            );
            assert_eq!(found, expected, "{rule:?} {fingerprint:?}");
        }
    }
}
