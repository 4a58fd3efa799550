//! Detects the processor's instructions for SHA-256 and AES-GCM.

pub(crate) use self::instructions::{has_aes_gcm, has_sha256};

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod instructions {
    use std::arch::is_x86_feature_detected;

    pub(crate) fn has_sha256() -> bool {
        is_x86_feature_detected!("sha")
    }

    pub(crate) fn has_aes_gcm() -> bool {
        is_x86_feature_detected!("aes") && is_x86_feature_detected!("pclmulqdq")
    }
}

#[cfg(target_arch = "aarch64")]
mod instructions {
    use std::arch::is_aarch64_feature_detected;

    pub(crate) fn has_sha256() -> bool {
        is_aarch64_feature_detected!("sha2")
    }

    pub(crate) fn has_aes_gcm() -> bool {
        is_aarch64_feature_detected!("aes") && is_aarch64_feature_detected!("pmull")
    }
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
mod instructions {
    pub(crate) fn has_sha256() -> bool {
        false
    }

    pub(crate) fn has_aes_gcm() -> bool {
        false
    }
}
