//! `sync` makes one directory like another, and trees go over several sessions.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::desk::{Desk, Ran, finish};
use super::liar::serve_session;
use super::line::Line;
use crate::harness::{Daemon, noise, until};

/// A time that is kept: whole seconds, long ago.
fn long_ago(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seconds)
}

fn touch(path: &std::path::Path, seconds: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(long_ago(seconds)).unwrap();
}

/// A tree of which everything is told.
fn make_tree(desk: &Desk, root: &str) {
    fs::create_dir_all(desk.path(&format!("{root}/deep/er"))).unwrap();
    for (name, data) in [
        ("a", "one"),
        ("b.o", "object"),
        ("deep/c", "three"),
        ("deep/er/d", "four"),
    ] {
        let path = format!("{root}/{name}");
        desk.write(&path, data.as_bytes());
        touch(&desk.path(&path), 1);
    }
}

/// Runs a command dry, then really; both say the same.
#[track_caller]
fn run_twice(desk: &Desk, daemon: &Daemon, options: &str, sides: &str) -> Ran {
    let dry = desk.batch(
        daemon.address(),
        &["-c", &format!("sync -n {options} {sides}")],
        "",
    );
    let ran = desk.batch(
        daemon.address(),
        &["-c", &format!("sync {options} {sides}")],
        "",
    );
    assert_eq!(dry.said, ran.said, "{}{}", dry.complained, ran.complained);
    assert_eq!(dry.code, ran.code);
    ran
}

#[test]
fn the_server_becomes_like_the_tree_here() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    make_tree(&desk, "docs");
    let sides = "docs :docs";
    let sync = |options: &str| run_twice(&desk, &daemon, options, sides);
    let home = daemon.home("tom");
    sync("-x *.o").says("mkdir docs\nput docs/a\nmkdir docs/deep\nput docs/deep/c\nmkdir docs/deep/er\nput docs/deep/er/d\n");
    assert!(!home.join("docs/b.o").exists());
    assert_eq!(
        fs::metadata(home.join("docs/a"))
            .unwrap()
            .modified()
            .unwrap(),
        long_ago(1)
    );
    sync("-x *.o").says("");

    // Another size, another time of the same bytes, and another time of others.
    desk.write("docs/a", b"longer");
    touch(&desk.path("docs/deep/c"), 2);
    desk.write("docs/deep/er/d", b"FOUR");
    touch(&desk.path("docs/deep/er/d"), 3);
    fs::write(home.join("docs/extra"), "x").unwrap();
    fs::create_dir_all(home.join("docs/gone/with")).unwrap();
    fs::write(home.join("docs/gone/with/it"), "x").unwrap();
    fs::write(home.join("docs/kept.o"), "x").unwrap();
    sync("-x *.o").says("put docs/a\nput docs/deep/c\nput docs/deep/er/d\n");
    sync("-x *.o --delete").says("delete docs/extra\ndelete docs/gone\n");
    assert_eq!(fs::read(home.join("docs/deep/er/d")).unwrap(), b"FOUR");
    assert!(!home.join("docs/gone").exists() && home.join("docs/kept.o").exists());
    sync("-x *.o").says("");
}

#[test]
fn the_tree_here_becomes_like_the_server() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    make_tree(&desk, "docs");
    let ran = desk.batch(daemon.address(), &["-c", "sync docs :docs"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    let sync = |options: &str| run_twice(&desk, &daemon, options, ":docs copy");
    sync("").says("mkdir copy\nmkdir copy/deep\nmkdir copy/deep/er\nget copy/a\nget copy/b.o\nget copy/deep/c\nget copy/deep/er/d\n");
    sync("").says("");
    let home = daemon.home("tom");
    fs::write(home.join("docs/a"), "longer").unwrap();
    touch(&home.join("docs/deep/c"), 2);
    desk.write("copy/extra", b"x");
    fs::create_dir(desk.path("copy/gone")).unwrap();
    desk.write("copy/gone/x", b"x");
    symlink(desk.path("docs"), desk.path("copy/link")).unwrap();
    // Part of a download that was interrupted is none of the tree's files.
    desk.write("copy/y.skiff-part", b"x");
    sync("").says("get copy/a\nget copy/deep/c\n");
    sync("--delete").says("delete copy/extra\ndelete copy/gone\ndelete copy/link\n");
    assert_eq!(desk.read("copy/a"), b"longer");
    assert!(desk.path("docs/a").exists() && desk.path("copy/y.skiff-part").exists());
    let time = fs::metadata(desk.path("copy/deep/c"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(time, long_ago(2));
    sync("").says("");
}

#[test]
fn digests_tell_what_times_do_not() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    make_tree(&desk, "docs");
    let server = daemon.address();
    let ran = |line: &str| desk.batch(server, &["-c", line], "");
    ran("sync docs :docs").says("mkdir docs\nput docs/a\nput docs/b.o\nmkdir docs/deep\nput docs/deep/c\nmkdir docs/deep/er\nput docs/deep/er/d\n");
    // The same size and time, and other bytes.
    fs::write(daemon.home("tom").join("docs/a"), "two").unwrap();
    touch(&daemon.home("tom").join("docs/a"), 1);
    touch(&desk.path("docs/b.o"), 9);
    ran("sync docs :docs -n").says("put docs/b.o\n");
    run_twice(&desk, &daemon, "--checksum", "docs :docs").says("put docs/a\n");
    assert_eq!(fs::read(daemon.home("tom").join("docs/a")).unwrap(), b"one");
}

#[test]
fn nothing_is_deleted_where_the_source_is_not_known() {
    let server = serve_session(|mut liar| {
        liar.answers(
            "STAT docs",
            "213 type=dir size=0 mtime=20260102030405 /docs",
        );
        liar.hears("LIST docs");
        liar.lists(&[], "226 hidden=1 done");
        liar.hears("220");
    });
    let desk = Desk::new();
    fs::create_dir(desk.path("docs")).unwrap();
    desk.write("docs/extra", b"x");
    let command = "sync --delete :docs docs";
    let ran = desk.batch(server.address, &["--tls", "off", "-c", command], "");
    ran.fails(
        1,
        "docs: 1 entry that the server could not list, not fetched",
    );
    ran.fails(1, "nothing is deleted: not all could be listed");
    assert_eq!(ran.said, "");
    assert!(desk.path("docs/extra").exists());
    server.end();
}

#[test]
fn what_is_of_another_kind_gives_way_only_where_things_are_deleted() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let home = daemon.home("tom");
    fs::create_dir_all(desk.path("docs/dir")).unwrap();
    desk.write("docs/dir/x", b"x");
    desk.write("docs/file", b"x");
    fs::create_dir_all(home.join("docs/file/full")).unwrap();
    fs::write(home.join("docs/dir"), "a file").unwrap();
    let ran = desk.batch(daemon.address(), &["-c", "sync docs :docs"], "");
    ran.fails(1, "docs/dir: no directory has its name at the server");
    ran.fails(1, "docs/file: a directory has its name at the server");
    run_twice(&desk, &daemon, "--delete", "docs :docs")
        .says("delete docs/dir\ndelete docs/file\nput docs/file\nmkdir docs/dir\nput docs/dir/x\n");
    // And down.
    fs::remove_dir_all(desk.path("docs/dir")).unwrap();
    fs::remove_file(desk.path("docs/file")).unwrap();
    fs::create_dir(desk.path("docs/file")).unwrap();
    desk.write("docs/dir", b"x");
    let ran = desk.batch(daemon.address(), &["-c", "sync :docs docs"], "");
    ran.fails(1, "docs/dir: a file here has its name");
    ran.fails(1, "docs/file: is a directory");
    let ran = desk.batch(daemon.address(), &["-c", "sync --delete :docs docs"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert!(desk.read("docs/dir/x") == b"x" && desk.read("docs/file") == b"x");
}

#[test]
fn permissions_go_along_where_they_are_to() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    fs::create_dir(desk.path("docs")).unwrap();
    for (name, mode) in [("script", 0o755), ("secret", 0o600)] {
        desk.write(&format!("docs/{name}"), b"x");
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(desk.path(&format!("docs/{name}")), permissions).unwrap();
    }
    let server = daemon.address();
    for line in [
        "sync -p docs :docs",
        "sync -p :docs back",
        "put -p docs/script",
        "get -p script one",
    ] {
        let ran = desk.batch(server, &["-c", line], "");
        assert_eq!(ran.code, 0, "{line}: {}", ran.complained);
    }
    let home = daemon.home("tom");
    for path in [
        home.join("docs/script"),
        desk.path("back/script"),
        home.join("script"),
        desk.path("one"),
    ] {
        assert_eq!(mode(&path), 0o755, "{}", path.display());
    }
    for path in [home.join("docs/secret"), desk.path("back/secret")] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn links_are_walked_or_left_out_as_is_said() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    make_tree(&desk, "real");
    fs::create_dir(desk.path("docs")).unwrap();
    symlink("../real/a", desk.path("docs/file")).unwrap();
    symlink("../real/deep", desk.path("docs/dir")).unwrap();
    let server = daemon.address();
    let ran = |line: &str| desk.batch(server, &["-c", line], "");
    ran("sync docs :one").says("mkdir one\nput one/file\n");
    ran("sync -L docs :two").says("mkdir two\nput two/file\nmkdir two/dir\nput two/dir/c\nmkdir two/dir/er\nput two/dir/er/d\n");
    ran("sync --no-links docs :three").says("mkdir three\n");
    // A link that leads up does not lead on for ever.
    symlink("..", desk.path("docs/up")).unwrap();
    ran("sync -L -n docs :two").fails(1, "deeper than 64, not sent");
}

#[test]
fn a_tree_without_room_is_refused_before_its_first_byte() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    fs::create_dir_all(desk.path("docs/sub")).unwrap();
    // Sparse, so that it costs nothing here; tom may have 800 MB.
    for name in ["docs/a", "docs/sub/b"] {
        fs::File::create(desk.path(name))
            .unwrap()
            .set_len(500_000_000)
            .unwrap();
    }
    let ran = desk.batch(daemon.address(), &["-c", "put -r docs"], "");
    ran.fails(
        1,
        "docs: 2 files of 1.0 GB in all, and 800 MB free there; nothing was sent",
    );
    assert_eq!(ran.complained.lines().count(), 1, "{}", ran.complained);
    assert!(!daemon.home("tom").join("docs").exists());
}

#[test]
fn a_tree_stops_where_the_quota_is_full() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    fs::create_dir(desk.path("docs")).unwrap();
    daemon.user(&["set", "tom", "--quota", "10MB"], "");
    for n in 0..100 {
        desk.write(&format!("docs/{n}"), &noise(n, 200_000));
    }
    fs::create_dir(daemon.home("tom").join("docs")).unwrap();
    for options in ["", "-j 3"] {
        let line = format!("put -r {options} docs");
        let ran = desk.batch(daemon.address(), &["-c", &line], "");
        ran.fails(1, "551");
        assert!(ran.complained.lines().count() <= 3, "{}", ran.complained);
    }
}

/// Ends all connections again and again while something runs; it goes on nevertheless.
fn outlives_cuts(line: &Line, desk: &Desk, command: &str, size: u64) {
    line.narrow();
    let before = line.carried();
    let child = desk.begin(line.address(), &["--retry", "9", "-c", command]);
    for cut in 1..=5 {
        until("bytes on the line", || {
            (line.carried() - before >= cut * size / 8).then_some(())
        });
        line.cut();
    }
    line.widen();
    let ran = finish(child, "");
    assert_eq!(ran.code, 0, "{command}: {}", ran.complained);
    let carried = line.carried() - before;
    assert!(
        carried < size + (16 << 20),
        "{command}: {carried} of {size}"
    );
}

#[test]
fn trees_over_several_sessions_outlive_a_line_that_is_cut() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    fs::create_dir(desk.path("tree")).unwrap();
    let files: Vec<_> = (0..500).map(|n| noise(n, 8_000)).collect();
    for (n, data) in files.iter().enumerate() {
        desk.write(&format!("tree/{n}"), data);
    }
    let size = 500 * 8_000;
    outlives_cuts(&line, &desk, "put -r -j 4 tree", size);
    outlives_cuts(&line, &desk, "get -r -j 4 tree back", size);
    outlives_cuts(&line, &desk, "sync -j 4 tree :again", size);
    outlives_cuts(&line, &desk, "sync :tree copy", size);
    for (n, data) in files.iter().enumerate() {
        for name in ["tree", "again"] {
            let stored = fs::read(daemon.home("tom").join(format!("{name}/{n}"))).unwrap();
            assert!(stored == *data, "{name}/{n}");
        }
        assert!(
            desk.read(&format!("back/{n}")) == *data && desk.read(&format!("copy/{n}")) == *data
        );
    }
}

#[test]
fn sync_outlives_a_server_that_is_killed() {
    let mut daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    fs::create_dir(desk.path("tree")).unwrap();
    for n in 0..200 {
        desk.write(&format!("tree/{n}"), &noise(n, 20_000));
    }
    for command in ["sync tree :there", "sync :there back"] {
        line.narrow();
        let before = line.carried();
        let child = desk.begin(line.address(), &["-c", command]);
        until("bytes on the line", || {
            (line.carried() - before >= 1_000_000).then_some(())
        });
        daemon.kill9();
        daemon.start();
        line.lead_to(daemon.address());
        line.widen();
        let ran = finish(child, "");
        assert_eq!(ran.code, 0, "{command}: {}", ran.complained);
    }
    for n in 0..200 {
        assert!(desk.read(&format!("back/{n}")) == noise(n, 20_000), "{n}");
    }
}

#[test]
fn one_session_less_is_told_and_the_others_do_its_work() {
    let daemon = Daemon::with("limits: (sessions_per_user: 2),");
    let desk = Desk::new();
    fs::create_dir(desk.path("tree")).unwrap();
    for n in 0..200 {
        desk.write(&format!("tree/{n}"), b"x");
    }
    let ran = desk.batch(daemon.address(), &["-c", "put -r -j 4 tree"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert!(
        ran.complained.contains("one session less: "),
        "{}",
        ran.complained
    );
    assert_eq!(
        fs::read_dir(daemon.home("tom").join("tree"))
            .unwrap()
            .count(),
        200
    );
}

#[test]
fn the_servers_side_has_a_colon() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    make_tree(&desk, "docs");
    let fails = |line: &str, why: &str| {
        desk.batch(daemon.address(), &["-c", line], "")
            .fails(1, why);
    };
    fails(
        "sync docs docs",
        "one of the two is at the server, and begins with a colon",
    );
    fails("sync :docs :docs", "one of the two is at the server");
    fails("sync docs", "usage: sync");
    fails("sync none :docs", "none: no directory here");
    fails("sync :none docs", "404 none: no such file or directory");
    fails("put docs/a; sync :a docs", "a: no directory at the server");
    fails("sync -j 0 docs :docs", "-j takes a number from 1 to 16");
    let host = format!("tom@{}:", daemon.address());
    let up = desk.give(&["sync", "docs", &format!("{host}there")]);
    assert_eq!(up.code, 0, "{}", up.complained);
    let down = desk.give(&["sync", "-x", "deep", &format!("{host}there"), "back"]);
    down.says("mkdir back\nget back/a\nget back/b.o\n");
}
