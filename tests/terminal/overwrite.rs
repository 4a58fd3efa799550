//! Another file is replaced only where that was said: at the prompt, in scripts, in trees.

use std::fs;

use super::desk::{Desk, Ran};
use crate::harness::{Daemon, noise};

const SIZE: usize = 100_000;

/// Other files than the server's: of its size, and of another.
fn own_files() -> [Vec<u8>; 3] {
    [noise(2, SIZE), noise(2, SIZE / 2), Vec::new()]
}

/// A daemon that has `file`.
fn with_file() -> (Daemon, Desk, Vec<u8>) {
    let (daemon, data) = (Daemon::demo(), noise(1, SIZE));
    // An own file of this size and time would be taken for it.
    let time = "mtime=20010203040506 ";
    daemon.login("tom").put(time, "file", &data);
    (daemon, Desk::new(), data)
}

fn run(daemon: &Daemon, desk: &Desk, command: &str) -> Ran {
    desk.batch(daemon.address(), &["-c", command], "")
}

#[test]
fn get_asks_before_it_replaces_another_file() {
    let (daemon, desk, data) = with_file();
    let mut tom = desk.log_in(daemon.address());
    for own in own_files() {
        desk.write("file", &own);
        for (answer, said) in [
            ("n", "file: another file is here; get -f replaces it"),
            ("y", "226 file: 100000 bytes in "),
        ] {
            tom.enter("get file");
            tom.wait_for("file: another file is here, replace it? (y/n)");
            assert!(desk.read("file") == own, "replaced before the answer");
            tom.enter(answer);
            let heard = tom.answer();
            assert!(heard.starts_with(said), "{heard}");
        }
        assert!(desk.read("file") == data, "not the file");
        assert!(!desk.path("file.skiff-part").exists());
    }
    assert!(
        tom.ask("get file")
            .starts_with("file: 100000 bytes are here already")
    );
}

#[test]
fn ctrl_c_at_the_question_leaves_the_file() {
    let (daemon, desk, _) = with_file();
    desk.write("file", b"own");
    let mut tom = desk.log_in(daemon.address());
    tom.enter("get file");
    tom.wait_for("replace it? (y/n)");
    tom.press("C-c");
    let heard = tom.answer();
    assert!(heard.contains("the file here stays as it is"), "{heard}");
    assert_eq!(tom.ask("pwd"), "257 /");
    assert_eq!(desk.read("file"), b"own");
}

#[test]
fn in_a_script_get_replaces_only_with_f() {
    let (daemon, desk, data) = with_file();
    for own in own_files() {
        desk.write("file", &own);
        let ran = run(&daemon, &desk, "get file; get file other");
        ran.fails(1, "file: another file is here; get -f replaces it");
        assert!(desk.read("file") == own, "replaced");
        assert!(!desk.path("other").exists(), "went on");
        // What a part holds is no other file.
        desk.write("other.skiff-part", &data[..SIZE / 3]);
        let ran = run(&daemon, &desk, "get -f file; get file; get file other");
        assert_eq!(ran.code, 0, "{}", ran.complained);
        let told: Vec<_> = ran.said.lines().collect();
        assert!(
            told[1].starts_with("file: 100000 bytes are here"),
            "{told:?}"
        );
        assert!(told[2].contains("(66667 of them now)"), "{told:?}");
        assert!(desk.read("file") == data && desk.read("other") == data);
        fs::remove_file(desk.path("other")).unwrap();
    }
}

/// The names of the trees' files, and whether a `-r` may touch the one at the other end.
const FILES: [(&str, u64, u64); 5] = [
    // Name, and what it holds at each end.
    ("same", 1, 1),
    ("size", 2, 12),
    ("bytes", 3, 4),
    ("sub/size", 5, 15),
    ("sub/new", 6, 0),
];

/// Bytes of a file: of a size of its own from 10 on, none for 0.
fn content(seed: u64) -> Vec<u8> {
    noise(seed, if seed < 10 { 50_000 } else { 30_000 })
}

/// Runs `command`, which goes from one folder to the other, without and with `-f`.
fn trees_keep_what_differs(command: &str, verb: &str, from_server: bool) {
    let (daemon, desk) = (Daemon::demo(), Desk::new());
    let (here, there) = (desk.path("tree"), daemon.home("tom").join("tree"));
    for folder in [&here, &there] {
        fs::create_dir_all(folder.join("sub")).unwrap();
    }
    let (from, to) = match from_server {
        true => (&there, &here),
        false => (&here, &there),
    };
    for (name, source, target) in FILES {
        fs::write(from.join(name), content(source)).unwrap();
        if target != 0 {
            fs::write(to.join(name), content(target)).unwrap();
        }
    }
    let ran = run(&daemon, &desk, command);
    ran.fails(1, &format!("1 file {verb}"));
    ran.fails(1, "1 unchanged; 3 differ and were left, -f replaces them");
    for (name, source, target) in FILES {
        let kept = if target == 0 { source } else { target };
        assert!(fs::read(to.join(name)).unwrap() == content(kept), "{name}");
        let told = format!("tree/{name}: differs, left as it is");
        assert_eq!(
            ran.complained.contains(&told),
            ![0, source].contains(&target)
        );
    }
    let ran = run(&daemon, &desk, &command.replace("-r", "-rf"));
    assert_eq!(ran.code, 0, "{}", ran.complained);
    let sum = format!("3 files {verb}");
    assert!(ran.said.contains(&sum), "{}", ran.said);
    assert!(
        ran.said.ends_with("2 unchanged; 3 replaced\n"),
        "{}",
        ran.said
    );
    for (name, source, target) in FILES {
        assert!(
            fs::read(to.join(name)).unwrap() == content(source),
            "{name}"
        );
        let told = format!("tree/{name}: replaced");
        assert_eq!(ran.said.contains(&told), ![0, source].contains(&target));
    }
    let ran = run(&daemon, &desk, command);
    assert!(ran.said.ends_with("5 unchanged\n"), "{}", ran.said);
    assert_eq!(ran.code, 0, "{}", ran.complained);
}

#[test]
fn get_r_replaces_what_differs_only_with_f() {
    trees_keep_what_differs("get -r tree", "fetched", true);
}

#[test]
fn put_r_replaces_what_differs_only_with_f() {
    trees_keep_what_differs("put -r tree", "sent", false);
}

#[test]
fn rmdir_is_for_directories() {
    let (daemon, desk, _) = with_file();
    let home = daemon.home("tom");
    fs::create_dir(home.join("empty")).unwrap();
    run(&daemon, &desk, "rmdir file").fails(1, "file: no directory; delete is for files");
    run(&daemon, &desk, "rmdir none").fails(1, "404 none: ");
    assert!(home.join("file").exists());
    run(&daemon, &desk, "rmdir empty").says("250 deleted\n");
    assert!(!home.join("empty").exists());
}

#[test]
fn what_help_says_about_replacing_is_what_happens() {
    let (daemon, desk, _) = with_file();
    for command in ["get", "put"] {
        let ran = run(&daemon, &desk, &format!("help {command}"));
        let said = ran.said.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "-f replace another file without asking",
            "replaced if you say so, in a script only with -f",
            "files of the same size and digest are left, others are named, and replaced only with -f",
        ] {
            assert!(said.contains(words), "{said}");
        }
    }
}
