//! The far end of a session: raw lines and frames, and the dialogues most tests need.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use base64ct::{Base64, Encoding};
use md5::{Digest, Md5};
use sha2::Sha256;
use skiff_sessions::scram::{ClientLogin, KeyDerivation, Verifier, prove_change};

use super::{Wire, until};

/// The longest frame, in bytes.
const FRAME_MAX: usize = 1 << 20;

/// The daemon has closed the connection.
#[derive(Debug)]
pub(crate) struct Gone;

/// One line of the daemon's.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) line: String,
}

/// How a run of frames ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tail {
    End,
    Abort,
}

pub(crate) struct Peer {
    wire: BufReader<Wire>,
    /// How the password becomes keys, once it was proven.
    derivation: Option<KeyDerivation>,
    /// For messages: what the daemon should be answering.
    last: String,
}

impl Peer {
    pub(crate) fn new(wire: Wire) -> Self {
        Self {
            wire: BufReader::with_capacity(1 << 16, wire),
            derivation: None,
            last: "the connection".to_owned(),
        }
    }

    /// SCRAM as PROTOCOL.md section 4 has it; the daemon's last word, its proof checked.
    #[track_caller]
    pub(crate) fn login(&mut self, user: &str, password: &str) -> Answer {
        let (login, challenge) = self.challenge(user);
        if challenge.code != 331 {
            return challenge;
        }
        let (signature, last) = login.answer(&challenge.scram(), password).unwrap();
        self.send(&format!("PASS scram={}", Base64::encode_string(&last)));
        let answer = self.reply();
        if answer.code == 230 {
            self.derivation = Some(signature.check(&answer.scram()).unwrap());
        }
        answer
    }

    /// A login with the right password whose last answer may never come.
    #[track_caller]
    pub(crate) fn begin_login(&mut self, user: &str, password: &str) {
        let last = self.begin_slow_login(user, password);
        self.send(&last);
    }

    /// A login up to its last line, which is returned.
    #[track_caller]
    pub(crate) fn begin_slow_login(&mut self, user: &str, password: &str) -> String {
        let (login, challenge) = self.challenge(user);
        let (_, last) = login.answer(&challenge.scram(), password).unwrap();
        format!("PASS scram={}", Base64::encode_string(&last))
    }

    /// PASSWD as PROTOCOL.md section 5 has it, by whoever says that `old` is the password.
    #[track_caller]
    pub(crate) fn change_password(&mut self, old: &str, new: &str) -> Answer {
        let derivation = self.derivation.as_ref().expect("no login");
        let new = Verifier::derive(new, b"sixteen bytes or".to_vec(), 10_000).unwrap();
        let binding = self.wire.get_ref().binding();
        let proof = prove_change(old, derivation, &binding, &new).unwrap();
        let base64 = Base64::encode_string;
        self.send(&format!(
            "PASSWD salt={} iterations={} stored={} server={} proof={}",
            base64(&new.salt),
            new.iterations,
            base64(&new.stored_key),
            base64(&new.server_key),
            base64(&proof),
        ));
        let answer = self.reply();
        if answer.code == 250 {
            self.derivation = Some(KeyDerivation {
                salt: new.salt.clone(),
                iterations: new.iterations,
            });
        }
        answer
    }

    /// The number of rounds that the daemon asks of this user.
    #[track_caller]
    pub(crate) fn rounds(&mut self, user: &str) -> String {
        let (_, challenge) = self.challenge(user);
        let text = String::from_utf8(challenge.scram()).unwrap();
        let rounds = text.split(',').find_map(|part| part.strip_prefix("i="));
        rounds.unwrap().to_owned()
    }

    fn challenge(&mut self, user: &str) -> (ClientLogin, Answer) {
        let binding = self.wire.get_ref().binding();
        let (login, first) = ClientLogin::new(user, &nonce(), binding).unwrap();
        self.send(&format!("USER scram={}", Base64::encode_string(&first)));
        (login, self.reply())
    }

    // Lines.

    /// One line; its end is added.
    #[track_caller]
    pub(crate) fn send(&mut self, line: &str) {
        line.clone_into(&mut self.last);
        self.send_raw(format!("{line}\r\n").as_bytes());
    }

    #[track_caller]
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        if let Err(Gone) = self.try_send(bytes) {
            panic!("the daemon closed before it took all of {:?}", self.last);
        }
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let wire = self.wire.get_mut();
        match wire.write_all(bytes).and_then(|()| wire.flush()) {
            Err(error) if is_timeout(error.kind()) => {
                panic!("the daemon takes no more bytes after {:?}", self.last)
            }
            result => result.map_err(|_| Gone),
        }
    }

    /// The next line, 111 left out.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Answer {
        match self.try_reply() {
            Ok(answer) => answer,
            Err(Gone) => panic!("the daemon closed instead of answering {:?}", self.last),
        }
    }

    pub(crate) fn try_reply(&mut self) -> Result<Answer, Gone> {
        loop {
            let answer = self.line()?;
            if answer.code != 111 {
                return Ok(answer);
            }
        }
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, code: u16) -> Answer {
        let answer = self.reply();
        let asked = &self.last;
        assert_eq!(answer.code, code, "to {asked:?}: {:?}", answer.line);
        answer
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str, code: u16) -> Answer {
        self.send(line);
        self.expect(code)
    }

    /// The code of the next line, whatever it is.
    #[track_caller]
    pub(crate) fn code(&mut self, line: &str) -> u16 {
        self.send(line);
        self.reply().code
    }

    /// The next line, 111 too.
    #[track_caller]
    pub(crate) fn line(&mut self) -> Result<Answer, Gone> {
        let mut bytes = Vec::new();
        match self.wire.read_until(b'\n', &mut bytes) {
            Ok(_) if bytes.ends_with(b"\r\n") => Ok(Answer::parse(&bytes)),
            Err(error) if is_timeout(error.kind()) => {
                panic!("the daemon never answers {:?}", self.last)
            }
            _ => Err(Gone),
        }
    }

    /// Lines until the daemon closes.
    #[track_caller]
    pub(crate) fn until_closed(&mut self) -> Vec<Answer> {
        std::iter::from_fn(|| self.line().ok()).collect()
    }

    // Frames.

    #[track_caller]
    pub(crate) fn frame(&mut self, data: &[u8]) {
        self.send_raw(&framed(data));
    }

    /// `data` in frames of different lengths; no end.
    #[track_caller]
    pub(crate) fn frames(&mut self, data: &[u8]) {
        let mut rest = data;
        for length in [1, 4096, 65_536, FRAME_MAX, 100_000].into_iter().cycle() {
            let (part, after) = rest.split_at(length.min(rest.len()));
            if part.is_empty() {
                return;
            }
            self.frame(part);
            rest = after;
        }
    }

    #[track_caller]
    pub(crate) fn tail(&mut self, tail: Tail) {
        self.send_raw(match tail {
            Tail::End => &[0; 4],
            Tail::Abort => &[0xff; 4],
        });
    }

    /// Frames up to their end or abort.
    #[track_caller]
    pub(crate) fn body(&mut self) -> (Vec<u8>, Tail) {
        let mut data = Vec::new();
        loop {
            let mut head = [0; 4];
            self.take(&mut head);
            match u32::from_be_bytes(head) {
                0 => return (data, Tail::End),
                u32::MAX => return (data, Tail::Abort),
                length => {
                    assert!(length as usize <= FRAME_MAX, "a frame of {length} bytes");
                    let from = data.len();
                    data.resize(from + length as usize, 0);
                    self.take(&mut data[from..]);
                }
            }
        }
    }

    #[track_caller]
    pub(crate) fn take(&mut self, buf: &mut [u8]) {
        if let Err(Gone) = self.try_take(buf) {
            panic!("the daemon closed within what follows {:?}", self.last);
        }
    }

    pub(crate) fn try_take(&mut self, buf: &mut [u8]) -> Result<(), Gone> {
        match self.wire.read_exact(buf) {
            Err(error) if is_timeout(error.kind()) => {
                panic!(
                    "the daemon says nothing within what follows {:?}",
                    self.last
                )
            }
            result => result.map_err(|_| Gone),
        }
    }

    // Dialogues.

    /// A new file, or with `tokens` such as `replace=1` another one.
    #[track_caller]
    pub(crate) fn put(&mut self, tokens: &str, path: &str, data: &[u8]) -> Answer {
        let size = data.len();
        self.ask(&format!("STOR size={size} {tokens}{path}"), 150);
        self.fill(data, data)
    }

    /// `rest` and what proves the `whole`; 226 must follow.
    #[track_caller]
    pub(crate) fn fill(&mut self, rest: &[u8], whole: &[u8]) -> Answer {
        self.frames(rest);
        self.tail(Tail::End);
        let answer = self.ask(&format!("225 md5={}", md5(whole)), 226);
        assert_eq!(answer.number("size"), whole.len() as u64, "{}", answer.line);
        assert_eq!(answer.token("md5"), md5(whole), "{}", answer.line);
        answer
    }

    /// Begins an upload of `data` and stops it after `count` bytes; the part stays.
    #[track_caller]
    pub(crate) fn leave_part(&mut self, tokens: &str, path: &str, data: &[u8], count: usize) {
        self.ask(&format!("STOR size={} {tokens}{path}", data.len()), 150);
        self.frames(&data[..count]);
        self.tail(Tail::Abort);
        self.expect(550);
    }

    /// Asks for an upload until no writer that is gone, but not yet missed, stands in the way.
    #[track_caller]
    pub(crate) fn store_again(&mut self, line: &str) -> Answer {
        until("the end of the writer before", || {
            self.send(line);
            Some(self.reply()).filter(|answer| !answer.line.contains("busy"))
        })
    }

    /// The whole file, its digest compared.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Vec<u8> {
        let size = self
            .ask(&format!("RETR start=0 {path}"), 150)
            .number("size");
        let (data, tail) = self.body();
        assert_eq!(tail, Tail::End, "{path} is aborted");
        let answer = self.expect(226);
        let (told, is) = match answer.find("sha256") {
            Some(told) => (told, sha256(&data)),
            None => (answer.token("md5"), md5(&data)),
        };
        assert_eq!(told, is, "{}", answer.line);
        assert_eq!(data.len() as u64, size, "{}", answer.line);
        data
    }

    /// What LIST or STAGES says: the facts of each name.
    #[track_caller]
    pub(crate) fn list(&mut self, line: &str) -> BTreeMap<String, String> {
        self.ask(line, 150);
        let (text, tail) = self.body();
        assert_eq!(tail, Tail::End);
        self.expect(226);
        let text = String::from_utf8(text).unwrap();
        let entry = |line: &str| {
            let (facts, name) = line.split_once("; ").expect("facts, then a name");
            (name.to_owned(), facts.to_owned())
        };
        text.lines().map(entry).collect()
    }

    /// DF of a counted home.
    #[track_caller]
    pub(crate) fn df(&mut self) -> Answer {
        until("the end of a count", || {
            let answer = self.ask("DF", 213);
            (!answer.line.contains("counting=1")).then_some(answer)
        })
    }

    #[track_caller]
    pub(crate) fn used(&mut self) -> u64 {
        self.df().number("used")
    }

    // Ends.

    /// The line breaks with a reset, which may overtake what was sent.
    pub(crate) fn cut(self) {
        self.wire.into_inner().reset();
    }

    /// The line ends without a goodbye; what was sent arrives.
    pub(crate) fn hang_up(self) {
        self.wire.into_inner().hang_up();
    }

    /// Nothing more is sent; what the daemon says can still be read.
    pub(crate) fn finish_sending(&mut self) {
        self.wire.get_mut().finish_sending();
    }

    pub(crate) fn wire(&self) -> &Wire {
        self.wire.get_ref()
    }
}

impl Answer {
    #[track_caller]
    fn parse(bytes: &[u8]) -> Self {
        let line = std::str::from_utf8(bytes).expect("a reply is UTF-8");
        let line = line.trim_end_matches("\r\n").to_owned();
        let code = line.get(..3).and_then(|code| code.parse().ok());
        let code = code.unwrap_or_else(|| panic!("no reply: {line:?}"));
        Self { code, line }
    }

    pub(crate) fn find(&self, key: &str) -> Option<&str> {
        let words = self.line.split(' ').skip(1);
        let tokens = words.map_while(|word| word.split_once('='));
        tokens.filter(|(k, _)| *k == key).map(|(_, v)| v).next()
    }

    #[track_caller]
    pub(crate) fn token(&self, key: &str) -> &str {
        self.find(key)
            .unwrap_or_else(|| panic!("no {key}= in {:?}", self.line))
    }

    #[track_caller]
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.token(key).parse().expect("a number")
    }

    #[track_caller]
    fn scram(&self) -> Vec<u8> {
        Base64::decode_vec(self.token("scram")).unwrap()
    }
}

/// Asks each line and wants its code.
#[track_caller]
pub(crate) fn ask_all(peer: &mut Peer, lines: &[(&str, u16)]) {
    for (line, code) in lines {
        peer.ask(line, *code);
    }
}

/// In lower-case hexadecimal digits.
pub(crate) fn md5(data: &[u8]) -> String {
    hexadecimal(&Md5::digest(data))
}

fn sha256(data: &[u8]) -> String {
    hexadecimal(&Sha256::digest(data))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn framed(data: &[u8]) -> Vec<u8> {
    let mut bytes = (data.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(data);
    bytes
}

/// Fresh for each login; a test needs no secret one.
fn nonce() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{count}", std::process::id())
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
