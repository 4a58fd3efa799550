//! Which ciphers TLS may use, and in which order: the one that this processor does fastest first.

use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, SupportedCipherSuite};

/// Whether the processor has instructions for AES and for GCM's product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aes {
    Instructions,
    Software,
}

impl Aes {
    /// Of the processor that this runs on.
    pub fn here() -> Self {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let has = std::arch::is_x86_feature_detected!("aes")
            && std::arch::is_x86_feature_detected!("pclmulqdq");
        #[cfg(target_arch = "aarch64")]
        let has = std::arch::is_aarch64_feature_detected!("aes")
            && std::arch::is_aarch64_feature_detected!("pmull");
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
        let has = false;
        match has {
            true => Self::Instructions,
            false => Self::Software,
        }
    }
}

/// ring's algorithms, the suites in the order of what they cost where AES is done so.
pub fn provider(aes: Aes) -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| cost(*suite, aes));
    provider
}

/// 0 is the cheapest. AES-128 is the one that every end must have (RFC 8446 section 9.1), with ten
/// rounds for the fourteen of AES-256; ChaCha20 is made for plain instructions (RFC 8439).
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

    fn order(aes: Aes) -> Vec<CipherSuite> {
        let suites = provider(aes).cipher_suites;
        suites.iter().map(SupportedCipherSuite::suite).collect()
    }

    fn of_tls13(aes: Aes) -> Vec<CipherSuite> {
        let suites = provider(aes).cipher_suites.into_iter();
        let tls13 = suites.filter(|suite| suite.tls13().is_some());
        tls13.map(|suite| suite.suite()).collect()
    }

    #[test]
    fn what_the_processor_does_fastest_comes_first() {
        let aes128 = CipherSuite::TLS13_AES_128_GCM_SHA256;
        let aes256 = CipherSuite::TLS13_AES_256_GCM_SHA384;
        let chacha = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
        assert_eq!(of_tls13(Aes::Instructions), [aes128, aes256, chacha]);
        assert_eq!(of_tls13(Aes::Software), [chacha, aes128, aes256]);
    }

    #[test]
    fn no_suite_is_lost_and_those_of_tls_1_2_are_in_order_too() {
        let known = ring::default_provider().cipher_suites;
        for aes in [Aes::Instructions, Aes::Software] {
            let costs: Vec<_> = provider(aes)
                .cipher_suites
                .iter()
                .map(|&s| cost(s, aes))
                .collect();
            assert!(costs.is_sorted(), "{:?}", order(aes));
            assert!(
                known
                    .iter()
                    .all(|suite| order(aes).contains(&suite.suite()))
            );
        }
    }
}
