//! `-l` makes links of links, in both directions, and none that leads out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::desk::{Desk, Ran};
use super::liar::serve_session;
use crate::harness::Daemon;

const DIRECTORY: &str = "type=dir;size=0;modify=20260102030405;mode=0755;";
const FILE: &str = "type=file;size=1;modify=20260102030405;mode=0644;";
const LINK: &str = "type=link;size=1;modify=20260102030405;mode=0777;";

fn run(desk: &Desk, daemon: &Daemon, command: &str) -> Ran {
    desk.batch(daemon.address(), &["-c", command], "")
}

/// Runs a `sync` dry, then really; both say the same.
#[track_caller]
fn sync(desk: &Desk, daemon: &Daemon, rest: &str) -> Ran {
    let dry = run(desk, daemon, &format!("sync -n {rest}"));
    let ran = run(desk, daemon, &format!("sync {rest}"));
    assert_eq!(dry.said, ran.said, "{}{}", dry.complained, ran.complained);
    ran
}

#[track_caller]
fn leads(link: &Path, target: &str) {
    assert_eq!(fs::read_link(link).unwrap(), Path::new(target));
}

/// A tree with links that stay in it.
fn make_tree(desk: &Desk) {
    fs::create_dir_all(desk.path("t/deep")).unwrap();
    desk.write("t/file", b"one");
    desk.write("t/deep/file", b"two");
    for (link, target) in [
        ("t/a file", "file"),
        ("t/dir", "deep"),
        ("t/gone", "not/there"),
        ("t/deep/up", "../file"),
        ("t/deep/odd", "../a b%=c"),
    ] {
        symlink(target, desk.path(link)).unwrap();
    }
}

#[test]
fn links_go_up_and_down_as_links_and_then_nothing_is_to_be_done() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let home = daemon.home("tom");
    make_tree(&desk);
    sync(&desk, &daemon, "-l t :t").says(
        "mkdir t\nln t/a file\nln t/dir\nln t/gone\nput t/file\n\
         mkdir t/deep\nln t/deep/odd\nln t/deep/up\nput t/deep/file\n",
    );
    leads(&home.join("t/a file"), "file");
    leads(&home.join("t/dir"), "deep");
    leads(&home.join("t/gone"), "not/there");
    leads(&home.join("t/deep/up"), "../file");
    leads(&home.join("t/deep/odd"), "../a b%=c");
    sync(&desk, &daemon, "-l --delete t :t").says("");
    sync(&desk, &daemon, "-l :t back").says(
        "mkdir back\nmkdir back/deep\nln back/a file\nln back/dir\nln back/gone\nget back/file\n\
         ln back/deep/odd\nln back/deep/up\nget back/deep/file\n",
    );
    leads(&desk.path("back/deep/odd"), "../a b%=c");
    leads(&desk.path("back/dir"), "deep");
    assert_eq!(desk.read("back/deep/up"), b"one");
    let again = sync(&desk, &daemon, "-l --delete :t back");
    again.says("");
    assert!(
        again.complained.contains("7 unchanged"),
        "{}",
        again.complained
    );
}

#[test]
fn another_link_is_replaced_by_sync_and_with_f_alone() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let home = daemon.home("tom");
    make_tree(&desk);
    assert_eq!(run(&desk, &daemon, "put -r -l t").code, 0);
    let change = |root: &Path| {
        // Another target, a file instead of a link, and a link instead of a file.
        for name in ["gone", "a file", "file"] {
            fs::remove_file(root.join(name)).unwrap();
        }
        symlink("elsewhere", root.join("gone")).unwrap();
        fs::write(root.join("a file"), b"mine").unwrap();
        symlink("deep/file", root.join("file")).unwrap();
    };
    let is_changed = |root: &Path| {
        leads(&root.join("gone"), "elsewhere");
        leads(&root.join("file"), "deep/file");
        assert_eq!(fs::read(root.join("a file")).unwrap(), b"mine");
        assert_eq!(fs::read(root.join("deep/file")).unwrap(), b"two");
    };
    let is_alike = |root: &Path| {
        leads(&root.join("gone"), "not/there");
        leads(&root.join("a file"), "file");
        assert!(root.join("file").symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read(root.join("deep/file")).unwrap(), b"two");
    };
    let there = home.join("t");
    change(&there);
    let left = run(&desk, &daemon, "put -r -l t");
    left.fails(1, "3 differ and were left");
    is_changed(&there);
    assert_eq!(run(&desk, &daemon, "put -r -l -f t").code, 0);
    is_alike(&there);
    change(&there);
    assert_eq!(sync(&desk, &daemon, "-l t :t").code, 0);
    is_alike(&there);

    let here = desk.path("t");
    change(&here);
    let left = run(&desk, &daemon, "get -r -l t");
    left.fails(1, "3 differ and were left");
    is_changed(&here);
    assert_eq!(run(&desk, &daemon, "get -r -l -f t").code, 0);
    is_alike(&here);
    change(&here);
    assert_eq!(sync(&desk, &daemon, "-l :t t").code, 0);
    is_alike(&here);
}

#[test]
fn a_directory_gives_way_to_a_link_only_with_delete_and_so_the_other_way() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let home = daemon.home("tom");
    fs::create_dir_all(desk.path("t/dir")).unwrap();
    desk.write("t/dir/x", b"x");
    symlink("dir", desk.path("t/link")).unwrap();
    fs::create_dir_all(home.join("t/link/full")).unwrap();
    fs::create_dir(home.join("t/other")).unwrap();
    symlink("other", home.join("t/dir")).unwrap();
    let up = run(&desk, &daemon, "sync -l t :t");
    up.fails(1, "t/link: a directory has its name at the server");
    up.fails(1, "t/dir: no directory has its name at the server");
    assert!(!home.join("t/other/x").exists(), "written through a link");
    assert_eq!(sync(&desk, &daemon, "-l --delete t :t").code, 0);
    leads(&home.join("t/link"), "dir");
    assert_eq!(fs::read(home.join("t/dir/x")).unwrap(), b"x");

    fs::create_dir_all(desk.path("u/link/full")).unwrap();
    fs::create_dir(desk.path("u/other")).unwrap();
    symlink("other", desk.path("u/dir")).unwrap();
    let down = run(&desk, &daemon, "sync -l :t u");
    down.fails(1, "u/link: a directory has its name here");
    down.fails(1, "u/dir: a link here has its name");
    assert!(!desk.path("u/other/x").exists(), "written through a link");
    assert_eq!(sync(&desk, &daemon, "-l --delete :t u").code, 0);
    leads(&desk.path("u/link"), "dir");
    assert_eq!(desk.read("u/dir/x"), b"x");
}

#[test]
fn a_link_that_leads_out_is_named_and_not_made() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let home = daemon.home("tom");
    fs::create_dir(desk.path("t")).unwrap();
    desk.write("t/file", b"x");
    for (link, target) in [("abs", "/etc/passwd"), ("out", "../../x"), ("in", "../x")] {
        symlink(target, desk.path(&format!("t/{link}"))).unwrap();
    }
    let ran = run(&desk, &daemon, "put -r -l t");
    ran.fails(1, "t/abs: ");
    ran.fails(1, "t/out: ");
    ran.fails(1, "2 failed");
    leads(&home.join("t/in"), "../x");
    assert_eq!(fs::read(home.join("t/file")).unwrap(), b"x");
    assert!(home.join("t/abs").symlink_metadata().is_err());
    // Inside the home, and outside of the tree that is fetched.
    symlink("/etc/passwd", home.join("t/host")).unwrap();
    let ran = run(&desk, &daemon, "get -r -l t u");
    ran.fails(
        1,
        "t/in: a link to ../x could lead out of the tree, not made",
    );
    ran.fails(1, "t/host: a link: ");
    ran.fails(1, "2 failed");
    assert_eq!(fs::read_dir(desk.path("u")).unwrap().count(), 1);
}

#[test]
fn a_server_that_lies_plants_no_link_that_leads_out_and_writes_through_none() {
    let server = serve_session(|mut liar| {
        liar.answers_all(|liar, line| match line {
            "STAT d" => liar.says("213 type=dir size=0 mtime=20260102030405 mode=0755 /d"),
            "LIST d" => liar.lists(
                &[
                    &format!("{LINK} abs"),
                    &format!("{LINK} climbs"),
                    &format!("{LINK} detour"),
                    &format!("{LINK} good"),
                    &format!("{LINK} here"),
                    &format!("{DIRECTORY} here"),
                    &format!("{LINK} twice"),
                    &format!("{FILE} twice"),
                    &format!("{DIRECTORY} sub"),
                ],
                "226 hidden=0 done",
            ),
            "LIST d/sub" | "LIST d/here" => {
                liar.lists(&[&format!("{LINK} climbs")], "226 hidden=0 done");
            }
            "READLINK d/abs" => liar.says("213 target=/tmp /d/abs"),
            "READLINK d/climbs" => liar.says("213 target=.. /d/climbs"),
            "READLINK d/detour" => liar.says("213 target=sub/../../x /d/detour"),
            "READLINK d/good" => liar.says("213 target=sub/%0A%1B[2J /d/good"),
            "READLINK d/sub/climbs" => liar.says("213 target=../../x /d/sub/climbs"),
            line if line.starts_with("READLINK ") => liar.says("213 target=.. /d"),
            _ => liar.says("550 no"),
        });
    });
    let desk = Desk::new();
    let ran = desk.batch(server.address, &["--tls", "off", "-c", "get -r -l d"], "");
    for name in ["d/abs", "d/climbs", "d/detour", "d/sub/climbs"] {
        ran.fails(1, &format!("{name}: a link to "));
    }
    ran.fails(1, "here: the server lists it twice");
    ran.fails(1, "twice: the server lists it twice");
    assert!(!ran.complained.contains('\u{1b}'), "{}", ran.complained);
    let links: Vec<_> = fs::read_dir(desk.path("d"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_symlink())
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(links, ["good"]);
    server.end();
}

#[test]
fn ln_makes_a_link_and_asks_what_became_of_one() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let home = daemon.home("tom");
    let ran = run(&desk, &daemon, "mkdir d; ln -s ../x 'd/a link'; ln d e");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    leads(&home.join("d/a link"), "../x");
    leads(&home.join("e"), "d");
    run(&desk, &daemon, "ln /etc/passwd f").fails(1, "relative");
    run(&desk, &daemon, "ln d e").fails(1, "exists");
}
