//! A trace of the reactor's own thread: once the daemon serves, it waits for no disk and asks no
//! name server, whatever its sessions do.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::harness::{Peer, Said, Speech, Wire, binary, watched_keys, write_settings};

/// System calls that look at, open or change a name, or wait for a disk.
const NEVER: [&str; 34] = [
    "open",
    "openat",
    "creat",
    "stat",
    "lstat",
    "newfstatat",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "ftruncate",
    "fallocate",
    "fchmod",
    "chmod",
    "utimensat",
    "fsetxattr",
    "fgetxattr",
];

/// System calls that are fine on a socket or a pipe, and not on a file.
const NOT_ON_FILES: [&str; 12] = [
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "sendfile",
    "splice",
    "copy_file_range",
    "close",
];

/// System calls that wait for no disk as long as they say this.
const AT_HAND: [(&str, &str); 4] = [
    ("openat2", "RESOLVE_CACHED"),
    ("preadv2", "RWF_NOWAIT"),
    // Of what was opened like that.
    ("statx", ", \"\", "),
    ("fstat", ""),
];

/// How a line ends whose call is told of in two.
const UNFINISHED: &str = " <unfinished ...>";

/// The C library's allocator asks the kernel once, when it first gives memory back.
const ALLOCATOR: &str = "/proc/sys/vm/overcommit_memory";

struct Traced {
    strace: Child,
    stdout: Arc<Said>,
    folder: tempfile::TempDir,
}

impl Traced {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let demo = folder.path().join("demo");
        std::fs::create_dir(&demo).unwrap();
        write_settings(&demo, watched_keys());
        let mut strace = Command::new("strace")
            .args(["-f", "-tt", "-yy", "-s", "64", "-o"])
            .arg(folder.path().join("trace"))
            .arg(binary("skiffd"))
            .arg("--demo")
            .arg(demo)
            .args(["--native", "127.0.0.1:0", "--ftp", "off"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = Said::listen(strace.stdout.take().unwrap());
        stdout.wait_line("ready");
        Self {
            strace,
            stdout,
            folder,
        }
    }

    fn peer(&self) -> Peer {
        let address = self.stdout.wait_line("native ").replace("native ", "");
        Peer::new(Wire::open(address.parse().unwrap(), Speech::Tls))
    }

    /// Ends it, and tells what the first thread did between `ready` and the end.
    fn finish(mut self) -> Vec<String> {
        let trace = self.folder.path().join("trace");
        let reactor = reactor_of(&trace);
        let pid = rustix::process::Pid::from_raw(reactor.parse().unwrap()).unwrap();
        // Killed, so that nothing of an orderly end is in the trace.
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        self.strace.wait().unwrap();
        let text = std::fs::read_to_string(trace).unwrap();
        let own = text
            .lines()
            .filter_map(|line| line.strip_prefix(&reactor)?.trim_start().split_once(' '))
            .map(|(_, call)| call.to_owned());
        let own = own
            .skip_while(|call| !(call.starts_with("write(1<") && call.contains("\"ready")))
            .skip(1);
        whole(own)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// Puts together what another thread's calls came between.
fn whole(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut calls: Vec<String> = Vec::new();
    for line in lines {
        let rest = line
            .strip_prefix("<... ")
            .and_then(|rest| rest.split_once(" resumed>"));
        match (rest, calls.last_mut()) {
            (Some((_, rest)), Some(begun)) if begun.ends_with(UNFINISHED) => {
                begun.truncate(begun.len() - UNFINISHED.len());
                begun.push_str(rest);
            }
            _ => calls.push(line),
        }
    }
    calls
}

/// The first line is of the first thread.
fn reactor_of(trace: &Path) -> String {
    let text = std::fs::read_to_string(trace).unwrap();
    text.split_whitespace().next().unwrap().to_owned()
}

fn name_of(call: &str) -> &str {
    call.split(['(', ' ']).next().unwrap()
}

/// With -yy a descriptor stands as `9</path>`, `9<TCP:[..]>`, `9<pipe:[..]>`.
fn is_on_file(call: &str) -> bool {
    let arguments = call.split_once('(').map_or("", |(_, rest)| rest);
    let first = arguments.split_once('<').map_or("", |(_, rest)| rest);
    let number = arguments.split('<').next().unwrap_or_default();
    number.chars().all(|c| c.is_ascii_digit()) && first.starts_with('/')
}

/// What the reactor opened itself, as `= 9</path>` at the end of the call that did.
fn opened(call: &str) -> Option<&str> {
    let (_, result) = call.rsplit_once(") = ")?;
    (name_of(call) == "openat2" && result.contains('<')).then_some(result)
}

fn closed(call: &str) -> Option<&str> {
    let (what, _) = call.strip_prefix("close(")?.split_once(')')?;
    Some(what)
}

/// The calls that may wait. Files that were opened at hand may be closed, too.
fn forbidden(calls: &[String]) -> Vec<&String> {
    let mut own = Vec::new();
    calls
        .iter()
        .filter(|call| {
            own.extend(opened(call));
            let mine = closed(call).and_then(|what| own.iter().position(|opened| *opened == what));
            match mine {
                Some(index) => {
                    own.swap_remove(index);
                    false
                }
                None => is_forbidden(call),
            }
        })
        .collect()
}

fn is_forbidden(call: &str) -> bool {
    let name = name_of(call);
    let unless = AT_HAND.iter().find(|(known, _)| *known == name);
    !call.contains(ALLOCATOR)
        && (NEVER.contains(&name)
        || unless.is_some_and(|(_, flag)| !call.contains(flag))
        || (NOT_ON_FILES.contains(&name) && is_on_file(call))
        // The port of name servers.
        || (name == "connect" && call.contains("htons(53)")))
}

fn has_strace() -> bool {
    Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn a_day_of(tom: &mut Peer) {
    let data = vec![4; 5 << 20];
    tom.put("", "one", &data);
    tom.put("replace=1 ", "one", &data[1..]);
    assert_eq!(tom.get("one").len(), data.len() - 1);
    tom.leave_part("", "part", &data, 1 << 20);
    tom.list("STAGES");
    tom.ask("STAGES drop=1 part", 250);
    tom.ask("MKD folder", 257);
    tom.ask("CWD folder", 250);
    tom.ask("CWD ..", 250);
    tom.list("LIST");
    tom.ask("HASH algo=sha256 one", 213);
    tom.ask("RNFR one", 350);
    tom.ask("351 folder/two", 250);
    for line in [
        "RETR missing",
        "STAT missing",
        "LIST missing",
        "DELE missing",
    ] {
        tom.ask(line, 404);
    }
    tom.ask("RETR /../../etc/passwd", 403);
    tom.ask("DELE folder/two", 250);
    tom.ask("DELE folder", 250);
    tom.ask("DF", 213);
    tom.ask("STAT", 211);
}

#[test]
fn the_reactor_waits_for_no_disk_and_asks_no_name_server() {
    if !has_strace() {
        eprintln!("skipped: the trace of the reactor needs strace");
        return;
    }
    let traced = Traced::start();
    for user in ["tom", "jerry"] {
        let mut peer = traced.peer();
        assert_eq!(peer.login(user, "wrong").code, 530);
        assert_eq!(peer.login(user, "123").code, 230);
        a_day_of(&mut peer);
        peer.ask("220", 221);
    }
    assert_eq!(traced.peer().login("nobody", "123").code, 530);
    let mut cut = traced.peer();
    cut.login("tom", "123");
    cut.send("STOR size=1000000 left");
    cut.cut();
    traced.peer().ask("NOOP", 200);

    let calls = traced.finish();
    assert!(
        calls.len() > 200,
        "the trace is not of the reactor: {calls:?}"
    );
    assert!(calls.iter().any(|call| call.starts_with("epoll_wait(")));
    let forbidden = forbidden(&calls);
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

#[test]
fn files_are_told_from_sockets() {
    let lines = [
        "openat2(3, \"x\" <unfinished ...>",
        "<... openat2 resumed>) = 9</x>",
        "close(9</x>) = 0",
    ];
    assert_eq!(
        whole(lines.into_iter().map(str::to_owned)),
        ["openat2(3, \"x\") = 9</x>", "close(9</x>) = 0"]
    );
    for call in [
        "openat(AT_FDCWD</tmp>, \"x\", O_RDONLY) = 3</tmp/x>",
        "pwrite64(9</tmp/x>, \"\", 1, 0) = 1",
        "close(9</tmp/x>) = 0",
        "openat2(3</tmp>, \"x\", {flags=O_RDONLY, resolve=RESOLVE_BENEATH}, 24) = 9</tmp/x>",
        "statx(3</tmp>, \"x\", AT_SYMLINK_NOFOLLOW, STATX_INO, {stx_mask=STATX_TYPE}) = 0",
        "preadv2(9</tmp/x>, [{}], 1, 0, 0) = 1",
        "fsync(9</tmp/x> <unfinished ...>",
        "connect(9<UDP:[1]>, {sa_family=AF_INET, sin_port=htons(53)}, 16) = 0",
    ] {
        assert!(is_forbidden(call), "{call}");
    }
    for call in [
        "write(9<pipe:[77]>, \"\", 1) = 1",
        "writev(12<TCP:[127.0.0.1:1->127.0.0.1:2]>, [], 1) = 1",
        "close(12<socket:[99]>) = 0",
        "epoll_wait(3<anon_inode:[eventpoll]>, [], 1024, -1) = 0",
        "close(12<TCP:[127.0.0.1:1->127.0.0.1:2]>) = 0",
        "openat2(3</tmp>, \"x\", {flags=O_PATH, resolve=RESOLVE_CACHED}, 24) = 9</tmp/x>",
        "statx(9</tmp/x>, \"\", AT_EMPTY_PATH, STATX_INO, {stx_mask=STATX_TYPE}) = 0",
        "preadv2(9</tmp/x>, [{}], 1, 0, RWF_NOWAIT) = 1",
    ] {
        assert!(!is_forbidden(call), "{call}");
    }
    let open = "openat2(3</tmp>, \"x\", {resolve=RESOLVE_CACHED}, 24) = 9</tmp/x>".to_owned();
    let close = "close(9</tmp/x>) = 0".to_owned();
    let calls = [open, close.clone(), close];
    assert_eq!(forbidden(&calls), [&calls[2]]);
}
