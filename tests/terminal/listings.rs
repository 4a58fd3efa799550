//! `ls` and `ldir` as a person sees them and as a script reads them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::desk::{Desk, finish};
use crate::harness::Daemon;

/// A daemon with three files of three sizes and times, a directory, a link and a hidden file.
fn with_entries() -> (Daemon, Desk) {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.ask("MKD dir", 257);
    for (name, size, time) in [
        ("big", 3000, "20260102030405"),
        ("mid", 200, "20260702030405"),
        ("new", 1, "20260801000000"),
        (".hid", 5, "20260801000000"),
        ("dir/in", 2, "20260801000000"),
    ] {
        tom.put(&format!("mtime={time} "), name, &vec![b'x'; size]);
    }
    symlink("big", daemon.home("tom").join("way")).unwrap();
    (daemon, Desk::new())
}

#[test]
fn a_script_gets_one_name_a_line() {
    let (daemon, desk) = with_entries();
    let says = |command: &str, said: &str| {
        desk.batch(daemon.address(), &["-c", command], "")
            .says(said);
    };
    says("ls", "big\ndir\nmid\nnew\nway\n");
    says("ls -a", ".hid\nbig\ndir\nmid\nnew\nway\n");
    says("ls .hid dir/in", ".hid\ndir/in\n");
    says("ls .hid", ".hid\n");
    says("ls -S big mid new", "big\nmid\nnew\n");
    says("ls -t big mid new", "new\nmid\nbig\n");
    says("ls -tr [bmn]*", "big\nmid\nnew\n");
    says("ls dir big", "dir:\nin\nbig\n");
    says("rm dir/in; ls dir", "250 deleted\n");
    fs::write(desk.path("own"), "").unwrap();
    says("ldir; lls -a own", "own\nown\n");
}

#[test]
fn long_lines_tell_local_time_unless_it_is_to_be_utc() {
    let (daemon, desk) = with_entries();
    let list = |options: &str| {
        let server = format!("tom@{}", daemon.address());
        let password = desk.home().join("password");
        let password = password.to_str().unwrap();
        let command = format!("ls -l {options} big mid");
        let login = ["--trust", "new", "--password-file", password];
        let words = [&login[..], &["-c", &command, &server]].concat();
        let mut skiff = desk.command(&words);
        skiff.env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
        finish(skiff.spawn().unwrap(), "")
    };
    list("").says(
        "-rw-------           3000 2026-01-02 04:04 big\n\
         -rw-------            200 2026-07-02 05:04 mid\n",
    );
    list("-hr --utc").says(
        "-rw-------          200 B 2026-07-02 03:04 mid\n\
         -rw-------         3.0 kB 2026-01-02 03:04 big\n",
    );
    list("--ut").fails(1, "no such option");
}

#[test]
fn a_terminal_gets_columns_that_fit_and_marks() {
    let (daemon, desk) = with_entries();
    let mut tom = desk.log_in(daemon.address());
    assert_eq!(tom.ask("ls"), "big  dir/  mid  new  way@");
    assert_eq!(tom.ask("ls -1"), "big\ndir/\nmid\nnew\nway@");
    let folder = daemon.home("tom").join("many");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    for n in 0..40 {
        fs::write(folder.join(format!("文件{n:02}")), "").unwrap();
    }
    let shown = tom.ask("ls many");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    assert!(lines[0].starts_with("文件00  文件04  文件08"), "{shown}");
}
