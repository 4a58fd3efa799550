//! Tests the connection over a real socket, against a scripted server that stalls, lies, or never
//! ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use skiff_conf::{HostPort, Tls};
use skiff_sessions::client::{CommandTiming, Dialogue, GetOrder, LocalCopy, Outcome, PutOrder};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::path::PathArg;
use skiff_sessions::scram::KeyDerivation;
use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::command::{Command, Replace, Retrieve, Turn};
use skiff_sessions::wire::reply::{Facts, Refusal};

use super::account::Account;
use super::connect::LinkOptions;
use super::connection::{Connection, ConnectionState};
use super::dialogue::Patience;
use super::jobs::Jobs;
use super::link::{Link, LinkError};
use super::listing::ListingParser;
use super::local_end::LocalEnd;
use super::names::NameCache;
use super::restore::Retries;
use super::session::Session;
use crate::terminal::format::DigestForm;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::lines::Lines;
use crate::terminal::progress::ProgressStyle;
use crate::terminal::questions::Asker;

/// A timeout that no test waits for.
const LONG: Duration = Duration::from_secs(60);

/// The server's end of a link.
struct Server(BufReader<TcpStream>);

impl Server {
    #[track_caller]
    fn hears(&mut self, wanted: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), wanted);
    }

    fn says(&mut self, text: &[u8]) {
        self.0.get_mut().write_all(text).unwrap();
    }

    /// Says the same until the client has closed.
    fn says_for_ever(&mut self, text: &[u8]) {
        while self.0.get_mut().write_all(text).is_ok() {}
    }

    /// Reads until the client has closed.
    fn hears_the_end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = self.0.read_to_end(&mut rest);
        rest
    }
}

/// A client, and the thread of its server.
struct Pair {
    connection: Connection,
    interrupt: Interrupt,
    server: JoinHandle<()>,
}

fn served(timeout: Duration, script: impl FnOnce(Server, &Interrupt) + Send + 'static) -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = HostPort {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
    };
    let interrupt = Interrupt::default();
    let pressed = interrupt.clone();
    let server = thread::spawn(move || {
        let accepted = listener.accept().unwrap().0;
        script(Server(BufReader::new(accepted)), &pressed);
    });
    let link = Link::open(
        &address,
        Tls::Off,
        timeout,
        &LinkOptions::default(),
        &interrupt,
    )
    .unwrap();
    Pair {
        connection: Connection::over(link),
        interrupt,
        server,
    }
}

impl Pair {
    /// A command as the prompt begins it.
    fn command(&mut self, command: Command) -> Result<Outcome, LinkError> {
        self.interrupt.begin_command();
        self.request(command, Patience::Command)
    }

    fn request(&mut self, command: Command, patience: Patience) -> Result<Outcome, LinkError> {
        let mut nothing = ListingParser::new(|_: &[u8], _: &Facts| {});
        self.connection.run_dialogue(
            &self.interrupt,
            patience,
            |out| Dialogue::request(command, out),
            &mut nothing,
        )
    }

    fn list(&mut self, patience: Patience) -> Result<Outcome, LinkError> {
        let mut nothing = ListingParser::new(|_: &[u8], _: &Facts| {});
        self.connection.run_dialogue(
            &self.interrupt,
            patience,
            |out| Dialogue::listing(Command::list(None), out),
            &mut nothing,
        )
    }

    fn end(self) {
        drop(self.connection);
        self.server.join().unwrap();
    }
}

#[track_caller]
fn assert_code(ended: Result<Outcome, LinkError>, code: u16) {
    let fits = matches!(&ended, Ok(Outcome::Replied(answered)) if answered.code == code);
    assert!(fits, "no {code}: {ended:?}");
}

/// Something that the other thread waits for.
fn gate() -> (Sender<()>, Receiver<()>) {
    channel()
}

#[test]
fn ctrl_c_ends_a_command_though_the_server_is_silent_and_no_answer_goes_astray() {
    let (open, opened) = gate();
    let mut pair = served(LONG, move |mut server, interrupt| {
        server.hears("DELE a");
        interrupt.press();
        server.hears("ABOR");
        server.hears("NOOP");
        opened.recv().unwrap();
        server.says(b"404 why=not-found too late\r\n226 nothing to abort\r\n200 ok\r\n");
        server.hears("PWD");
        server.says(b"257 /\r\n");
    });
    let stopped = pair.command(Command::Delete(PathArg::new("a").unwrap()));
    assert_eq!(stopped.unwrap(), Outcome::Stopped);
    open.send(()).unwrap();
    assert_code(pair.command(Command::WorkingDirectory), 257);
    pair.end();
}

#[test]
fn a_second_ctrl_c_drops_the_connection_and_the_next_command_says_so() {
    let mut pair = served(LONG, |mut server, interrupt| {
        server.hears("PWD");
        interrupt.press();
        server.hears("ABOR");
        interrupt.press();
        server.hears_the_end();
    });
    let mut ended = pair.command(Command::WorkingDirectory);
    if ended.is_ok() {
        // The first one had given up waiting when the second came.
        pair.interrupt.press();
        ended = pair.request(Command::WorkingDirectory, Patience::Command);
    }
    let why = ended.unwrap_err().to_string();
    assert_eq!(why, "closed by a second Ctrl-C");
    assert_eq!(pair.connection.state(), ConnectionState::Closed);
    let next = pair.command(Command::WorkingDirectory).unwrap_err();
    let told = next.to_string();
    assert!(
        told.starts_with("not connected any more (closed by a second Ctrl-C)"),
        "{told}"
    );
    pair.end();
}

#[test]
fn a_link_that_timed_out_serves_no_other_command() {
    let (open, opened) = gate();
    let mut pair = served(Duration::from_millis(20), move |mut server, _| {
        server.hears("DELE a");
        opened.recv().unwrap();
        // The client is gone, or takes it for the answer to its next command.
        let _ = server.0.get_mut().write_all(b"250 deleted\r\n");
        server.hears_the_end();
    });
    let late = pair.command(Command::Delete(PathArg::new("a").unwrap()));
    assert!(matches!(late, Err(LinkError::TimedOut(_))), "{late:?}");
    open.send(()).unwrap();
    let next = pair.command(Command::WorkingDirectory);
    assert!(matches!(next, Err(LinkError::NotConnected(_))), "{next:?}");
    pair.end();
}

#[test]
fn a_listing_for_completion_is_left_in_time_and_the_next_command_gets_its_own_answer() {
    let (open, opened) = gate();
    let mut pair = served(LONG, move |mut server, _| {
        server.hears("LIST");
        server.says(b"150 here\r\n\x00\x00");
        server.hears("ABOR");
        server.hears("NOOP");
        opened.recv().unwrap();
        server.says(b"\x00\x07a ; b\r\n\xff\xff\xff\xff550 why=aborted aborted\r\n200 ok\r\n");
        server.hears("PWD");
        server.says(b"257 /\r\n");
    });
    for _ in 0..3 {
        let patience = Patience::Until(Instant::now() + Duration::from_millis(20));
        assert_eq!(pair.list(patience).unwrap(), Outcome::Stopped);
    }
    open.send(()).unwrap();
    assert_code(pair.command(Command::WorkingDirectory), 257);
    pair.end();
}

#[test]
fn after_ctrl_c_the_same_command_asks_nothing_more() {
    let mut pair = served(LONG, |mut server, _| {
        server.hears("PWD");
        server.says(b"257 /\r\n");
        assert_eq!(server.hears_the_end(), b"");
    });
    assert_code(pair.command(Command::WorkingDirectory), 257);
    // It comes too late for the first dialogue.
    pair.interrupt.press();
    for _ in 0..3 {
        let next = pair.request(Command::System, Patience::Command);
        assert_eq!(next.unwrap(), Outcome::Stopped);
        assert!(pair.interrupt.is_stopped());
    }
    pair.end();
}

/// A local file in memory.
#[derive(Default)]
struct Bytes {
    data: Vec<u8>,
    /// The end of what was read last.
    read_to: u64,
    /// Pressed when bytes are read again: the server had no room for them.
    press_when_blocked: Option<Interrupt>,
}

impl LocalEnd for Bytes {
    fn use_file(
        &mut self,
        _: skiff_sessions::client::LocalFile,
    ) -> Result<(), super::local_end::LocalFileFailed> {
        Ok(())
    }
}

impl Source for Bytes {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        if offset < self.read_to
            && let Some(interrupt) = self.press_when_blocked.take()
        {
            interrupt.press();
        }
        let rest = self.data.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        self.read_to = offset + count as u64;
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Sink for Bytes {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.data.extend_from_slice(bytes);
        Ok(())
    }
}

/// More than the kernel buffers for a server that does not read.
const BIG: usize = 64 << 20;

#[test]
fn an_upload_that_was_left_ends_with_a_whole_frame_of_the_file() {
    let data: Vec<u8> = (0..BIG).map(|n| (n / 7) as u8).collect();
    let sent = data.clone();
    let (open, opened) = gate();
    let mut pair = served(LONG, move |mut server, _| {
        server.hears(&format!("STOR size={BIG} big"));
        server.says(b"150 send\r\n");
        opened.recv().unwrap();
        let mut head = [0; 4];
        server.0.read_exact(&mut head).unwrap();
        let mut at = 0;
        while head != [0xff; 4] {
            let length = u32::from_be_bytes(head) as usize;
            let mut frame = vec![0; length];
            server.0.read_exact(&mut frame).unwrap();
            assert!(frame == sent[at..at + length], "at {at}");
            at += length;
            server.0.read_exact(&mut head).unwrap();
        }
        assert!((1..BIG).contains(&at), "{at}");
        server.says(b"550 why=aborted aborted\r\n");
        server.hears("PWD");
        server.says(b"257 /\r\n");
    });
    let order = PutOrder {
        path: PathArg::new("big").unwrap(),
        size: BIG as u64,
        modified: None,
        digest: Algorithm::Md5,
        declared: None,
        replace: Replace::Never,
        turn: Turn::Negotiate,
    };
    let mut file = Bytes {
        data,
        press_when_blocked: Some(pair.interrupt.clone()),
        ..Bytes::default()
    };
    let stopped = pair.connection.run_dialogue(
        &pair.interrupt,
        Patience::Command,
        |out| Dialogue::put(order, out),
        &mut file,
    );
    assert_eq!(stopped.unwrap(), Outcome::Stopped);
    drop(file);
    open.send(()).unwrap();
    assert_code(pair.command(Command::WorkingDirectory), 257);
    pair.end();
}

#[test]
fn what_was_requested_ahead_is_discarded_after_ctrl_c() {
    let mut pair = served(LONG, |mut server, _| {
        server.hears("RETR start=0 a");
        server.hears("RETR start=0 a");
        server.says(b"150 size=1 mtime=20260102030405 here\r\n\x00\x00\x00\x01x\x00\x00\x00\x00");
        server.says(b"226 size=1 md5=9dd4e461268c8034f5c8564e155c67a6 sent\r\n");
        server.hears("ABOR");
        server.hears("NOOP");
        server.says(b"150 size=1 mtime=20260102030405 here\r\n\x00\x00\x00\x01x\xff\xff\xff\xff");
        server.says(b"550 why=aborted aborted\r\n200 ok\r\n");
        server.hears("PWD");
        server.says(b"257 /\r\n");
    });
    let what = Retrieve {
        path: PathArg::new("a").unwrap(),
        digest: Algorithm::Md5,
        turn: Turn::Skipped,
    };
    for _ in 0..2 {
        pair.connection.send_ahead(&Command::Retrieve(what.clone()));
    }
    // It was noticed elsewhere, and is no reason to leave the answers unread.
    pair.interrupt.press();
    pair.interrupt.take_press();
    let order = GetOrder {
        what,
        command: CommandTiming::SentAhead,
        local: LocalCopy::default(),
        replace: Replace::Never,
    };
    let stopped = pair.connection.run_dialogue(
        &pair.interrupt,
        Patience::Command,
        |out| Dialogue::get(order, out),
        &mut Bytes::default(),
    );
    assert_eq!(stopped.unwrap(), Outcome::Stopped);
    assert_code(pair.command(Command::WorkingDirectory), 257);
    pair.end();
}

#[test]
fn endless_111s_meet_a_deadline() {
    for said in [
        &b"111 done=7 of=7 storing\r\n"[..],
        b"111 working\r\n",
        b"111 done=0 of=9223372036854775807 hashing\r\n",
    ] {
        let mut pair = served(Duration::from_millis(50), move |mut server, _| {
            server.hears("SYST");
            server.says_for_ever(said);
        });
        // Which deadline it is depends on how fast the other thread is.
        pair.command(Command::System).unwrap_err();
        assert_eq!(pair.connection.state(), ConnectionState::Closed);
        pair.end();
    }
}

#[test]
fn a_server_that_does_not_stop_is_left() {
    let lines = b"250 and again\r\n".as_slice();
    let frames = [&b"150 here\r\n"[..], &b"\x00\x00\x00\x01x".repeat(1000)].concat();
    for said in [lines.to_vec(), frames] {
        let mut pair = served(Duration::from_millis(20), move |mut server, interrupt| {
            server.hears("LIST");
            interrupt.press();
            server.hears("ABOR");
            server.hears("NOOP");
            server.says(&said);
            let more = said.strip_prefix(b"150 here\r\n").unwrap_or(&said);
            server.says_for_ever(more);
        });
        pair.interrupt.begin_command();
        // Which deadline it is depends on how fast the other thread is.
        pair.list(Patience::Command).unwrap_err();
        assert_eq!(pair.connection.state(), ConnectionState::Closed);
        pair.end();
    }
}

#[test]
fn what_a_server_says_cannot_command_a_terminal() {
    let cases = [
        ("421 \x1b[2Jbye", "the server closed: \\x1b[2Jbye"),
        (
            "150 \x1b]0;x\x07",
            "the server said 150 \\x1b]0;x\\x07, which makes no sense here",
        ),
        ("421 a\u{202e}b", "the server closed: a\\xe2\\x80\\xaeb"),
    ];
    for (said, told) in cases {
        let mut pair = served(LONG, move |mut server, _| {
            server.hears("PWD");
            server.says(format!("{said}\r\n").as_bytes());
            server.hears_the_end();
        });
        let ended = pair.command(Command::WorkingDirectory).unwrap_err();
        assert_eq!(ended.to_string(), told);
        let next = pair.command(Command::WorkingDirectory).unwrap_err();
        assert!(next.to_string().contains(told), "{next}");
        pair.end();
    }
}

fn session(pair: Pair) -> (Session, JoinHandle<()>) {
    let session = Session {
        connection: pair.connection,
        interrupt: pair.interrupt,
        asker: Asker::Nobody,
        progress_style: ProgressStyle::Hidden,
        digest_form: DigestForm::Whole,
        account: Account {
            server: HostPort {
                host: "127.0.0.1".into(),
                port: 1,
            },
            alias: None,
            tls: Tls::Off,
            timeout: LONG,
            user: "tom".into(),
            password: "123".to_owned().into(),
            certificate: None,
            digest: None,
            options: LinkOptions::default(),
        },
        retries: Retries::at_most(0),
        connections: 1,
        idle: LONG,
        digest: Algorithm::Md5,
        derivation: KeyDerivation {
            salt: Vec::new(),
            iterations: 10_000,
        },
        cwd: b"/docs".to_vec(),
        previous_cwd: None,
        lines: Lines::default(),
        names: NameCache::default(),
        jobs: Jobs::default(),
    };
    (session, pair.server)
}

#[test]
fn names_are_asked_for_once_until_a_command_changes_some() {
    let listing = |server: &mut Server, name: &str| {
        server.hears("LIST");
        server.says(b"150 here\r\n");
        let line = format!("type=file;size=1;modify=20260102030405; {name}\r\n");
        server.says(&[&(line.len() as u32).to_be_bytes(), line.as_bytes(), &[0; 4]].concat());
        server.says(b"226 hidden=0 done\r\n");
    };
    let (mut session, server) = session(served(LONG, move |mut server, _| {
        listing(&mut server, "a");
        server.hears("PWD");
        server.says(b"257 /docs\r\n");
        server.hears("DELE a");
        server.says(b"250 deleted\r\n");
        listing(&mut server, "b");
        server.hears_the_end();
    }));
    let names = |session: &mut Session, folder: &[u8]| {
        let names = session.names_in(folder, Instant::now() + LONG).unwrap();
        let names: Vec<_> = names.iter().map(|entry| entry.name.clone()).collect();
        names.concat()
    };
    for _ in 0..3 {
        assert_eq!(names(&mut session, b""), b"a");
    }
    session.request_ok(b"", Command::WorkingDirectory).unwrap();
    assert_eq!(names(&mut session, b""), b"a");
    let delete = Command::Delete(PathArg::new("a").unwrap());
    session.request_ok(b"a", delete).unwrap();
    for _ in 0..3 {
        assert_eq!(names(&mut session, b""), b"b");
    }
    drop(session);
    server.join().unwrap();
}
