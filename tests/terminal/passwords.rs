//! Where passwords come from, who is asked for them, and who gets to see them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::channel;

use super::desk::{Desk, finish};
use super::liar::serve;
use crate::harness::{Daemon, PASSWORD};

#[test]
fn a_password_is_asked_at_the_terminal_though_input_and_output_are_piped() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let server = daemon.address();
    for line in [
        format!("skiff --trust new -c pwd tom@{server} | cat"),
        format!("echo pwd | skiff --trust new tom@{server}"),
        format!("echo pwd | skiff --trust new tom@{server} 2>&1 | cat"),
    ] {
        let mut terminal = desk.shell(&line);
        terminal.wait_for("password:");
        terminal.enter_secretly(PASSWORD);
        terminal.wait_for("257 /");
        assert_eq!(terminal.exit_code(), 0, "{line}");
        assert!(
            !terminal.screen().contains(PASSWORD),
            "{}",
            terminal.screen()
        );
    }
}

#[test]
fn trust_is_asked_at_the_terminal_too_and_the_pipe_gets_the_answers_alone() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let target = format!("tom@{}", daemon.address());
    let mut terminal = desk.shell(&format!("skiff -c pwd {target} > said"));
    terminal.wait_for("trust it, and remember it? (y/n)");
    terminal.enter("y");
    terminal.wait_for("password:");
    terminal.enter_secretly(PASSWORD);
    assert_eq!(terminal.exit_code(), 0);
    assert_eq!(desk.read("said"), b"257 /\n");
}

#[test]
fn nothing_is_echoed_while_a_wrong_password_is_delayed() {
    let (heard, proven) = channel();
    let (refuse, may_refuse) = channel::<()>();
    let server = serve(move |mut liar| {
        for _ in 0..2 {
            liar.hears_proof();
            heard.send(()).unwrap();
            may_refuse.recv().unwrap();
            liar.says("530 why=credentials wrong user or password");
        }
        liar.hears_the_end();
    });
    let desk = Desk::new();
    let target = format!("tom@{}", server.address);
    let mut terminal = desk.shell(&format!("trap : INT; skiff --tls off {target}; stty -a"));
    for _ in 0..2 {
        terminal.wait_for("password:");
        terminal.enter_secretly("124");
        proven.recv().unwrap();
        let settings = terminal.settings();
        assert!(settings.contains("-echo "), "{settings}");
        refuse.send(()).unwrap();
        terminal.wait_for("530 wrong user or password");
    }
    // Ctrl-C gives the terminal back as it was.
    terminal.wait_for("password:");
    terminal.press("C-c");
    let settings = terminal.wait_for(" icanon");
    assert!(settings.contains(" echo "), "{settings}");
    server.end();
}

#[test]
fn ctrl_c_ends_passwd_and_the_session_goes_on() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let mut tom = desk.log_in(daemon.address());
    tom.enter("passwd");
    tom.wait_for("old password:");
    tom.press("C-c");
    assert!(
        tom.answer()
            .ends_with("passwd: stopped; nothing was changed")
    );
    assert_eq!(tom.ask("pwd"), "257 /");
}

#[test]
fn a_password_command_is_run_for_its_server_and_user_alone() {
    let daemon = Daemon::demo();
    let other = Daemon::demo();
    let desk = Desk::new();
    let settings = |command: &str| {
        let server = daemon.address();
        let text = format!(r#"(server: "{server}", user: "tom", password_command: "{command}")"#);
        desk.write("client.ron", text.as_bytes());
    };
    let run = |words: &[&str]| {
        let first = ["--config", "client.ron", "--trust", "new", "-c", "pwd"];
        desk.run(&[&first, words].concat(), "")
    };
    settings("touch ran; echo 123; echo more");
    run(&[]).says("257 /\n");
    fs::remove_file(desk.path("ran")).unwrap();
    for (server, user) in [
        (other.address(), "tom"),
        (daemon.address(), "sam"),
        (other.address(), "sam"),
    ] {
        let ran = run(&[&format!("{user}@{server}")]);
        ran.fails(2, "no password, and nobody to ask");
        ran.fails(2, &format!("belongs to tom at {}", daemon.address()));
        assert!(!desk.path("ran").exists());
    }
    settings("exit 7");
    run(&[]).fails(2, "exit 7");
    settings("true");
    run(&[]).fails(2, "it printed no password");
}

#[test]
fn a_password_file_may_be_named_by_the_environment() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let file = desk.home().join("password");
    let target = format!("tom@{}", daemon.address());
    let run = |words: &[&str]| {
        let first = ["--trust", "new", "-c", "pwd", &target];
        let mut command = desk.command(&[&first, words].concat());
        let child = command.env("SKIFF_PASSWORD_FILE", &file).spawn().unwrap();
        finish(child, "124\n")
    };
    run(&[]).says("257 /\n");
    // The command line goes before the environment.
    run(&["--password-stdin"]).fails(4, "530");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    run(&[]).fails(2, "run: chmod 600");
}

#[test]
fn settings_and_known_hosts_lie_where_the_environment_says() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let run = || {
        let mut command = desk.command(&["--trust", "new", "--password-stdin", "-c", "pwd"]);
        let child = command.env("XDG_CONFIG_HOME", desk.path("config")).spawn();
        finish(child.unwrap(), "123\n")
    };
    let settings = format!(r#"(server: "{}", user: "tom")"#, daemon.address());
    let (old, new) = (desk.home().join(".config/skiff"), desk.path("config/skiff"));
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("client.ron"), &settings).unwrap();
    run().says("257 /\n");
    assert!(new.join("known_hosts").exists());

    // What was there before the environment named another folder goes on being used.
    fs::remove_dir_all(&new).unwrap();
    fs::write(old.join("known_hosts"), "# mine\n").unwrap();
    run().says("257 /\n");
    assert!(!new.exists());
    let known = fs::read_to_string(old.join("known_hosts")).unwrap();
    assert_eq!(known.lines().count(), 2, "{known}");
}

#[test]
fn the_history_of_the_prompt_lies_where_the_environment_says() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let target = format!("tom@{}", daemon.address());
    let file = desk.home().join("password");
    let line = format!(
        "XDG_STATE_HOME=$PWD/state skiff --trust new --password-file {} {target}",
        file.display()
    );
    let mut terminal = desk.shell(&line);
    terminal.prompt();
    terminal.ask("pwd");
    terminal.enter("bye");
    assert_eq!(terminal.exit_code(), 0);
    let history = String::from_utf8(desk.read("state/skiff/history")).unwrap();
    assert!(history.contains("pwd"), "{history}");
}
