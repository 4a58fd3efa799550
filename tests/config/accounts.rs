//! `skiffd user` beside a running daemon.

use super::{new_server, set_mode};
use crate::harness::{Daemon, PASSWORD, ask_all, skiffd, skiffd_user, write_settings};

#[test]
fn a_user_who_is_added_can_log_in_at_once() {
    let daemon = Daemon::demo();
    assert_eq!(daemon.peer().login("ann", "geheim").code, 530);
    let said = daemon.user(&["add", "ann", "--password-stdin"], "geheim\n");
    assert!(said.contains("ann"), "{said}");
    let mut ann = daemon.login_as("ann", "geheim");
    ann.put("", "file", b"12345");
    assert!(daemon.home("ann").join("file").exists());
    assert_eq!(daemon.peer().login("ann", PASSWORD).code, 530);
}

#[test]
fn a_user_who_is_disabled_cannot_log_in() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "file", b"12345");
    daemon.user(&["set", "tom", "--disable"], "");
    let refused = daemon.peer().login("tom", PASSWORD);
    assert_eq!(refused.code, 530);
    let nobody = daemon.peer().login("nobody", PASSWORD);
    assert_eq!(
        refused.line, nobody.line,
        "that there is an account is told"
    );
    daemon.user(&["set", "tom", "--enable"], "");
    assert_eq!(daemon.login("tom").get("file"), b"12345");
}

/// The number for new accounts was changed, and no password since.
#[test]
fn the_number_of_rounds_tells_nobody_who_has_an_account() {
    let mut daemon = Daemon::demo();
    let rounds = |daemon: &Daemon, user: &str| daemon.peer().rounds(user);
    assert_eq!(rounds(&daemon, "tom"), "10000");
    daemon.stop();
    let settings = std::fs::read_to_string(daemon.settings()).unwrap();
    let settings = settings.replace("scram_iterations: 10000", "scram_iterations: 20000");
    std::fs::write(daemon.settings(), settings).unwrap();
    daemon.start();
    assert_eq!(rounds(&daemon, "tom"), "10000");
    assert_eq!(rounds(&daemon, "nobody"), "10000");
}

#[test]
fn a_user_who_is_deleted_cannot_log_in_and_his_files_stay() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "file", b"12345");
    daemon.user(&["del", "tom"], "");
    assert_eq!(daemon.peer().login("tom", PASSWORD).code, 530);
    assert!(daemon.home("tom").join("file").exists());
}

#[test]
fn a_changed_password_holds_at_the_next_login() {
    let daemon = Daemon::demo();
    let mut inside = daemon.login("tom");
    daemon.user(
        &["passwd", "--keep-sessions", "tom", "--password-stdin"],
        "a new one\n",
    );
    assert_eq!(daemon.peer().login("tom", PASSWORD).code, 530);
    daemon.login_as("tom", "a new one");
    inside.ask("PWD", 257);
}

#[test]
fn a_user_who_may_only_read_changes_nothing() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "file", b"12345");
    daemon.user(&["set", "tom", "--read-only"], "");
    let mut tom = daemon.login("tom");
    for line in [
        "STOR size=1 new",
        "DELE file",
        "MKD new",
        "RNFR file",
        "STAGES drop=1 file",
    ] {
        tom.ask(line, 403);
    }
    assert_eq!(tom.get("file"), b"12345");
    ask_all(&mut tom, &[("STAT file", 213), ("HASH algo=md5 file", 213)]);
    daemon.user(&["set", "tom", "--read-write"], "");
    ask_all(&mut daemon.login("tom"), &[("DELE file", 250)]);
}

/// A disk that is not mounted is never replaced by an empty folder.
#[test]
fn a_home_that_is_not_there_is_made_only_in_the_folder_of_the_homes() {
    let daemon = Daemon::demo();
    let elsewhere = daemon.folder().join("disk");
    let own = elsewhere.to_str().unwrap();
    daemon.user(&["add", "ann", "--home", own, "--password-stdin"], "123\n");
    daemon.login("ann").put("", "file", b"12345");
    let away = daemon.folder().join("not-mounted");
    std::fs::rename(&elsewhere, &away).unwrap();
    // The home is open still; whoever has none gets none.
    std::fs::remove_dir(daemon.home("jerry")).unwrap();
    daemon.login("jerry").put("", "file", b"1");
    assert_eq!(daemon.peer().login("ann", PASSWORD).code, 421);
    daemon.wait_log("ann cannot log in: the home ");
    assert!(!elsewhere.exists());
    std::fs::rename(&away, &elsewhere).unwrap();
    assert_eq!(daemon.login("ann").get("file"), b"12345");

    let homes = daemon.folder().join("homes");
    let away = daemon.folder().join("homes-not-mounted");
    std::fs::rename(&homes, &away).unwrap();
    assert_eq!(daemon.peer().login("sam", PASSWORD).code, 421);
    assert!(!homes.exists());
    std::fs::rename(&away, &homes).unwrap();
    daemon.login("sam");
}

#[test]
fn the_list_has_a_line_for_each_user() {
    let daemon = Daemon::demo();
    daemon.user(
        &[
            "add",
            "ann",
            "--quota",
            "2GB",
            "--read-only",
            "--password-stdin",
        ],
        "x\n",
    );
    daemon.user(&["set", "sam", "--disable"], "");
    let list = daemon.user(&["list"], "");
    let rows: Vec<Vec<&str>> = list
        .lines()
        .map(|line| line.split_whitespace().take(3).collect())
        .collect();
    assert_eq!(
        rows,
        [
            ["ann", "read-only", "2GB"],
            ["jerry", "read-write", "400MB"],
            ["sam", "disabled", "400MB"],
            ["tom", "read-write", "800MB"],
        ]
    );
    assert!(!list.contains("stored"), "{list}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let daemon = Daemon::demo();
    for (words, input, code, said) in [
        (
            &["add", "tom", "--password-stdin"][..],
            "x\n",
            1,
            "tom already",
        ),
        (&["add", "../tom", "--password-stdin"], "x\n", 2, "tom"),
        (&["add", "ann", "--password-stdin"], "\n", 1, "password"),
        (
            &["add", "ann", "--quota", "much", "--password-stdin"],
            "x\n",
            2,
            "800MB",
        ),
        (
            &["passwd", "nobody", "--password-stdin"],
            "x\n",
            1,
            "no user nobody",
        ),
        (&["del", "nobody"], "", 1, "no user nobody"),
        (&["set", "tom"], "", 2, "nothing to change"),
        (&["set", "tom", "--enable", "--disable"], "", 2, "not both"),
    ] {
        let output = skiffd_user(&daemon.settings(), words, input);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
        assert!(told.contains(said), "{words:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{words:?}: {told}");
    }
    assert_eq!(daemon.user(&["list"], "").lines().count(), 3);
    daemon.login("tom");
}

#[test]
fn a_slip_in_the_store_refuses_and_bans_nobody() {
    let daemon = Daemon::demo();
    let store = daemon.folder().join("users.ron");
    let right = std::fs::read_to_string(&store).unwrap();
    let login = || daemon.peer().login("tom", "123").code;
    assert_eq!(login(), 230);
    // In one step, as editors do.
    let edited = daemon.folder().join("edited");
    std::fs::write(&edited, right.replace("scram:", "scramm:")).unwrap();
    set_mode(&edited, 0o600);
    std::fs::rename(&edited, &store).unwrap();
    for _ in 0..12 {
        assert_eq!(login(), 230);
    }
    daemon.wait_log("the accounts stay as they were");
    std::fs::remove_file(&store).unwrap();
    assert_eq!(login(), 230);
    daemon.wait_log("no such file");
    let log = daemon.log();
    assert!(!log.contains("login failed"), "{log}");
    let told = log.matches("the accounts stay as they were").count();
    assert_eq!(told, 2, "one line for each slip: {log}");
}

#[test]
fn where_nobody_is_known_nobody_is_wrong() {
    let folder = new_server();
    write_settings(folder.path(), "native: (listen: [\"127.0.0.1:0\"]),");
    let _ = std::fs::remove_file(folder.path().join("users.ron"));
    let daemon = Daemon::serve(folder);
    for _ in 0..12 {
        let answered = daemon.peer().login("tom", "123");
        assert_eq!(answered.code, 421, "{answered:?}");
    }
    let log = daemon.wait_log("nobody can log in");
    assert!(!log.contains("login failed"), "{log}");
    daemon.user(&["add", "tom", "--password-stdin"], "123\n");
    daemon.login("tom");
}

#[test]
fn a_broken_store_is_said_at_the_start() {
    let folder = new_server();
    let store = folder.path().join("users.ron");
    std::fs::write(&store, "(users: {\"tom\": (scramm: 1)})").unwrap();
    set_mode(&store, 0o600);
    let settings = folder.path().join("server.ron");
    let output = skiffd(&["--config", settings.to_str().unwrap()], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("users.ron") && said.contains("scramm"),
        "{said}"
    );
}
