//! What the fuzz targets of `sessions` do with their bytes: plain functions, which `cargo test` runs
//! too, with fixed seeds and the seed corpus.

// A body fails by panicking.
#![allow(clippy::unwrap_used)]

#[path = "bodies/conversation.rs"]
pub(crate) mod conversation;
#[path = "bodies/ftp.rs"]
pub(crate) mod ftp;
#[path = "bodies/input.rs"]
pub(crate) mod input;
#[path = "bodies/paths.rs"]
pub(crate) mod paths;
#[path = "bodies/replies.rs"]
pub(crate) mod replies;
#[path = "bodies/scram.rs"]
pub(crate) mod scram;
#[path = "bodies/session.rs"]
pub(crate) mod session;

use skiff_sessions::path::VirtualPath;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::ftp::pattern::Pattern;
use skiff_sessions::wire::ftp::{codes, verbs};
use skiff_sessions::wire::line::{Head, Inbox, LINE_MAX, Rules};
use skiff_sessions::wire::native::commands::encode;
use skiff_sessions::wire::native::frames::{FrameDecoder, Piece};
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::native::verbs::decode;
use skiff_sessions::wire::native::{facts, path_escape};
use skiff_sessions::wire::proxy_header::{HEADER_MAX, Header, Source};
use skiff_sessions::wire::reply::{HelpTopic, Reply, TlsOffer};

use input::bytes_of;

/// Lines: any cut of the bytes gives the same lines, and what is understood
/// survives being written and read again.
pub(crate) fn lines(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else {
        return;
    };
    let whole = heads(Rules::Strict, data, data.len().max(1));
    let cut = heads(Rules::Strict, data, usize::from(step).max(1));
    assert_eq!(whole, cut);
    for line in whole.iter().flatten() {
        assert!(line.len() <= LINE_MAX - 2);
        if let Ok(command) = decode(line) {
            let mut written = Vec::new();
            encode(&command, &mut written);
            let again = decode(written.strip_suffix(b"\r\n").unwrap());
            assert_eq!(again.as_ref().map(Command::name), Ok(command.name()));
        }
        let _ = ReplyLine::decode(line);
        if let Some((name, facts)) = facts::parse_entry(line) {
            let mut written = Vec::new();
            facts::push_entry(&name, &facts, &mut written);
        }
        if let Some(path) = std::str::from_utf8(line)
            .ok()
            .and_then(path_escape::decode_path)
        {
            let mut written = Vec::new();
            path_escape::push_path(&path, &mut written);
            let written = String::from_utf8(written).unwrap();
            assert_eq!(path_escape::decode_path(&written).unwrap(), path);
        }
    }
}

/// `None` for a head that is no line.
fn heads(rules: Rules, data: &[u8], step: usize) -> Vec<Option<Vec<u8>>> {
    let (mut inbox, mut seen) = (Inbox::new(rules), Vec::new());
    for chunk in data.chunks(step) {
        inbox.push(chunk);
        seen.extend(take_all(&mut inbox));
        inbox.compact();
        assert!(inbox.len() < LINE_MAX, "a line buffer is bounded");
    }
    seen
}

fn take_all(inbox: &mut Inbox) -> Vec<Option<Vec<u8>>> {
    let mut seen = Vec::new();
    loop {
        match inbox.take() {
            Head::Incomplete => return seen,
            Head::Line(range) => seen.push(Some(inbox.slice(range).to_vec())),
            // A long line is told when it is known to be: that depends on the cut.
            Head::TooLong => {}
            Head::Broken => seen.push(None),
        }
    }
}

/// FTP's lines: any cut of the bytes gives the same, urgent ones come first and
/// change nothing for the others, and no name breaks out of a reply.
pub(crate) fn ftp_lines(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else {
        return;
    };
    let whole = heads(Rules::Telnet, data, data.len().max(1));
    let cut = heads(Rules::Telnet, data, usize::from(step).max(1));
    assert_eq!(whole, cut);
    urgent_first(data, &whole);
    for line in whole.iter().flatten() {
        let decoded = verbs::decode(line);
        if verbs::is_urgent(line) {
            let urgent = [
                Command::Abort,
                Command::Quit,
                Command::Noop,
                Command::Status,
            ];
            assert!(
                decoded
                    .as_ref()
                    .is_ok_and(|command| urgent.contains(command))
            );
        }
        let path = decoded.as_ref().ok().and_then(Command::subject);
        if let Some(path) = path.and_then(|path| VirtualPath::root().join(path).ok()) {
            say(&Reply::Created(path));
        }
        say(&Reply::Help {
            topic: HelpTopic::Verb(String::from_utf8_lossy(line).into()),
            tls: TlsOffer::Offered,
        });
        let _ = Pattern::new(line).matches(whole[0].as_deref().unwrap_or_default());
    }
}

fn urgent_first(data: &[u8], whole: &[Option<Vec<u8>>]) {
    let mut inbox = Inbox::new(Rules::Telnet);
    inbox.push(data);
    let mut seen = Vec::new();
    let mut waiting = inbox.lines();
    while let Head::Line(range) = inbox.take_urgent(verbs::is_urgent) {
        seen.push(Some(inbox.slice(range).to_vec()));
        waiting -= 1;
        assert_eq!(inbox.lines(), waiting);
    }
    seen.extend(take_all(&mut inbox));
    let is_urgent = |head: &&Option<Vec<u8>>| head.as_deref().is_some_and(verbs::is_urgent);
    let urgent = whole.iter().filter(is_urgent);
    let others = whole.iter().filter(|head| !is_urgent(head));
    assert!(seen.iter().eq(urgent.chain(others)));
}

/// How many commands a final reply of FTP answers: one, but ABOR and what it has stopped at once
/// (RFC 959 section 4.1.3).
fn final_replies(reply: &Reply) -> usize {
    match reply {
        Reply::Aborted => 2,
        _ => 1,
    }
}

/// One line, or as many as its first one says.
fn say(reply: &Reply) {
    let mut out = Vec::new();
    let code = codes::encode(reply, &mut out);
    let many = out.get(3) == Some(&b'-');
    let ends = out.windows(2).filter(|pair| pair == b"\r\n").count();
    assert!(out.starts_with(code.to_string().as_bytes()) && out.ends_with(b"\r\n"));
    let replies = final_replies(reply);
    assert!(many || ends == replies, "{}", out.escape_ascii());
}

/// Frames: any cut of the bytes gives the same data and the same end.
pub(crate) fn frames(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else {
        return;
    };
    assert_eq!(
        unframe(data, data.len().max(1)),
        unframe(data, usize::from(step).max(1))
    );
}

fn unframe(data: &[u8], step: usize) -> (Vec<u8>, Vec<&'static str>) {
    let (mut decoder, mut out, mut marks) = (FrameDecoder::default(), Vec::new(), Vec::new());
    for chunk in data.chunks(step) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let (piece, took) = decoder.next(rest);
            assert!(took > 0, "the decoder makes way");
            rest = &rest[took..];
            match piece {
                Piece::Data(bytes) => out.extend_from_slice(bytes),
                Piece::NeedMore => {}
                Piece::End => marks.push("end"),
                Piece::Abort => marks.push("abort"),
                Piece::TooLong => marks.push("too long"),
            }
        }
    }
    (out, marks)
}

/// The header of a proxy: whatever follows a whole one does not change it, nothing before its end is
/// one, and the daemon never waits for more than its buffer holds.
pub(crate) fn proxy_header(data: &[u8]) {
    match Header::parse(data) {
        Ok(Header::Whole(source, length)) => {
            assert!(length <= data.len() && length <= HEADER_MAX);
            let exact = Header::parse(&data[..length]);
            assert_eq!(exact, Ok(Header::Whole(source, length)));
            for end in 0..length {
                assert_eq!(Header::parse(&data[..end]), Ok(Header::Incomplete));
            }
            if let Source::Client { client, called } = source {
                assert!(!client.ip().is_unspecified() && !client.ip().is_multicast());
                let all = [client, called];
                assert!(all.iter().all(|one| one.ip() == one.ip().to_canonical()));
            }
        }
        Ok(Header::Incomplete) => assert!(data.len() < HEADER_MAX),
        Err(why) => {
            // More bytes mend nothing.
            let longer = [data, b"\r\n"].concat();
            assert_eq!(Header::parse(&longer), Err(why));
        }
    }
}

/// Both versions' headers, with a byte of noise here and there.
pub(crate) fn proxy_header_of(seed: u64) -> Vec<u8> {
    const HEADERS: &[&[u8]] = &[
        b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 21\r\nUSER tom\r\n",
        b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 65535\r\n",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\0\x15\x16",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x240123456789abcdef0123456789abcdef\0\x01\0\x02",
        b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x00\0\x05hello",
    ];
    let noise = bytes_of(seed, 64);
    let mut header = HEADERS[usize::from(noise[0]) % HEADERS.len()].to_vec();
    for pair in noise[1..7].chunks_exact(2) {
        let at = usize::from(pair[0]);
        // Most positions are beyond its end.
        if let Some(byte) = header.get_mut(at) {
            *byte = pair[1];
        }
    }
    header
}

/// Words of FTP's grammar, with noise in between.
pub(crate) fn ftp_talk_of(seed: u64, words: usize) -> Vec<u8> {
    const WORDS: &[&[u8]] = &[
        b"USER tom",
        b"PASS 123",
        b"CWD ",
        b"LIST -la ",
        b"SITE UTIME 202601020304 ",
        b"SITE HELP ",
        b"MDTM 20260102030405 ",
        b"XMD5 \"a\" 0 5",
        b"OPTS MLST size;type;",
        b"EPRT |1|192.0.2.1|2000|",
        b"PORT 192,0,2,1,7,208",
        b"REST 5",
        b"RANG 1 0",
        b"MKD \"",
        b"ABOR",
        b"STAT",
        b"QUIT",
        b"\xff\xf4\xff\xf2",
        b"\xff\xfb",
        b"\xff",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\n",
        b" ",
        b"a",
        b"*",
        b"[",
        b"\0",
        b"\r",
    ];
    let noise = bytes_of(seed, words * 2 + 1);
    let mut talk = vec![noise[0]];
    for pair in noise[1..].chunks_exact(2) {
        match pair[0] % 16 {
            0 => talk.push(pair[1]),
            _ => talk.extend_from_slice(WORDS[usize::from(pair[1]) % WORDS.len()]),
        }
    }
    talk
}
