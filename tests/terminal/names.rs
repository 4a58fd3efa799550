//! Names as people have them: Chinese, with spaces, with quotes.

use std::fs;

use super::desk::Desk;
use crate::harness::Daemon;

#[test]
fn chinese_names_are_typed_listed_put_and_got() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    desk.write("年度报告.txt", "内容".as_bytes());
    let mut tom = desk.log_in(daemon.address());
    assert_eq!(tom.ask("mkdir 文件夹"), "257 /文件夹");
    assert_eq!(tom.ask("cd 文件夹"), "250 /文件夹");
    assert_eq!(tom.prompt(), "tom@127.0.0.1:/文件夹>");
    assert!(
        tom.ask("put 年度报告.txt")
            .starts_with("226 年度报告.txt: 6 bytes")
    );
    let listed = tom.ask("ls -l");
    assert!(listed.ends_with(" 年度报告.txt"), "{listed}");
    assert!(
        tom.ask("get 年度报告.txt 副本.txt")
            .starts_with("226 副本.txt: 6 bytes")
    );
    assert_eq!(desk.read("副本.txt"), "内容".as_bytes());
    assert!(tom.ask("ldir -l").ends_with(" 年度报告.txt"));
    let stored = daemon.home("tom").join("文件夹/年度报告.txt");
    assert_eq!(fs::read(stored).unwrap(), "内容".as_bytes());
}

#[test]
fn a_chinese_line_is_edited_by_characters() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    tom.type_in("mkdir 中国x文");
    tom.wait_for("中国x文");
    for key in ["Left", "BSpace", "BSpace", "End"] {
        tom.press(key);
    }
    tom.type_in("件");
    tom.confirm("> mkdir 中文件");
    assert_eq!(tom.answer(), "257 /中文件");
}

#[test]
fn names_with_spaces_stand_in_quotes_or_behind_backslashes() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    desk.write("my file", b"1");
    let mut tom = desk.log_in(daemon.address());
    for (line, name) in [
        (r#"put "my file""#, "my file"),
        (r"put my\ file second\ one", "second one"),
        (r#"put 'my file' 'it is "3"'"#, r#"it is "3""#),
        (r#"put my" "file it\'s\ 4"#, "it's 4"),
    ] {
        let said = tom.ask(line);
        assert!(said.starts_with(&format!("226 {name}: 1 byte")), "{said}");
        assert_eq!(fs::read(daemon.home("tom").join(name)).unwrap(), b"1");
    }
    let listed = tom.ask("ls -l");
    assert_eq!(listed.lines().count(), 4, "{listed}");
    let said = tom.ask("get \"my file\" \"my copy\"");
    assert!(said.starts_with("226 my copy: 1 byte"), "{said}");
    assert_eq!(desk.read("my copy"), b"1");
    assert_eq!(
        tom.ask("put \"my file"),
        "a \" has no end; write \\\" where it belongs to a name"
    );
}

#[test]
fn a_name_from_the_server_cannot_command_the_terminal() {
    let daemon = Daemon::demo();
    let name = "evil\x1b[2J\x07";
    fs::write(daemon.home("tom").join(name), b"!").unwrap();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    let listed = tom.ask("ls -l");
    assert!(listed.ends_with(r" evil\x1b[2J\x07"), "{listed}");
    let said = tom.ask(r#"get "evil\x1b[2J\x07" tame"#);
    assert!(said.starts_with("226 tame: 1 byte"), "{said}");
}

/// Each `%` of a name is three bytes of a line: what a line holds must not depend on names.
#[test]
fn a_tree_of_long_names_full_of_percent_signs_arrives() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let victim = daemon.home("tom").join("victim");
    fs::write(&victim, "kept").unwrap();
    let deep = vec!["%".repeat(250); 11].join("/");
    let evil = b"\r\nDELE /victim\r\n";
    fs::create_dir_all(desk.path("tree").join(&deep)).unwrap();
    desk.write(&format!("tree/{deep}/file"), evil);
    let ran = desk.batch(daemon.address(), &["-c", "put -r tree"], "");
    let (said, complained) = (ran.said, ran.complained);
    assert!(said.starts_with("tree: 1 file sent"), "{said}{complained}");
    let stored = daemon.home("tom").join("tree").join(&deep).join("file");
    assert_eq!(fs::read(stored).unwrap(), evil);
    assert_eq!(fs::read(victim).unwrap(), b"kept");
}
