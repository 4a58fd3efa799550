//! Decodes the server's reply lines for the client: a code, tokens, and text.

use std::time::Duration;

use base64ct::{Base64, Encoding};

use super::causes::Cause;
use super::facts::kind_from;
use super::line_parts::{MalformedParts, Parts};
use super::path_escape::{decode_path, decode_target};
use crate::digest::{Algorithm, Sum};
use crate::path::LinkTarget;
use crate::wire::number::number;
use crate::wire::reply::{Facts, Held, Usage};
use crate::wire::stamp::Stamp;

/// Words of the peer, as they came: they may hold what commands a terminal, and are not `Display`,
/// so that nobody prints them as they are.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PeerText(String);

impl PeerText {
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<&str> for PeerText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for PeerText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.as_bytes().escape_ascii())
    }
}

/// One reply line of the server. Fields whose tokens did not come are `None`; sizes are in bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplyLine {
    pub code: u16,
    pub scram: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub offset: Option<u64>,
    pub have: Option<u64>,
    pub modified: Option<Stamp>,
    pub sum: Option<Sum>,
    pub digest: Option<Algorithm>,
    pub hidden: Option<u64>,
    /// Seconds without a command after which the server closes.
    pub idle: Option<u64>,
    pub progress: Option<(u64, u64)>,
    pub usage: Option<Usage>,
    pub facts: Option<Facts>,
    /// What a symbolic link leads to.
    pub target: Option<LinkTarget>,
    pub user: Option<PeerText>,
    pub server: Option<PeerText>,
    /// The cause of a refusal; `None` too for one that this client does not know.
    pub why: Option<Cause>,
    /// The text for people, or an escaped path.
    pub text: PeerText,
}

/// The time between two commands where 230 says no other.
pub const IDLE_USUAL: Duration = Duration::from_secs(15 * 60);

/// The error for a line that is no reply of this dialect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server sent a line that is no reply")]
pub struct NotAReply;

impl From<MalformedParts> for NotAReply {
    fn from(MalformedParts: MalformedParts) -> Self {
        Self
    }
}

impl ReplyLine {
    /// Decodes one line without its CRLF.
    pub fn decode(line: &[u8]) -> Result<Self, NotAReply> {
        let line = std::str::from_utf8(line).map_err(|_| NotAReply)?;
        let mut parts = Parts::cut(line)?;
        let digits = parts.head.len() == 3 && parts.head.bytes().all(|b| b.is_ascii_digit());
        let code = parts
            .head
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or(NotAReply)?;
        let usage = usage(&mut parts)?;
        let size = parts.optional("size", number)?;
        let modified = parts.optional("mtime", Stamp::parse)?;
        Ok(Self {
            code,
            scram: parts.optional("scram", |value| Base64::decode_vec(value).ok())?,
            offset: parts.optional("offset", number)?,
            have: parts.optional("have", number)?,
            sum: parts.sum()?,
            digest: parts.digest()?,
            hidden: parts.optional("hidden", number)?,
            idle: parts.optional("idle", number)?,
            progress: parts
                .optional("done", number)?
                .zip(parts.optional("of", number)?),
            facts: facts(&mut parts, size, modified)?,
            target: parts.optional("target", decode_target)?,
            user: parts.take("user").map(PeerText::from),
            server: parts.take("server").map(PeerText::from),
            why: parts.take("why").and_then(Cause::parse),
            text: parts.take_rest().unwrap_or_default().into(),
            size,
            modified,
            usage,
        })
    }

    /// Whether a final reply follows.
    pub fn is_preliminary(&self) -> bool {
        (100..200).contains(&self.code)
    }

    /// The text, decoded as a path; `None` if an escape is malformed.
    pub fn path(&self) -> Option<Vec<u8>> {
        decode_path(&self.text.0).map(std::borrow::Cow::into_owned)
    }
}

/// Whether the line is a final reply; used while bulk data flows.
pub fn is_final(line: &[u8]) -> bool {
    ReplyLine::decode(line).is_ok_and(|answered| !answered.is_preliminary())
}

fn usage(parts: &mut Parts<'_>) -> Result<Option<Usage>, MalformedParts> {
    let held = match parts.optional("used", number)? {
        None if parts.take("counting").is_none() => return Ok(None),
        None => None,
        Some(used) => Some(Held {
            used,
            staged: parts.required("staged", number)?,
            reserved: parts.required("reserved", number)?,
            free: parts.required("free", number)?,
            entries: parts.required("entries", number)?,
        }),
    };
    Ok(Some(Usage {
        limit: parts.required("limit", number)?,
        entries_limit: parts.required("entries_limit", number)?,
        held,
    }))
}

fn facts(
    parts: &mut Parts<'_>,
    size: Option<u64>,
    modified: Option<Stamp>,
) -> Result<Option<Facts>, MalformedParts> {
    let mode = parts.optional("mode", |value| u32::from_str_radix(value, 8).ok())?;
    let Some(kind) = parts.take("type").map(kind_from) else {
        return Ok(None);
    };
    let (Some(size), Some(modified)) = (size, modified) else {
        return Err(MalformedParts);
    };
    Ok(Some(Facts {
        kind,
        size,
        modified,
        mode,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::native::codes::encode;
    use crate::wire::reply::Reply;

    #[test]
    fn the_idle_time_is_told_where_it_is_not_the_usual_one() {
        for (idle, told) in [
            (IDLE_USUAL, None),
            (Duration::from_secs(60), Some(60)),
            (Duration::from_secs(3600), Some(3600)),
        ] {
            let welcome = Reply::LoggedIn {
                scram: b"v=1".to_vec(),
                digest: Algorithm::Md5,
                idle,
            };
            let mut line = Vec::new();
            encode(&welcome, &mut line);
            let line = line.strip_suffix(b"\r\n").unwrap();
            assert_eq!(ReplyLine::decode(line).unwrap().idle, told);
        }
    }

    #[test]
    fn a_target_is_read_as_it_is_written() {
        let target = LinkTarget::new(b"../a b\xff%\n".to_vec()).unwrap();
        let path = crate::path::VirtualPath::root();
        let reply = Reply::LinkLeadsTo {
            path,
            target: target.clone(),
        };
        let mut line = Vec::new();
        encode(&reply, &mut line);
        let line = line.strip_suffix(b"\r\n").unwrap();
        assert_eq!(line, b"213 target=../a%20b%FF%25%0A /");
        assert_eq!(ReplyLine::decode(line).unwrap().target, Some(target));
    }

    #[test]
    fn a_quota_is_read_as_it_is_written_counted_or_not() {
        let held = Held {
            used: 12,
            staged: 5,
            reserved: 7,
            free: 381,
            entries: 3,
        };
        for held in [Some(held), None] {
            let usage = Usage {
                limit: 400,
                entries_limit: 1000,
                held,
            };
            let mut line = Vec::new();
            encode(&Reply::Usage(usage), &mut line);
            let line = line.strip_suffix(b"\r\n").unwrap();
            assert!(held.is_some() || !line.windows(5).any(|part| part == b"used="));
            assert_eq!(ReplyLine::decode(line).unwrap().usage, Some(usage));
        }
    }
}
