//! [`PasswordHash`]: a password as other servers keep it (crypt(5)), with bounds on what a check of
//! it costs.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64Bcrypt, Base64ShaCrypt, Base64Unpadded, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, Zeroizing};

/// The longest hash that is looked at; those of crypt(5) have 40 to 130 characters.
const LONGEST: usize = 512;

/// Powers of two of bcrypt's rounds: the last one takes some seconds.
const BCRYPT_COST: std::ops::RangeInclusive<u32> = 4..=16;

/// Rounds of sha256-crypt and sha512-crypt: the last one takes some seconds.
const SHA_ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=5_000_000;

/// Rounds of a sha-crypt hash that names none (crypt(5)).
const SHA_ROUNDS_UNSAID: u32 = 5_000;

/// KiB of memory that one check may take.
const MEMORY_MAX: u64 = 256 << 10;

/// KiB that one check may go over, all passes together: some seconds.
const MEMORY_PASSES_MAX: u64 = 8 << 20;

/// Threads' worth of work; they are done one after the other.
const LANES_MAX: u32 = 16;

/// A hash of another server's user store, which checks a password but is not shown, and is wiped
/// when it is dropped.
#[derive(Clone)]
pub struct PasswordHash {
    text: Zeroizing<String>,
    scheme: Scheme,
}

/// How a hash is computed, and from what besides the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt { cost: u32, salt: [u8; 16] },
    /// `$5$`.
    Sha256Crypt { rounds: u32, salt: String },
    /// `$6$`.
    Sha512Crypt { rounds: u32, salt: String },
    /// `$argon2id$` and `$argon2i$`.
    Argon2(Argon2),
    /// `$y$` and `$7$`.
    Scrypt(Scrypt),
    /// `$1$` and `$apr1$`.
    Md5Crypt { magic: &'static str, salt: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argon2 {
    pub variant: Argon2Variant,
    /// KiB of memory.
    pub memory: u32,
    pub passes: u32,
    pub lanes: u32,
    pub salt: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argon2Variant {
    I,
    Id,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrypt {
    pub flavour: ScryptFlavour,
    /// The power of two of N.
    pub log_n: u32,
    pub r: u32,
    pub p: u32,
    pub salt: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScryptFlavour {
    /// yescrypt with the flags that libcrypt sets.
    Yescrypt,
    /// scrypt as of RFC 7914.
    Classic,
}

/// Why a text is no hash that can be checked here. It quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHash {
    #[error(
        "this is no hash that is known here; known are bcrypt ($2y$), sha256-crypt ($5$), \
         sha512-crypt ($6$), argon2id ($argon2id$), yescrypt ($y$), scrypt ($7$) and md5-crypt \
         ($1$, $apr1$)"
    )]
    Unknown,
    #[error("this is no whole {0} hash; copy it again, with all its characters")]
    Broken(&'static str),
    #[error("{what} of this {scheme} hash is {found}, and may be {range}")]
    Cost {
        scheme: &'static str,
        what: &'static str,
        found: u64,
        range: String,
    },
    #[error("this account is locked: its password begins with {0:?}; leave it out, or give it one")]
    Locked(char),
}

impl PasswordHash {
    /// The hash as other servers write it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// What a right password gives, as it stands at the end of the hash.
    pub fn checksum(&self) -> &str {
        match self.scheme {
            Scheme::Bcrypt { .. } => &self.text[BCRYPT_HEAD..],
            _ => self.text.rsplit('$').next().unwrap_or_default(),
        }
    }

    /// KiB of memory that a check takes.
    pub fn memory(&self) -> u64 {
        match &self.scheme {
            Scheme::Argon2(argon2) => argon2.memory.into(),
            Scheme::Scrypt(scrypt) => scrypt.memory(),
            _ => 0,
        }
    }
}

impl Scrypt {
    /// KiB: 128 * N * r bytes.
    fn memory(&self) -> u64 {
        (u64::from(self.r) << self.log_n) / 8
    }
}

/// Characters of a bcrypt hash before its checksum: `$2y$05$` and the salt.
const BCRYPT_HEAD: usize = 29;
const BCRYPT_LENGTH: usize = 60;

impl FromStr for PasswordHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        if let Some(mark) = text.chars().next().filter(|mark| matches!(mark, '!' | '*')) {
            return Err(BadHash::Locked(mark));
        }
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadHash::Unknown);
        }
        let mut fields = text.split('$');
        let before = fields.next();
        let id = fields.next().filter(|_| before == Some(""));
        let fields: Vec<&str> = fields.collect();
        let scheme = match id {
            Some("2a" | "2b" | "2y") => bcrypt(text, &fields),
            Some("5") => sha_crypt("sha256-crypt", &fields, 43)
                .map(|(rounds, salt)| Scheme::Sha256Crypt { rounds, salt }),
            Some("6") => sha_crypt("sha512-crypt", &fields, 86)
                .map(|(rounds, salt)| Scheme::Sha512Crypt { rounds, salt }),
            Some("argon2id") => argon2(Argon2Variant::Id, &fields).map(Scheme::Argon2),
            Some("argon2i") => argon2(Argon2Variant::I, &fields).map(Scheme::Argon2),
            Some("y") => yescrypt(&fields).map(Scheme::Scrypt),
            Some("7") => scrypt(&fields).map(Scheme::Scrypt),
            Some("1") => md5_crypt("$1$", &fields),
            Some("apr1") => md5_crypt("$apr1$", &fields),
            _ => Err(BadHash::Unknown),
        };
        Ok(Self {
            scheme: scheme?,
            text: Zeroizing::new(text.to_owned()),
        })
    }
}

fn require<T: Copy + PartialOrd + Into<u64>>(
    scheme: &'static str,
    what: &'static str,
    found: T,
    range: &std::ops::RangeInclusive<T>,
) -> Result<T, BadHash> {
    match range.contains(&found) {
        true => Ok(found),
        false => Err(BadHash::Cost {
            scheme,
            what,
            found: found.into(),
            range: format!(
                "{} to {}",
                Into::<u64>::into(*range.start()),
                Into::<u64>::into(*range.end())
            ),
        }),
    }
}

fn bcrypt(text: &str, fields: &[&str]) -> Result<Scheme, BadHash> {
    let broken = BadHash::Broken("bcrypt");
    let [cost, rest] = fields[..] else {
        return Err(broken);
    };
    let is_two_digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() != BCRYPT_LENGTH || !is_two_digits || !is_crypt(rest) {
        return Err(broken);
    }
    let cost = cost.parse().map_err(|_| broken.clone())?;
    let cost = require("bcrypt", "the cost", cost, &BCRYPT_COST)?;
    let mut salt = [0; 16];
    let salt_text = &text[BCRYPT_HEAD - 22..BCRYPT_HEAD];
    Base64Bcrypt::decode(salt_text, &mut salt).map_err(|_| broken)?;
    Ok(Scheme::Bcrypt { cost, salt })
}

fn sha_crypt(
    name: &'static str,
    fields: &[&str],
    checksum: usize,
) -> Result<(u32, String), BadHash> {
    let broken = BadHash::Broken(name);
    let (rounds, salt, sum) = match fields[..] {
        [salt, sum] => (SHA_ROUNDS_UNSAID, salt, sum),
        [rounds, salt, sum] => {
            let rounds = rounds.strip_prefix("rounds=").and_then(number);
            (rounds.ok_or_else(|| broken.clone())?, salt, sum)
        }
        _ => return Err(broken),
    };
    let rounds = require(name, "the number of rounds", rounds, &SHA_ROUNDS)?;
    match salt.len() <= 16 && sum.len() == checksum && is_crypt(sum) {
        true => Ok((rounds, salt.to_owned())),
        false => Err(broken),
    }
}

fn md5_crypt(magic: &'static str, fields: &[&str]) -> Result<Scheme, BadHash> {
    match fields[..] {
        [salt, sum] if salt.len() <= 8 && sum.len() == 22 && is_crypt(sum) => {
            let salt = salt.to_owned();
            Ok(Scheme::Md5Crypt { magic, salt })
        }
        _ => Err(BadHash::Broken("md5-crypt")),
    }
}

/// Reads `v=19`, `m=65536,t=3,p=4`, the salt and the checksum.
fn argon2(variant: Argon2Variant, fields: &[&str]) -> Result<Argon2, BadHash> {
    let broken = || BadHash::Broken("argon2");
    let [version, costs, salt, sum] = fields[..] else {
        return Err(broken());
    };
    let mut costs = costs.split(',');
    let mut cost = |key: &str| {
        let value = costs.next()?.strip_prefix(key)?.strip_prefix('=')?;
        number(value)
    };
    let (memory, passes, lanes) = (cost("m"), cost("t"), cost("p"));
    let (Some(memory), Some(passes), Some(lanes)) = (memory, passes, lanes) else {
        return Err(broken());
    };
    let lanes = require("argon2", "the parallelism", lanes, &(1..=LANES_MAX))?;
    let range = u64::from(8 * lanes)..=MEMORY_MAX;
    require("argon2", "the memory in KiB", memory.into(), &range)?;
    let most = (MEMORY_PASSES_MAX / u64::from(memory)).max(1);
    require("argon2", "the number of passes", passes.into(), &(1..=most))?;
    let salt = Base64Unpadded::decode_vec(salt).map_err(|_| broken())?;
    let sum = Base64Unpadded::decode_vec(sum).map_err(|_| broken())?;
    let lengths = (8..=64).contains(&salt.len()) && (16..=64).contains(&sum.len());
    match version == "v=19" && costs.next().is_none() && lengths {
        true => Ok(Argon2 {
            variant,
            memory,
            passes,
            lanes,
            salt,
        }),
        false => Err(broken()),
    }
}

/// Reads the parameters that libcrypt writes, `j9T`: the flavour, N and r. Those with more, which
/// take a letter of their own, it never writes.
fn yescrypt(fields: &[&str]) -> Result<Scrypt, BadHash> {
    let broken = || BadHash::Broken("yescrypt");
    let [parameters, salt, sum] = fields[..] else {
        return Err(broken());
    };
    let [b'j', n, r] = parameters.as_bytes()[..] else {
        return Err(broken());
    };
    let (n, r) = (crypt_digit(n), crypt_digit(r));
    let (Some(n), Some(r)) = (n.filter(|n| *n < 48), r.filter(|r| *r < 48)) else {
        return Err(broken());
    };
    let salt = Base64ShaCrypt::decode_vec(salt).map_err(|_| broken())?;
    if sum.len() != 43 || !is_crypt(sum) || salt.len() > 64 {
        return Err(broken());
    }
    bounded(
        "yescrypt",
        Scrypt {
            flavour: ScryptFlavour::Yescrypt,
            log_n: n + 1,
            r: r + 1,
            p: 1,
            salt,
        },
    )
}

/// Reads N as one character, r and p as five each, and the salt, which is taken as it stands.
fn scrypt(fields: &[&str]) -> Result<Scrypt, BadHash> {
    let broken = || BadHash::Broken("scrypt");
    let [head, sum] = fields[..] else {
        return Err(broken());
    };
    let Some((parameters, salt)) = head.as_bytes().split_at_checked(11) else {
        return Err(broken());
    };
    // The least significant digit comes first.
    let five = |digits: &[u8]| {
        let mut digits = digits.iter().rev().map(|digit| crypt_digit(*digit));
        digits.try_fold(0, |sum, digit| Some(sum << 6 | digit?))
    };
    let n = crypt_digit(parameters[0]);
    let (Some(log_n), Some(r), Some(p)) = (n, five(&parameters[1..6]), five(&parameters[6..]))
    else {
        return Err(broken());
    };
    if sum.len() != 43 || !is_crypt(sum) {
        return Err(broken());
    }
    bounded(
        "scrypt",
        Scrypt {
            flavour: ScryptFlavour::Classic,
            log_n,
            r,
            p,
            salt: salt.to_owned(),
        },
    )
}

fn bounded(scheme: &'static str, scrypt: Scrypt) -> Result<Scrypt, BadHash> {
    // 2^21 blocks of 128 bytes are all the memory that is allowed.
    require(
        scheme,
        "the power of two of N",
        scrypt.log_n,
        &if scrypt.flavour == ScryptFlavour::Yescrypt {
            // yescrypt fills its tables from blocks that need as many.
            7..=21
        } else {
            1..=21
        },
    )?;
    require(scheme, "r", scrypt.r, &(1..=1024))?;
    require(scheme, "p", scrypt.p, &(1..=LANES_MAX))?;
    let memory = scrypt.memory();
    require(scheme, "the memory in KiB", memory, &(0..=MEMORY_MAX))?;
    let passes = memory * u64::from(scrypt.p);
    require(
        scheme,
        "the memory in KiB, p times,",
        passes,
        &(0..=MEMORY_PASSES_MAX / 4),
    )?;
    Ok(scrypt)
}

fn number(text: &str) -> Option<u32> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a u32 has are too many for every range.
    is_digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// The value of a digit of crypt(5)'s base64.
fn crypt_digit(digit: u8) -> Option<u32> {
    let value = match digit {
        b'.'..=b'9' => digit - b'.',
        b'A'..=b'Z' => digit - b'A' + 12,
        b'a'..=b'z' => digit - b'a' + 38,
        _ => return None,
    };
    Some(value.into())
}

fn is_crypt(text: &str) -> bool {
    text.bytes().all(|digit| crypt_digit(digit).is_some())
}

/// Shows which kind it is.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.text.split('$').nth(1).unwrap_or_default();
        write!(f, "PasswordHash(${id}$..)")
    }
}

impl PartialEq for PasswordHash {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PasswordHash {}

impl Serialize for PasswordHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        let parsed = text.parse().map_err(de::Error::custom);
        text.zeroize();
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match text.parse::<PasswordHash>() {
            Ok(hash) => format!("{:?}", hash.scheme),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn parameters_are_read() {
        let sum = "a".repeat(86);
        for (text, shown) in [
            (
                format!("$6$salt${sum}"),
                "Sha512Crypt { rounds: 5000, salt: \"salt\" }",
            ),
            (
                format!("$6$rounds=10000$salt${sum}"),
                "Sha512Crypt { rounds: 10000, salt: \"salt\" }",
            ),
            (
                "$5$rounds=1000$$".to_owned() + &sum[..43],
                "Sha256Crypt { rounds: 1000, salt: \"\" }",
            ),
            (
                "$7$CU..../....SALT$".to_owned() + &sum[..43],
                "Scrypt(Scrypt { flavour: Classic, log_n: 14, r: 32, p: 1, salt: [83, 65, 76, 84] })",
            ),
            (
                "$y$j9T$SALT$".to_owned() + &sum[..43],
                "Scrypt(Scrypt { flavour: Yescrypt, log_n: 12, r: 32, p: 1, salt: [30, 115, 125] })",
            ),
            (
                "$apr1$12345678$".to_owned() + &sum[..22],
                "Md5Crypt { magic: \"$apr1$\", salt: \"12345678\" }",
            ),
            (
                "$argon2id$v=19$m=8192,t=511,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
                "Argon2(Argon2 { variant: Id, memory: 8192, passes: 511, lanes: 1, salt: \
                 [115, 97, 108, 116, 115, 97, 108, 116] })",
            ),
        ] {
            assert_eq!(said(&text), shown);
        }
    }

    #[test]
    fn costs_are_bounded() {
        let sum = "a".repeat(86);
        for (text, complaint) in [
            (
                format!("$6$rounds=2147483648$salt${sum}"),
                "the number of rounds of this sha512-crypt hash is 2147483648, and may be 1000 to \
                 5000000",
            ),
            (
                format!("$6$rounds=99999999999999999999$salt${sum}"),
                "the number of rounds of this sha512-crypt hash is 4294967295, and may be 1000 to \
                 5000000",
            ),
            (
                "$2y$31$".to_owned() + &sum[..53],
                "the cost of this bcrypt hash is 31, and may be 4 to 16",
            ),
            (
                "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
                "the memory in KiB of this argon2 hash is 4194304, and may be 8 to 262144",
            ),
            (
                "$argon2id$v=19$m=65536,t=4294967295,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"
                    .to_owned(),
                "the number of passes of this argon2 hash is 4294967295, and may be 1 to 128",
            ),
            (
                "$argon2id$v=19$m=65536,t=1,p=16777215$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"
                    .to_owned(),
                "the parallelism of this argon2 hash is 16777215, and may be 1 to 16",
            ),
            (
                "$y$jFT$SALT$".to_owned() + &sum[..43],
                "the memory in KiB of this yescrypt hash is 1048576, and may be 0 to 262144",
            ),
            (
                "$y$jjT$SALT$".to_owned() + &sum[..43],
                "the power of two of N of this yescrypt hash is 48, and may be 7 to 21",
            ),
            (
                "$7$zU..../....SALT$".to_owned() + &sum[..43],
                "the power of two of N of this scrypt hash is 63, and may be 1 to 21",
            ),
            (
                "$7$CU..../z...SALT$".to_owned() + &sum[..43],
                "p of this scrypt hash is 4033, and may be 1 to 16",
            ),
        ] {
            assert_eq!(said(&text), complaint, "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_is_told_without_quoting_it() {
        let sum = "a".repeat(86);
        for text in [
            "",
            "x",
            "secret",
            "$",
            "$$",
            "$gy$j9T$a$b",
            "$2x$05$",
            "a$6$b",
            "ü",
        ] {
            assert_eq!(said(text), BadHash::Unknown.to_string(), "{text}");
        }
        for (text, name) in [
            (format!("$6$salt${}", &sum[..85]), "sha512-crypt"),
            (format!("$6$seventeencharacter${sum}"), "sha512-crypt"),
            (format!("$6$rounds=x$salt${sum}"), "sha512-crypt"),
            (format!("$6$rounds=5000$salt${sum}$"), "sha512-crypt"),
            ("$5$salt".to_owned(), "sha256-crypt"),
            ("$2y$05$short".to_owned(), "bcrypt"),
            ("$2y$+5$".to_owned() + &sum[..53], "bcrypt"),
            (
                "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
                "argon2",
            ),
            (
                "$argon2id$v=19$t=1,m=64,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
                "argon2",
            ),
            (
                "$argon2id$v=19$m=64,t=1,p=1,x=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
                "argon2",
            ),
            ("$y$j9T.0$SALT$".to_owned() + &sum[..43], "yescrypt"),
            ("$7$CU....$".to_owned() + &sum[..43], "scrypt"),
            ("$1$ninechars$".to_owned() + &sum[..22], "md5-crypt"),
        ] {
            assert_eq!(said(&text), BadHash::Broken(name).to_string(), "{text}");
        }
        assert!(said("!$6$x").contains("locked") && said("*").contains("locked"));
        assert!(said(&"$6$".repeat(500)).contains("known here"));
    }

    #[test]
    fn a_hash_is_never_shown() {
        let hash: PasswordHash = format!("$6$salt${}", "a".repeat(86)).parse().unwrap();
        assert_eq!(format!("{hash:?}"), "PasswordHash($6$..)");
    }
}
