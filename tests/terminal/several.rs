//! Several names in one command, patterns at both ends, directories as targets, and whole trees.

use std::fs;

use super::desk::{Desk, Ran};
use crate::harness::Daemon;

/// A daemon with `a.txt`, `b.txt`, `c.iso`, `sub/d.txt` and a file that is named like a pattern.
fn with_files() -> (Daemon, Desk) {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.ask("MKD sub", 257);
    for name in ["a.txt", "b.txt", "c.iso", "sub/d.txt", "*.lit"] {
        tom.put("", name, name.as_bytes());
    }
    (daemon, Desk::new())
}

fn run(daemon: &Daemon, desk: &Desk, command: &str) -> Ran {
    desk.batch(daemon.address(), &["-c", command], "")
}

#[track_caller]
fn done(daemon: &Daemon, desk: &Desk, command: &str) {
    let ran = run(daemon, desk, command);
    assert_eq!(ran.code, 0, "{command}: {}", ran.complained);
}

/// The names in a folder of tom's home.
#[track_caller]
fn there(daemon: &Daemon, folder: &str) -> Vec<String> {
    names(&daemon.home("tom").join(folder))
}

#[track_caller]
fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".skiff-stage")
        .collect();
    names.sort();
    names
}

#[test]
fn get_takes_patterns_several_names_and_a_directory() {
    let (daemon, desk) = with_files();
    done(&daemon, &desk, "get *.txt");
    assert_eq!(names(&desk.path(".")), ["a.txt", "b.txt"]);
    fs::create_dir(desk.path("into")).unwrap();
    done(&daemon, &desk, "get c.iso */[a-d].txt into");
    assert_eq!(names(&desk.path("into")), ["c.iso", "d.txt"]);
    assert_eq!(desk.read("into/d.txt"), b"sub/d.txt");
    done(&daemon, &desk, "get a.txt in*; get -r s* c.iso into");
    assert_eq!(
        names(&desk.path("into")),
        ["a.txt", "c.iso", "d.txt", "sub"]
    );
    let ran = run(&daemon, &desk, "get a.txt b.txt nowhere");
    ran.fails(1, "nowhere: no directory, and there are several files");
    done(&daemon, &desk, "get ~/c.iso ~/c.iso");
    assert!(desk.home().join("c.iso").exists());
}

#[test]
fn a_pattern_in_quotes_is_a_name_and_one_without_a_match_is_an_error() {
    let (daemon, desk) = with_files();
    daemon.login("tom").put("", "b.lit", b"another");
    done(&daemon, &desk, r#"get "*.lit"; get \*.lit other"#);
    assert_eq!(names(&desk.path(".")), ["*.lit", "other"]);
    for verb in ["get", "ls", "rm", "put", "lls", "mv x", "rmdir"] {
        let ran = run(&daemon, &desk, &format!("{verb} *.none"));
        ran.fails(1, "*.none: nothing matches");
    }
    let ran = run(&daemon, &desk, "mv c.iso *.txt");
    ran.fails(1, "*.txt: matches 2 names, where one can be");
    assert_eq!(
        there(&daemon, "."),
        ["*.lit", "a.txt", "b.lit", "b.txt", "c.iso", "sub"]
    );
}

#[test]
fn put_takes_patterns_and_goes_into_directories() {
    let (daemon, desk) = with_files();
    fs::create_dir(desk.path("tree")).unwrap();
    for name in ["x1", "x2", ".x3", "y", "tree/z"] {
        desk.write(name, name.as_bytes());
    }
    done(&daemon, &desk, "put x*; put y sub; put -r tree x[!1] ./sub");
    assert_eq!(
        there(&daemon, "."),
        ["*.lit", "a.txt", "b.txt", "c.iso", "sub", "x1", "x2"]
    );
    assert_eq!(there(&daemon, "sub"), ["d.txt", "tree", "x2", "y"]);
    assert_eq!(there(&daemon, "sub/tree"), ["z"]);
    let ran = run(&daemon, &desk, "put x1 x2 nowhere");
    ran.fails(1, "nowhere: no directory, and there are several files");
    done(&daemon, &desk, "lls x* tree");
}

#[test]
fn mv_moves_into_directories_and_rm_takes_several() {
    let (daemon, desk) = with_files();
    done(
        &daemon,
        &desk,
        "mv a.txt sub/; mv c.iso sub; mv b.txt '*.lit' sub",
    );
    assert_eq!(there(&daemon, "."), ["sub"]);
    assert_eq!(
        there(&daemon, "sub"),
        ["*.lit", "a.txt", "b.txt", "c.iso", "d.txt"]
    );
    done(&daemon, &desk, "cd sub; mv a.txt e.txt; rm [b-d].* e.txt");
    assert_eq!(there(&daemon, "sub"), ["*.lit"]);
    done(&daemon, &desk, "rm sub/'*.lit'; mkdir d1 d2; rmdir d* sub");
    assert!(there(&daemon, ".").is_empty());
}

/// The others are tried, each failure is named, and the command has failed.
#[test]
fn one_name_that_fails_keeps_no_other_from_being_tried() {
    let (daemon, desk) = with_files();
    let ran = run(&daemon, &desk, "rm a.txt none sub b.txt; rm c.iso");
    ran.fails(1, "404 none: ");
    ran.fails(1, "550 sub: ");
    ran.fails(1, "2 of 4 failed");
    assert_eq!(there(&daemon, "."), ["*.lit", "c.iso", "sub"]);
    let mut tom = desk.log_in(daemon.address());
    let said = tom.ask("rm none c.*; pwd");
    assert!(said.ends_with("1 of 2 failed"), "{said}");
    assert_eq!(there(&daemon, "."), ["*.lit", "sub"]);
}

#[test]
fn rm_r_asks_with_the_count_at_a_terminal() {
    let (daemon, desk) = with_files();
    std::os::unix::fs::symlink("../a.txt", daemon.home("tom").join("sub/link")).unwrap();
    std::os::unix::fs::symlink("sub", daemon.home("tom").join("alias")).unwrap();
    let mut tom = desk.log_in(daemon.address());
    assert!(tom.ask("mkdir sub/deep").starts_with("257 "));
    for (answer, said) in [
        ("n", "nothing was deleted"),
        ("y", "250 3 files and 2 directories deleted"),
    ] {
        tom.enter("rm -r sub alias");
        tom.wait_for("delete 3 files and 2 directories? (y/n)");
        assert_eq!(there(&daemon, "sub"), ["d.txt", "deep", "link"]);
        tom.enter(answer);
        let heard = tom.answer();
        assert!(heard.ends_with(said), "{heard}");
    }
    assert_eq!(there(&daemon, "."), ["*.lit", "a.txt", "b.txt", "c.iso"]);
}

/// A link is deleted, and what it leads to stays.
#[test]
fn rm_rf_asks_nobody_and_without_f_a_script_is_refused() {
    let (daemon, desk) = with_files();
    std::os::unix::fs::symlink("sub", daemon.home("tom").join("alias")).unwrap();
    let ran = run(&daemon, &desk, "rm -r sub");
    ran.fails(1, "delete -r: nobody can be asked here");
    for path in ["/", ".", "sub/..", "~"] {
        assert_eq!(run(&daemon, &desk, &format!("rm -rf {path}")).code, 1);
    }
    run(&daemon, &desk, "rm -rf alias/ none; rm -f none").says("250 1 file deleted\n");
    assert_eq!(there(&daemon, "sub"), ["d.txt"]);
    run(&daemon, &desk, "rm -rf s* a.txt").says("250 2 files and 1 directory deleted\n");
    assert_eq!(there(&daemon, "."), ["*.lit", "b.txt", "c.iso"]);
    run(&daemon, &desk, "rm -rf gone b.txt; rm -r c.iso").fails(1, "nobody");
}

#[test]
fn mkdir_p_makes_what_is_missing_and_cd_goes_back() {
    let (daemon, desk) = with_files();
    run(&daemon, &desk, "mkdir -p sub/x/./y /p/q sub sub").says("257 /sub/x/y\n257 /p/q\n");
    assert!(daemon.home("tom").join("sub/x/y").is_dir());
    let ran = run(&daemon, &desk, "mkdir -p a.txt");
    ran.fails(1, "a.txt: a file has the name");
    assert_eq!(run(&daemon, &desk, "mkdir -p a.txt/z").code, 1);
    let ran = run(&daemon, &desk, "cd -");
    ran.fails(1, "cd -: there was no directory before");
    run(&daemon, &desk, "cd sub; cd x; cd -; cd -; cd ~/p; cd ~")
        .says("250 /sub\n250 /sub/x\n250 /sub\n250 /sub/x\n250 /p\n250 /\n");
}
