//! Orders TLS cipher suites by their cost on this processor, the cheapest first.

use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, SupportedCipherSuite};

use crate::cpu_features;

/// How AES-GCM is computed: by the processor's instructions for AES and carry-less multiplication,
/// or in software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aes {
    Instructions,
    Software,
}

impl Aes {
    /// Asks the processor that this runs on.
    pub fn detect() -> Self {
        match cpu_features::has_aes_gcm() {
            true => Self::Instructions,
            false => Self::Software,
        }
    }
}

/// ring's crypto provider, with the cipher suites in the order of their cost for `aes`.
pub fn provider(aes: Aes) -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| cost(*suite, aes));
    provider
}

/// The rank of a suite, 0 for the cheapest. AES-128 is the one that every end must have (RFC 8446
/// section 9.1), with ten rounds to the fourteen of AES-256; ChaCha20 is made for plain
/// instructions (RFC 8439).
fn cost(suite: SupportedCipherSuite, aes: Aes) -> u8 {
    let (with_instructions, in_software) = match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => (0, 1),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => (2, 0),
        _ => (1, 2),
    };
    match aes {
        Aes::Instructions => with_instructions,
        Aes::Software => in_software,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AES_128: [CipherSuite; 3] = [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ];
    const AES_256: [CipherSuite; 3] = [
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ];
    const CHACHA20: [CipherSuite; 3] = [
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];

    fn order(aes: Aes) -> Vec<CipherSuite> {
        let suites = provider(aes).cipher_suites;
        suites.iter().map(SupportedCipherSuite::suite).collect()
    }

    #[test]
    fn what_the_processor_does_fastest_comes_first_and_no_suite_is_lost() {
        assert_eq!(
            order(Aes::Instructions),
            [AES_128, AES_256, CHACHA20].concat()
        );
        assert_eq!(order(Aes::Software), [CHACHA20, AES_128, AES_256].concat());
    }
}
