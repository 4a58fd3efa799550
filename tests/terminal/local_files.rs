//! What `get` finds here is respected: modes, links, devices, another `skiff`, long names, old times.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{
    FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink,
};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat};

use super::desk::Desk;
use super::line::Line;
use crate::harness::{Daemon, noise, until};

/// What a narrow line carries in 50 s.
const BIG: usize = 40_000_000;

const TEXT: &[u8] = b"some text\n";

/// A daemon that has `file`.
fn with_file() -> (Daemon, Desk) {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "file", TEXT);
    (daemon, Desk::new())
}

#[test]
fn a_device_takes_the_bytes_and_stays_a_device() {
    let (daemon, desk) = with_file();
    let node = desk.path("mynull");
    let mode = Mode::RUSR | Mode::WUSR;
    if let Err(error) = mknodat(CWD, &node, FileType::CharacterDevice, mode, makedev(1, 3)) {
        eprintln!("skipped: no device can be made here: {error}");
        return;
    }
    for command in ["get file mynull", "get -f file mynull"] {
        let ran = desk.batch(daemon.address(), &["-c", command], "");
        assert_eq!(ran.code, 0, "{}", ran.complained);
        assert!(ran.said.contains("written and verified"), "{}", ran.said);
        let found = fs::symlink_metadata(&node).unwrap();
        assert!(found.file_type().is_char_device(), "{command}");
        assert_eq!(found.rdev(), makedev(1, 3), "{command}");
    }
    // Nor does a tree take its place.
    fs::create_dir(desk.path("tree")).unwrap();
    fs::rename(&node, desk.path("tree/file")).unwrap();
    let ran = desk.batch(daemon.address(), &["-c", "get -r -f . tree"], "");
    ran.fails(1, "file: not a regular file, left as it is");
    let found = fs::symlink_metadata(desk.path("tree/file")).unwrap();
    assert!(found.file_type().is_char_device());
    assert_eq!(fs::read_dir(desk.path("tree")).unwrap().count(), 1);
}

#[test]
fn a_fifo_takes_the_bytes_whenever_its_reader_comes() {
    let (daemon, desk) = with_file();
    let data = noise(1, 1_000_000);
    daemon.login("tom").put("", "big", &data);
    let fifo = desk.path("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let child = desk.begin(daemon.address(), &["-c", "get big fifo"]);
    let reader = thread::spawn({
        let fifo = fifo.clone();
        move || fs::read(fifo).unwrap()
    });
    let ran = child.wait_with_output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    let read = reader.join().unwrap();
    assert!(read == data, "{} bytes came", read.len());
}

#[test]
fn ctrl_c_ends_the_wait_for_a_reader() {
    let (daemon, desk) = with_file();
    daemon.login("tom").put("", "big", &noise(1, 1_000_000));
    let fifo = desk.path("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut tom = desk.log_in(daemon.address());
    // A reader that reads no more than the first byte.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let reader = File::options().read(true).custom_flags(flags).open(&fifo);
    tom.enter("get big fifo");
    let mut byte = [0];
    until("the first byte", || {
        reader
            .as_ref()
            .unwrap()
            .read(&mut byte)
            .ok()
            .filter(|&read| read > 0)
    });
    tom.press("C-c");
    let said = tom.answer();
    assert!(said.contains("big: stopped"), "{said}");
    assert_eq!(tom.ask("pwd"), "257 /");
}

#[test]
fn a_dash_is_standard_output_which_gets_the_bytes_alone() {
    let (daemon, desk) = with_file();
    let big = "big text\n".repeat(100_000);
    daemon.login("tom").put("", "big", big.as_bytes());
    for name in ["-", "/dev/stdout"] {
        let command = format!("get file {name}; get big {name}");
        let ran = desk.batch(daemon.address(), &["-c", &command], "");
        ran.says(&format!("some text\n{big}"));
        let told: Vec<_> = ran.complained.lines().collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("10 bytes in "), "{told:?}");
        assert!(told[0].contains("written and verified"), "{told:?}");
    }
    assert!(!desk.path("-").exists());
    let ran = desk.batch(daemon.address(), &["-c", "get -r . -"], "");
    ran.fails(1, "a directory cannot be written to standard output");
}

/// The digest that was remembered is no longer that of the disk.
#[test]
fn a_stream_is_verified_and_a_mismatch_told() {
    let (daemon, desk) = with_file();
    let path = daemon.home("tom").join("file");
    let before = path.metadata().unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"S", 0).unwrap();
    let times = FileTimes::new().set_modified(before.modified().unwrap());
    file.set_times(times).unwrap();
    let words = ["--digest", "md5", "-c", "get file -"];
    let ran = desk.batch(daemon.address(), &words, "");
    ran.fails(1, "not verified, the digests differ");
    ran.fails(1, "what was written is not the file");
    assert_eq!(ran.said, "Some text\n");
}

#[test]
fn a_replaced_file_keeps_its_mode() {
    let (daemon, desk) = with_file();
    for mode in [0o600, 0o755, 0o640, 0o444] {
        desk.write("file", b"old");
        let mut old = mode;
        fs::set_permissions(desk.path("file"), Permissions::from_mode(old)).unwrap();
        let ran = desk.batch(daemon.address(), &["-c", "get -f file"], "");
        assert_eq!(ran.code, 0, "{}", ran.complained);
        old = fs::metadata(desk.path("file")).unwrap().mode() & 0o7777;
        assert_eq!((old, desk.read("file")), (mode, TEXT.to_vec()));
        fs::remove_file(desk.path("file")).unwrap();
    }
}

/// FAT has no modes, and some of NFS and FUSE no locks and no rename that replaces nothing.
#[test]
fn what_a_file_system_lacks_keeps_nothing_from_being_fetched() {
    let (daemon, desk) = with_file();
    for call in [
        "fchmod:error=EPERM",
        "fchown:error=EPERM",
        "flock:error=ENOLCK",
        "flock:error=EOPNOTSUPP",
        "renameat2:error=EINVAL",
    ] {
        desk.write("file", b"old");
        let words = ["-c", "get file new; get -f file"];
        let ran = desk.batch_without(call, daemon.address(), &words);
        assert_eq!(ran.code, 0, "{call}: {}", ran.complained);
        for name in ["new", "file"] {
            assert_eq!(desk.read(name), TEXT, "{call}");
            fs::remove_file(desk.path(name)).unwrap();
        }
    }
}

#[test]
fn a_link_stays_and_what_is_behind_it_is_replaced() {
    let (daemon, desk) = with_file();
    fs::create_dir(desk.path("sub")).unwrap();
    symlink("sub/behind", desk.path("link")).unwrap();
    symlink("link", desk.path("twice")).unwrap();
    // The first finds nothing behind the link, the others a file.
    for name in ["link", "link", "twice"] {
        let command = format!("get -f file {name}");
        let ran = desk.batch(daemon.address(), &["-c", &command], "");
        assert_eq!(ran.code, 0, "{}", ran.complained);
        for link in ["link", "twice"] {
            assert!(desk.path(link).is_symlink(), "{link} after {command}");
        }
        assert_eq!(desk.read("sub/behind"), TEXT);
        assert_eq!(fs::read_dir(desk.path("sub")).unwrap().count(), 1);
        desk.write("sub/behind", b"old");
    }
}

#[test]
fn two_at_one_name_are_one_whole_file_and_one_refusal() {
    let daemon = Daemon::demo();
    let data = noise(1, BIG);
    daemon.login("tom").put("", "big", &data);
    let (line, desk) = (Line::to(daemon.address()), Desk::new());
    line.narrow();
    let first = desk.begin(line.address(), &["-c", "get big"]);
    wait_for_part(&desk);
    symlink("big", desk.path("other name")).unwrap();
    for command in [
        "get big",
        "get -f big",
        "get -c big",
        "get big 'other name'",
    ] {
        let ran = desk.batch(daemon.address(), &["-c", command], "");
        ran.fails(1, "another skiff is fetching to ");
        assert!(!desk.path("big").exists(), "{command}");
    }
    line.widen();
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{first:?}");
    assert!(desk.read("big") == data, "a mixture");
}

#[test]
fn one_that_was_killed_leaves_its_part_without_a_lock() {
    let daemon = Daemon::demo();
    let data = noise(1, BIG);
    daemon.login("tom").put("", "big", &data);
    let (line, desk) = (Line::to(daemon.address()), Desk::new());
    line.narrow();
    let mut first = desk.begin(line.address(), &["-c", "get big"]);
    wait_for_part(&desk);
    first.kill().unwrap();
    first.wait().unwrap();
    let ran = desk.batch(daemon.address(), &["-c", "get big"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert!(ran.said.contains(" of them now) in "), "{}", ran.said);
    assert!(desk.read("big") == data, "not the file");
}

fn wait_for_part(desk: &Desk) {
    let part = desk.path("big.skiff-part");
    until("the part of a download", || {
        fs::metadata(&part).ok().filter(|part| part.len() > 0)
    });
}

/// Names as long as a file system takes, where a part needs a name of its own.
#[test]
fn the_longest_names_go_both_ways() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let host = format!("tom@{}:", daemon.address());
    let names = [
        "n".repeat(255).into_bytes(),
        "年".repeat(85).into_bytes(),
        vec![0xff; 255],
        "m".repeat(245).into_bytes(),
    ];
    let name = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let at = |folder: &Path, bytes: &[u8]| folder.join(OsStr::from_bytes(bytes));
    let (here, there) = (desk.path("."), daemon.home("tom"));
    fs::create_dir(desk.path("back")).unwrap();
    for bytes in &names {
        fs::write(at(&here, bytes), bytes).unwrap();
        let ran = desk.give(&["put".into(), name(host.as_bytes()), name(bytes)]);
        assert_eq!(ran.code, 0, "{}", ran.complained);
        let remote = name(&[host.as_bytes(), bytes].concat());
        let ran = desk.give(&["get".into(), remote, "back".into()]);
        assert_eq!(ran.code, 0, "{}", ran.complained);
        assert_eq!(fs::read(at(&there, bytes)).unwrap(), *bytes);
        assert_eq!(fs::read(at(&desk.path("back"), bytes)).unwrap(), *bytes);
    }
    let ran = desk.give(&[
        "get".into(),
        "-r".into(),
        name(host.as_bytes()),
        "tree".into(),
    ]);
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert_eq!(
        fs::read_dir(desk.path("tree")).unwrap().count(),
        names.len()
    );
}

#[test]
fn times_before_1970_go_both_ways() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let moon = SystemTime::UNIX_EPOCH - Duration::from_secs(14_182_940);
    for name in ["tree/file", "file"] {
        let _ = fs::create_dir(desk.path("tree"));
        desk.write(name, TEXT);
        let file = File::options().write(true).open(desk.path(name)).unwrap();
        file.set_modified(moon).unwrap();
    }
    let commands = "put file; put -r tree; get file back; get -r tree branch";
    let ran = desk.batch(daemon.address(), &["-c", commands], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    for path in [
        daemon.home("tom").join("file"),
        daemon.home("tom").join("tree/file"),
        desk.path("back"),
        desk.path("branch/file"),
    ] {
        assert_eq!(path.metadata().unwrap().mtime(), -14_182_940, "{path:?}");
    }
    // So that the next time finds it unchanged.
    let ran = desk.batch(daemon.address(), &["-c", "get file back"], "");
    assert!(ran.said.contains("of the same time"), "{}", ran.said);
}
