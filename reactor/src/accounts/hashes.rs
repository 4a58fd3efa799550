//! Checks passwords against the hashes of other servers (crypt(5)).

use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64Bcrypt, Base64ShaCrypt, Base64Unpadded, Encoding};
use md5::{Digest, Md5};
use parking_lot::Mutex;
use skiff_conf::{Argon2Variant, PasswordHash, Scheme, ScryptFlavour};
use skiff_vfs::Worker;
use subtle::ConstantTimeEq;
use yescrypt::Mode;
use zeroize::Zeroizing;

/// KiB above which one check waits for another: so many threads never hold much more memory than
/// one does.
const MUCH_MEMORY: u64 = 32 << 10;

static MUCH_MEMORY_USED: Mutex<()> = Mutex::new(());

/// Bytes of a password that bcrypt looks at, its end mark included.
const BCRYPT_MAX: usize = 72;

/// Whether `hash` is that of the password. Takes as long as the hash says; what takes much memory is
/// done by one thread at a time.
pub(crate) fn matches(_worker: &Worker, hash: &PasswordHash, password: &[u8]) -> bool {
    let alone = (hash.memory() > MUCH_MEMORY).then(|| MUCH_MEMORY_USED.lock());
    let found = checksum(hash, password);
    drop(alone);
    let found = found.unwrap_or_default();
    found.as_bytes().ct_eq(hash.checksum().as_bytes()).into()
}

/// What the password gives, as the hash has it at its end; `None` where the crate that computes it
/// takes no such parameters.
fn checksum(hash: &PasswordHash, password: &[u8]) -> Option<String> {
    match hash.scheme() {
        Scheme::Bcrypt { cost, salt } => {
            let sum = bcrypt::bcrypt(*cost, *salt, &bcrypt_key(password));
            Some(Base64Bcrypt::encode_string(&sum[..23]))
        }
        Scheme::Sha256Crypt { rounds, salt } => {
            let rounds = sha_crypt::Params::new(*rounds).ok()?;
            let sum = sha_crypt::sha256_crypt(password, salt.as_bytes(), rounds);
            Some(Base64ShaCrypt::encode_string(&sha_order(&sum, Turn::Left)))
        }
        Scheme::Sha512Crypt { rounds, salt } => {
            let rounds = sha_crypt::Params::new(*rounds).ok()?;
            let sum = sha_crypt::sha512_crypt(password, salt.as_bytes(), rounds);
            Some(Base64ShaCrypt::encode_string(&sha_order(&sum, Turn::Right)))
        }
        Scheme::Argon2(said) => {
            let algorithm = match said.variant {
                Argon2Variant::I => Algorithm::Argon2i,
                Argon2Variant::Id => Algorithm::Argon2id,
            };
            let mut sum = Base64Unpadded::decode_vec(hash.checksum()).ok()?;
            let length = Some(sum.len());
            let params = Params::new(said.memory, said.passes, said.lanes, length).ok()?;
            let argon2 = Argon2::new(algorithm, Version::V0x13, params);
            argon2
                .hash_password_into(password, &said.salt, &mut sum)
                .ok()?;
            Some(Base64Unpadded::encode_string(&sum))
        }
        Scheme::Scrypt(said) => {
            let mode = match said.flavour {
                ScryptFlavour::Yescrypt => Mode::Rw,
                ScryptFlavour::Classic => Mode::Classic,
            };
            let params = yescrypt::Params::new(mode, 1 << said.log_n, said.r, said.p).ok()?;
            let mut sum = [0; 32];
            yescrypt::yescrypt(password, &said.salt, &params, &mut sum).ok()?;
            Some(Base64ShaCrypt::encode_string(&sum))
        }
        Scheme::Md5Crypt { magic, salt } => {
            let sum = md5_crypt(password, magic.as_bytes(), salt.as_bytes());
            Some(Base64ShaCrypt::encode_string(&md5_order(&sum)))
        }
    }
}

/// The password as bcrypt takes it: with the NUL that ends it in C, and no longer than 72 bytes.
fn bcrypt_key(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    key.extend_from_slice(password);
    key.push(0);
    key.truncate(BCRYPT_MAX);
    key
}

/// The sum of md5-crypt, by the steps that FreeBSD's crypt(3) has taken since 1994; `magic` tells
/// `$1$` and `$apr1$` apart.
fn md5_crypt(password: &[u8], magic: &[u8], salt: &[u8]) -> [u8; 16] {
    const ROUNDS: usize = 1000;
    let hash = |parts: &[&[u8]]| -> [u8; 16] {
        let mut md5 = Md5::new();
        parts.iter().for_each(|part| md5.update(part));
        md5.finalize().into()
    };
    let inner = hash(&[password, salt, password]);
    let mut md5 = Md5::new();
    for part in [password, magic, salt] {
        md5.update(part);
    }
    for left in (1..=password.len()).rev().step_by(inner.len()) {
        md5.update(&inner[..left.min(inner.len())]);
    }
    let mut left = password.len();
    while left > 0 {
        match left & 1 {
            1 => md5.update([0]),
            _ => md5.update(&password[..1]),
        }
        left >>= 1;
    }
    let mut sum: [u8; 16] = md5.finalize().into();
    for round in 0..ROUNDS {
        let is_odd = round % 2 == 1;
        let (first, last): (&[u8], &[u8]) = match is_odd {
            true => (password, &sum),
            false => (&sum, password),
        };
        let salt = if round % 3 == 0 { &[] } else { salt };
        let again = if round % 7 == 0 { &[] } else { password };
        sum = hash(&[first, salt, again, last]);
    }
    sum
}

/// The bytes in the order in which they are written: of each three the last first.
fn md5_order(sum: &[u8; 16]) -> [u8; 16] {
    [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11].map(|at: usize| sum[at])
}

/// Which way the three bytes of a group go round from one group to the next.
#[derive(Clone, Copy)]
enum Turn {
    Left,
    Right,
}

/// The bytes in the order in which sha-crypt writes them: one of each third, by turns.
fn sha_order<const N: usize>(sum: &[u8; N], turn: Turn) -> [u8; N] {
    let third = N / 3;
    // What is over is last, and stays where it is.
    let mut ordered = *sum;
    for group in 0..third {
        let mut three = [group + 2 * third, group + third, group];
        match turn {
            Turn::Left => three.rotate_left(group % 3),
            Turn::Right => three.rotate_right(group % 3),
        }
        let written = ordered[3 * group..].iter_mut();
        written.zip(three).for_each(|(to, at)| *to = sum[at]);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "pass wörd";

    /// Made by mkpasswd, htpasswd, pure-pw and ftpasswd of Debian 12.
    const SAMPLES: [&str; 15] = [
        "$y$j9T$QssqEt6UtnuHPc/tDaWsa1$O2E7MN.oIjgl3ZjbcT2/iY6.Yw0R.pPL6fDE2La28HC",
        "$y$j75$l4r6u3M06fOoPPf0AbmPJ/$kShBH5R59UE0.0UvNXcZbjNodsOgb9JOmA1ASm3ujZ/",
        "$2b$05$gATajJDqlEEGa973uihUIOVY2zujQJyCXY1kyH6kEz4z3.DipZP/y",
        "$2a$05$MCRvXgaS3jdlkN4Id.hy4eNH6zqYJQIW4uZXHra88cWpigZ3iA9xS",
        "$2y$05$b1R5ZnIjn6kfzLVLoj2oe.8BRspsTTatfG9FzwGugorPFaewn81Gm",
        "$6$gxIIGskzJg9jZHxe$2pWFnACykgpmApI7PR8D8cOz6JGtwx9gdevOgSCOSUkPMhKkqvOfveTLmXJd3B5fD99y2aUfpNdtcrGz2ZIh7/",
        "$6$rounds=10000$W2vpCaiqr2crkmK/$eWrGcwuagBOAcoW.GLkBXpFqFA9X1/kf.bc08qVuRHT74CwgMyDSWxzL8.nerMQk8.dvWqiBidqrQTjWTuHoc/",
        "$5$ol/ufUbAQlshz/yz$Yy/AWiHpC1jZjbXtxYD8h.dyxth5mV18Jko988CnwC4",
        "$1$BLlc9VeY$anrrG4RNIRnRAfAiF/KDp/",
        "$7$CU..../....7JtampBQmGKP3pm57.7Ah1$YB.nZ8Jps2yqv/19MUiMtHh9TCPwQipYy1XE6uOR4e/",
        "$apr1$3GQ3MZI0$nvzpbqsVs3DabE05DAWbe0",
        "$argon2id$v=19$m=8192,t=511,p=1$3jJxmrWbBf79vuvUvlEvAQ$qY+Ogp1hiZx3YAy4+jYp67q6V7AVbgfeDbQa4WjxlL0",
        "$5$0FPaSHxGP9pAoy6K$ydyV9OcVXbXtuy21YNRxxF5k9uB7OHrRxcBmnt8GcG7",
        "$5$PpkkTnNTSqj6M7rD$tEpLGYw7CC5jjuMWoSR8nl7XBRBghL0w06pA3.y6r74",
        "$6$9XBCwjCM2JfoKwUQ$pLI4tEmISAkOgFW2tt.fBUUc/5WWNmkjRO21OSRojk3zs/gkdBlsbZl63UXLEIbRWpP761ixRR.skk7CYSOO60",
    ];

    fn is_right(hash: &str, password: &str) -> bool {
        let hash = hash.parse().unwrap();
        let password = password.to_owned();
        let checking = Worker::spawn("test", move |worker| {
            matches(worker, &hash, password.as_bytes())
        });
        checking.unwrap().join().unwrap()
    }

    #[test]
    fn hashes_of_other_servers_know_their_password_and_no_other() {
        for hash in SAMPLES {
            assert!(is_right(hash, PASSWORD), "{hash}");
            if !hash.starts_with("$argon2") {
                assert!(!is_right(hash, "pass word"), "{hash}");
            }
        }
    }

    #[test]
    fn a_changed_checksum_is_wrong() {
        for hash in SAMPLES.iter().filter(|hash| !hash.starts_with("$argon2")) {
            let (head, last) = hash.split_at(hash.len() - 2);
            let other = match last.starts_with('a') {
                true => "b",
                false => "a",
            };
            assert!(!is_right(&format!("{head}{other}{}", &last[1..]), PASSWORD));
        }
    }

    /// bcrypt looks at 72 bytes, as the server did that made the hash.
    #[test]
    fn long_passwords() {
        let hash = "$2b$05$XqRH.twvatUKCtA8ckOcLuuqDV1pGZPx5i24QmIJlmMYjUp2U0Zne";
        assert!(is_right(hash, &"x".repeat(100)));
        assert!(is_right(hash, &"x".repeat(72)));
        assert!(!is_right(hash, &"x".repeat(71)));
    }
}
