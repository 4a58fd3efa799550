//! Tests dialogues with local files over a real socket, against a scripted server.

use skiff_sessions::wire::command::Retrieve;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use skiff_conf::{HostPort, Tls};
use skiff_sessions::client::{
    CommandTiming, Dialogue, Effect, GetOrder, LocalCopy, LocalFile, Outcome, PutOrder,
};
use skiff_sessions::digest::{Algorithm, Sum};
use skiff_sessions::path::PathArg;
use skiff_sessions::transfer::Task;
use skiff_sessions::wire::command::{Command, Replace, Turn};
use skiff_sessions::wire::reply::Facts;

use super::destination::FileTarget;
use super::download::{Download, DownloadPolicy, Output};
use super::local_file::SyncPolicy;
use super::policy::{Overwrite, Resume, TransferPolicy};
use super::upload::Upload;
use crate::net::connect::LinkOptions;
use crate::net::dialogue::{Patience, Ran, run_dialogue};
use crate::net::link::{Link, LinkError, WaitEnd, WaitLimits};
use crate::net::listing::ListingParser;
use crate::net::local_end::{LocalEnd, LocalFileFailed};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::progress::Progress;
use crate::terminal::questions::Asker;

const ALL: &[u8] = b"seven b";

/// The server's end of a link.
struct Server(BufReader<TcpStream>);

impl Server {
    fn hears(&mut self, wanted: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), wanted);
    }

    fn says(&mut self, text: &[u8]) {
        self.0.get_mut().write_all(text).unwrap();
    }

    fn takes(&mut self, wanted: &[u8]) {
        let mut bytes = vec![0; wanted.len()];
        self.0.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, wanted);
    }
}

fn served(script: impl FnOnce(Server) + Send + 'static) -> (Link, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server =
        thread::spawn(move || script(Server(BufReader::new(listener.accept().unwrap().0))));
    let address = HostPort {
        host: "127.0.0.1".into(),
        port,
    };
    let patience = Duration::from_secs(60);
    let link = Link::open(
        &address,
        Tls::Off,
        patience,
        &LinkOptions::default(),
        &Interrupt::default(),
    );
    (link.unwrap(), server)
}

/// Runs a dialogue to its end; one that is left is taken for stopped.
fn run(
    link: &mut Link,
    interrupt: &Interrupt,
    begun: (Dialogue, Vec<Effect>),
    local: &mut impl LocalEnd,
) -> Result<Outcome, LinkError> {
    let ran = run_dialogue(link, interrupt, Patience::Command, begun, local)?;
    Ok(match ran {
        Ran::Ended(outcome) => outcome,
        Ran::Left(_) => Outcome::Stopped,
    })
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn md5() -> Sum {
    Algorithm::Md5.of(ALL)
}

fn path() -> PathArg {
    PathArg::new("a").unwrap()
}

fn download(folder: &Path) -> Download {
    let progress = Progress::hidden();
    let policy = DownloadPolicy {
        resume: Resume::Ask,
        replace: Replace::Never,
        sync: SyncPolicy::EachFile,
    };
    let name = folder.join("a");
    let output = Output::part(FileTarget::free(name.clone()), 0, policy);
    Download::new(name, output, Asker::Nobody, progress)
}

fn get(
    link: &mut Link,
    interrupt: &Interrupt,
    local: &mut impl LocalEnd,
) -> Result<Outcome, LinkError> {
    let mut effects = Vec::new();
    let order = GetOrder {
        what: Retrieve {
            path: path(),
            digest: Algorithm::Md5,
            turn: Turn::Negotiate,
        },
        command: CommandTiming::Now,
        local: LocalCopy::default(),
        replace: Replace::Never,
    };
    let dialogue = Dialogue::get(order, &mut effects);
    run(link, interrupt, (dialogue, effects), local)
}

#[test]
fn a_download_and_the_next_command_on_the_same_link() {
    let folder = tempfile::tempdir().unwrap();
    let (mut link, server) = served(|mut server| {
        server.hears("RETR a");
        server.says(b"150 size=7 mtime=20260102030405 here it comes\r\n");
        server.hears("200");
        server.says(b"200 size=7 sending all\r\n");
        let frames = [frame(&ALL[..3]), frame(&ALL[3..]), vec![0; 4]].concat();
        let sent = format!("226 size=7 md5={} all sent\r\n", md5());
        // The last bytes and the next line arrive together.
        server.says(&[&frames, sent.as_bytes()].concat());
        server.hears("227");
        server.hears("PWD");
        server.says(b"257 /\r\n");
    });
    let mut local = download(folder.path());
    let outcome = get(&mut link, &Interrupt::default(), &mut local).unwrap();
    assert!(matches!(outcome, Outcome::Verified(_)), "{outcome:?}");
    assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), ALL);
    let mut effects = Vec::new();
    let dialogue = Dialogue::request(Command::WorkingDirectory, &mut effects);
    let begun = (dialogue, effects);
    let outcome = run(&mut link, &Interrupt::default(), begun, &mut local).unwrap();
    assert!(matches!(outcome, Outcome::Replied(answered) if answered.code == 257));
    server.join().unwrap();
}

#[test]
fn an_upload_with_no_turn() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("a");
    std::fs::write(&from, ALL).unwrap();
    let (mut link, server) = served(|mut server| {
        server.hears("STOR size=7 go=1 a");
        server.takes(&[frame(ALL), vec![0; 4]].concat());
        server.hears(&format!("225 md5={}", md5()));
        server.says(b"150 send\r\n111 done=7 of=7 storing\r\n");
        server.says(format!("226 size=7 md5={} stored\r\n", md5()).as_bytes());
    });
    let policy = TransferPolicy {
        resume: Resume::Ask,
        overwrite: Overwrite::Ask,
    };
    let progress = Progress::hidden();
    let mut upload = Upload::open(&from, policy, Asker::Nobody, progress).unwrap();
    let order = PutOrder {
        path: path(),
        size: upload.size(),
        modified: None,
        digest: Algorithm::Md5,
        declared: None,
        replace: Replace::Never,
        turn: Turn::Skipped,
    };
    let interrupt = Interrupt::default();
    let mut effects = Vec::new();
    let dialogue = Dialogue::put_ahead(order.clone(), &mut effects);
    let begun = (dialogue, effects);
    let outcome = run(&mut link, &interrupt, begun, &mut upload).unwrap();
    let Outcome::SentAhead(sent) = outcome else {
        panic!("{outcome:?}");
    };
    let begun = (Dialogue::confirm_put(order, sent), Vec::new());
    let outcome = run(&mut link, &interrupt, begun, &mut upload).unwrap();
    assert!(matches!(outcome, Outcome::Verified(_)), "{outcome:?}");
    server.join().unwrap();
}

/// A local end that raises the interrupt whenever bytes arrive.
struct Impatient {
    download: Download,
    seen: u64,
    interrupt: Interrupt,
}

impl LocalEnd for Impatient {
    fn use_file(&mut self, file: LocalFile) -> Result<(), LocalFileFailed> {
        self.download.use_file(file)
    }

    fn begin_task(&mut self, _: Task) {
        self.seen = 0;
    }

    fn show_bytes_moved(&mut self, bytes: u64) {
        if bytes > self.seen {
            self.seen = bytes;
            self.interrupt.press();
        }
    }
}

impl skiff_sessions::transfer::Source for Impatient {
    fn read_at(
        &mut self,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, skiff_sessions::wire::reply::Refusal> {
        self.download.read_at(offset, buf)
    }
}

impl skiff_sessions::transfer::Sink for Impatient {
    fn write(&mut self, bytes: &[u8]) -> Result<(), skiff_sessions::wire::reply::Refusal> {
        self.download.write(bytes)
    }
}

fn impatient(folder: &Path) -> Impatient {
    Impatient {
        download: download(folder),
        seen: 0,
        interrupt: Interrupt::default(),
    }
}

fn begins_to_send(server: &mut Server) {
    server.hears("RETR a");
    server.says(b"150 size=7 mtime=20260102030405 here it comes\r\n");
    server.hears("200");
    server.says(b"200 size=7 sending all\r\n");
    server.says(&frame(&ALL[..3]));
}

#[test]
fn the_first_interrupt_leaves_the_session_usable_and_the_part_here() {
    let folder = tempfile::tempdir().unwrap();
    let (mut link, server) = served(|mut server| {
        begins_to_send(&mut server);
        server.hears("ABOR");
        server.hears("NOOP");
        server.says(&[0xff; 4]);
        server.says(b"550 aborted\r\n200 ok\r\n");
    });
    let mut local = impatient(folder.path());
    let interrupt = local.interrupt.clone();
    assert_eq!(
        get(&mut link, &interrupt, &mut local).unwrap(),
        Outcome::Stopped
    );
    assert_eq!(
        std::fs::read(folder.path().join("a.skiff-part")).unwrap(),
        &ALL[..3]
    );
    server.join().unwrap();
}

#[test]
fn the_second_interrupt_does_not_wait_for_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (mut link, server) = served(|mut server| {
        begins_to_send(&mut server);
        server.hears("ABOR");
        server.hears("NOOP");
        // The server goes on sending: the second interrupt comes with these bytes.
        server.says(&frame(&ALL[3..5]));
        let mut rest = Vec::new();
        server.0.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    });
    let mut local = impatient(folder.path());
    let interrupt = local.interrupt.clone();
    let ended = get(&mut link, &interrupt, &mut local);
    assert!(matches!(ended, Err(LinkError::Interrupted)), "{ended:?}");
    drop(link);
    server.join().unwrap();
}

/// More lines than the kernel buffers for a peer that does not read.
const TOO_MANY: usize = 4_000_000;

#[test]
fn an_interrupt_ends_a_wait_for_room_and_no_line_is_lost_or_said_twice() {
    let (go, may_read) = channel();
    let (mut link, server) = served(move |mut server| {
        may_read.recv().unwrap();
        let mut all = Vec::new();
        server.0.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"NOOP\r\n".repeat(TOO_MANY));
    });
    for _ in 0..TOO_MANY {
        link.send(&Command::Noop);
    }
    let interrupt = Interrupt::default();
    interrupt.press();
    let deadline = Instant::now() + Duration::from_secs(60);
    let limits = WaitLimits::until(deadline, &interrupt);
    assert!(matches!(link.flush(limits), Ok(WaitEnd::Interrupted)));
    interrupt.begin_command();
    go.send(()).unwrap();
    assert!(matches!(link.flush(limits), Ok(WaitEnd::Ready)));
    drop(link);
    server.join().unwrap();
}

#[test]
fn the_second_interrupt_does_not_wait_for_room() {
    let (done, waits) = channel::<()>();
    let (mut link, server) = served(move |_server| {
        let _ = waits.recv();
    });
    for _ in 0..TOO_MANY {
        link.send(&Command::Noop);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut local = download(folder.path());
    // One whose command was sent ahead begins even after the first press.
    let order = GetOrder {
        what: Retrieve {
            path: path(),
            digest: Algorithm::Md5,
            turn: Turn::Skipped,
        },
        command: CommandTiming::SentAhead,
        local: LocalCopy::default(),
        replace: Replace::Never,
    };
    let mut effects = Vec::new();
    let dialogue = Dialogue::get(order, &mut effects);
    let begun = (dialogue, effects);
    let interrupt = Interrupt::default();
    let pressing = AtomicBool::new(true);
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            while pressing.load(Ordering::Relaxed) {
                interrupt.press();
                thread::yield_now();
            }
        });
        let ended = run(&mut link, &interrupt, begun, &mut local);
        pressing.store(false, Ordering::Relaxed);
        ended
    });
    assert!(matches!(ended, Err(LinkError::Interrupted)), "{ended:?}");
    drop(done);
    server.join().unwrap();
}

fn list(link: &mut Link) -> Result<Outcome, LinkError> {
    let mut effects = Vec::new();
    let dialogue = Dialogue::listing(Command::list(None), &mut effects);
    let mut sink = ListingParser::new(|_: &[u8], _: &Facts| {});
    run(link, &Interrupt::default(), (dialogue, effects), &mut sink)
}

/// Each case: what a server answers to LIST, and how that ends the link.
#[test]
fn servers_that_make_no_sense() {
    type Judge = fn(&LinkError) -> bool;
    let cases: [(&[u8], Judge); 4] = [
        (b"421 the server is shutting down\r\n", |e| {
            matches!(e, LinkError::Closing(_))
        }),
        (b"SSH-2.0-OpenSSH_9.2\r\n", |e| {
            matches!(e, LinkError::NotAReply(_))
        }),
        (b"250 directory changed\r\n", |e| {
            matches!(e, LinkError::OutOfOrder(..))
        }),
        (b"150 here\r\n\x00\x00", |e| matches!(e, LinkError::Lost)),
    ];
    for (said, fits) in cases {
        let said = said.to_vec();
        let (mut link, server) = served(move |mut server| {
            server.hears("LIST");
            server.says(&said);
        });
        let ended = list(&mut link);
        server.join().unwrap();
        assert!(ended.as_ref().is_err_and(fits), "{ended:?}");
    }
}

#[test]
fn a_line_without_an_end_is_not_kept() {
    let (mut link, server) = served(|mut server| {
        server.hears("LIST");
        for _ in 0..64 {
            // The client may close before all was sent.
            if server.0.get_mut().write_all(&[b'x'; 1024]).is_err() {
                break;
            }
        }
    });
    assert!(matches!(list(&mut link), Err(LinkError::NotAReply(_))));
    drop(link);
    server.join().unwrap();
}
