//! The client's own codes, as `skiff` itself says them, overheard on a line in clear.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::harness::{Daemon, PASSWORD, binary, noise};

/// What `skiff` is told to do, and the beginning of the line that it must say then.
const SAYS: &[(&str, &str)] = &[
    ("put new", "225 "),
    ("put -c part", "211"),
    ("put -c other", "200"),
    ("get file fresh", "200"),
    ("get file fresh2", "227"),
    ("get -c file begun", "210 offset="),
    ("get file file", "400"),
    ("rename file renamed", "351 "),
    ("quit", "220"),
];

#[test]
fn skiff_says_the_codes_of_its_dialogues() {
    for (command, line) in SAYS {
        says(&[], command, line);
    }
}

#[test]
fn transfers_are_verified_by_the_digest_that_is_named() {
    for digest in ["md5", "sha256"] {
        let options = ["--digest", digest];
        says(&options, "put new", &format!("225 {digest}="));
        // A part is proved by what the file was verified by when it was put.
        says(&options, "get -c file begun", "210 offset=30000 md5=");
        says(&options, "put -c part", "211");
    }
}

fn says(options: &[&str], command: &str, line: &str) {
    let said = overhear(options, command);
    let found = said.windows(line.len()).any(|part| part == line.as_bytes());
    let lines = String::from_utf8_lossy(&said);
    assert!(found, "{options:?} {command}: no {line:?} in {lines:.2000}");
}

/// All that `skiff` says to a daemon that has a file and two parts.
fn overhear(options: &[&str], command: &str) -> Vec<u8> {
    let daemon = Daemon::with("native: (tls: Off),");
    let here = tempfile::tempdir().unwrap();
    let data = noise(60, 100_000);
    let mut tom = daemon.login("tom");
    tom.put("mtime=20260102030405 ", "file", &data);
    tom.leave_part("", "part", &data, 60_000);
    tom.leave_part("", "other", &noise(61, 100_000), 60_000);
    for name in ["new", "part", "other", "file"] {
        fs::write(here.path().join(name), &data).unwrap();
    }
    // 400 is for a file of the same size and time; of another time, it is compared.
    let file = fs::File::options()
        .write(true)
        .open(here.path().join("file"));
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    file.unwrap().set_modified(time).unwrap();
    fs::write(here.path().join("begun.skiff-part"), &data[..30_000]).unwrap();

    let line = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = line.local_addr().unwrap();
    let to = daemon.address();
    let overheard = std::thread::spawn(move || overhear_one(&line, to));
    run_skiff(address, options, command, here.path());
    overheard.join().unwrap()
}

/// Passes one connection on; what its caller says.
fn overhear_one(line: &TcpListener, to: SocketAddr) -> Vec<u8> {
    let (mut caller, _) = line.accept().unwrap();
    let mut called = TcpStream::connect(to).unwrap();
    let (mut back, mut forth) = (called.try_clone().unwrap(), caller.try_clone().unwrap());
    let answers = std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut forth);
        let _ = forth.shutdown(Shutdown::Both);
    });
    let (mut said, mut buffer) = (Vec::new(), [0; 65_536]);
    while let Ok(count @ 1..) = caller.read(&mut buffer) {
        said.extend_from_slice(&buffer[..count]);
        called.write_all(&buffer[..count]).unwrap();
    }
    let _ = called.shutdown(Shutdown::Write);
    answers.join().unwrap();
    said
}

fn run_skiff(address: SocketAddr, options: &[&str], command: &str, here: &Path) {
    let password = here.join("password");
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let output = Command::new(binary("skiff"))
        .args(options)
        .args(["--tls", "off", "-q", "--password-file"])
        .arg(&password)
        .args(["-c", command, &format!("tom@{address}")])
        .current_dir(here)
        .env("HOME", here)
        .env_remove("XDG_CONFIG_HOME")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
}
