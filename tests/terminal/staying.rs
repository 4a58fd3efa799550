//! The connection goes, the session stays: it is made again, and what it ended is done again or asked
//! about.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::mpsc::channel;

use rustix::net::{AddressFamily, SocketType};

use super::desk::{Desk, finish};
use super::liar;
use super::line::Line;
use crate::harness::{Daemon, PATIENCE, noise, until};

const FILE: usize = 8_000_000;

/// What passes before the connection goes.
const BEFORE: u64 = 3_000_000;

const FILES: usize = 200;
const SMALL: usize = 20_000;

/// Waits until as much more has passed.
fn wait_for_bytes(line: &Line, more: u64) {
    let goal = line.carried() + more;
    until("bytes on the line", || {
        (line.carried() >= goal).then_some(())
    });
}

/// Kills the daemon when a part of the job is done, and starts it again.
fn kill_amid(daemon: &mut Daemon, line: &Line) {
    wait_for_bytes(line, BEFORE);
    daemon.kill9();
    daemon.start();
    line.lead_to(daemon.address());
    line.widen();
}

fn make_tree(desk: &Desk, name: &str) -> Vec<Vec<u8>> {
    fs::create_dir(desk.path(name)).unwrap();
    let files: Vec<_> = (0..FILES).map(|n| noise(n as u64, SMALL)).collect();
    for (n, data) in files.iter().enumerate() {
        desk.write(&format!("{name}/{n}"), data);
    }
    files
}

#[test]
fn a_download_outlives_a_server_that_is_killed() {
    let mut daemon = Daemon::demo();
    let data = noise(1, FILE);
    daemon.login("tom").put("", "big", &data);
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    line.narrow();
    let child = desk.begin(line.address(), &["-c", "get big"]);
    kill_amid(&mut daemon, &line);
    let ran = finish(child, "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert!(
        ran.complained.contains("connected again, in /"),
        "{}",
        ran.complained
    );
    assert!(desk.read("big") == data);
    // What was here was not fetched again.
    let carried = line.carried();
    assert!(carried < FILE as u64 + 1_000_000, "{carried} for {FILE}");
}

#[test]
fn an_upload_outlives_a_server_that_is_killed() {
    let mut daemon = Daemon::demo();
    let data = noise(2, FILE);
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    desk.write("big", &data);
    line.narrow();
    let child = desk.begin(line.address(), &["-c", "put big"]);
    kill_amid(&mut daemon, &line);
    let ran = finish(child, "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert!(fs::read(daemon.home("tom").join("big")).unwrap() == data);
    // What a server that is killed had not synced is sent again.
    let carried = line.carried();
    assert!(carried < (FILE + (16 << 20)) as u64, "{carried} for {FILE}");
}

/// As the lost session may hold it, where the server has not noticed the loss.
#[test]
fn a_name_that_another_session_holds_is_waited_for() {
    let daemon = Daemon::demo();
    let data = noise(4, FILE);
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    desk.write("big", &data);
    line.narrow();
    let child = desk.begin(line.address(), &["-c", "put big"]);
    wait_for_bytes(&line, 1_000_000);
    // A port that is bound and never listens refuses.
    let port = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&port, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    line.lead_to(rustix::net::getsockname(&port).unwrap().try_into().unwrap());
    line.cut();
    let refusals = || daemon.log().matches(" STOR 550 ").count();
    let mut other = daemon.login("tom");
    let offer = other.store_again(&format!("STOR size={FILE} big"));
    assert_eq!(offer.code, 210, "{}", offer.line);
    other.ask("211", 212);
    let have = offer.number("have") as usize;
    other.frames(&data[have..have + 1000]);
    // It may have been refused itself, before the cut one was gone.
    let before = refusals();
    line.lead_to(daemon.address());
    line.widen();
    until("a refusal", || (refusals() > before).then_some(()));
    drop(other);
    let ran = finish(child, "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert!(fs::read(daemon.home("tom").join("big")).unwrap() == data);
}

#[test]
fn trees_outlive_a_server_that_is_killed() {
    let mut daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let files = make_tree(&desk, "tree");
    for command in ["put -r tree", "get -r tree back"] {
        line.narrow();
        let before = line.carried();
        let child = desk.begin(line.address(), &["-c", command]);
        wait_for_bytes(&line, 1_000_000);
        daemon.kill9();
        daemon.start();
        line.lead_to(daemon.address());
        line.widen();
        let ran = finish(child, "");
        assert_eq!(ran.code, 0, "{command}: {}", ran.complained);
        assert!(ran.said.starts_with("tree: "), "{}", ran.said);
        let carried = line.carried() - before;
        let size = (FILES * SMALL) as u64;
        assert!(
            carried < size + 2_000_000,
            "{command}: {carried} for {size}"
        );
    }
    for (n, data) in files.iter().enumerate() {
        let stored = fs::read(daemon.home("tom").join(format!("tree/{n}"))).unwrap();
        assert!(
            stored == *data && desk.read(&format!("back/{n}")) == *data,
            "{n}"
        );
    }
}

#[test]
fn a_line_that_is_cut_five_times_keeps_no_tree_from_being_fetched() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let files = make_tree(&desk, "tree");
    let ran = desk.batch(daemon.address(), &["-c", "put -r tree"], "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    line.narrow();
    let child = desk.begin(line.address(), &["-c", "get -r tree back"]);
    for _ in 0..5 {
        wait_for_bytes(&line, 400_000);
        line.cut();
    }
    line.widen();
    let ran = finish(child, "");
    assert_eq!(ran.code, 0, "{}", ran.complained);
    assert_eq!(ran.complained.matches("connected again").count(), 5);
    for (n, data) in files.iter().enumerate() {
        assert!(desk.read(&format!("back/{n}")) == *data, "{n}");
    }
    let (carried, size) = (line.carried(), (FILES * SMALL) as u64);
    assert!(carried < size + (16 << 20), "{carried} for {size}");
}

#[test]
fn a_certificate_that_changed_meanwhile_ends_it() {
    let (daemon, other) = (Daemon::demo(), Daemon::demo());
    daemon.login("tom").put("", "big", &noise(3, FILE));
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    line.narrow();
    let child = desk.begin(line.address(), &["-c", "get big"]);
    wait_for_bytes(&line, 500_000);
    line.lead_to(other.address());
    line.cut();
    finish(child, "").fails(5, "the certificate has changed!");
    assert!(!desk.path("big").exists());
}

/// `skiff` that does what it reads, once it is connected.
struct Script {
    child: Child,
    input: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Script {
    fn begin(desk: &Desk, line: &Line, words: &[&str]) -> Self {
        let mut child = desk.begin(line.address(), words);
        let mut script = Self {
            input: child.stdin.take().unwrap(),
            said: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        script.tell("pwd");
        script.hears("257 /");
        script
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
    }

    #[track_caller]
    fn hears(&mut self, wanted: &str) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), wanted);
    }

    fn end(mut self) -> i32 {
        drop(self.input);
        let mut complained = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut complained).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn a_change_whose_answer_was_lost_is_asked_about_and_told_truthfully() {
    let daemon = Daemon::demo();
    let home = daemon.home("tom");
    daemon.login("tom").put("", "old", b"x");
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let mut script = Script::begin(&desk, &line, &[]);
    let lost = "; the server's answer was lost with the connection";
    let mode = |name: &str| fs::metadata(home.join(name)).unwrap().mode() & 0o777;
    daemon.login("tom").leave_part("", "part", b"some bytes", 4);
    let changes: [(&str, &dyn Fn() -> bool, String); 5] = [
        (
            "delete old",
            &|| !home.join("old").exists(),
            format!("old: is gone now{lost}"),
        ),
        (
            "stages -d part",
            &|| daemon.login("tom").list("STAGES").is_empty(),
            format!("part: is gone now{lost}"),
        ),
        (
            "mkdir new",
            &|| home.join("new").exists(),
            format!("new: is there now{lost}"),
        ),
        (
            "mkdir -p above/below",
            &|| home.join("above").exists(),
            "257 /above/below".to_owned(),
        ),
        (
            "chmod 705 new",
            &|| mode("new") == 0o705,
            "213 new: mode 705".to_owned(),
        ),
    ];
    for (command, is_done, told) in changes {
        line.mute();
        script.tell(command);
        until(command, || is_done().then_some(()));
        line.cut();
        line.widen();
        script.hears(&told);
    }
    assert_eq!(script.end(), 0);
    assert!(home.join("above/below").is_dir());
}

#[test]
fn a_tree_of_which_an_answer_was_lost_is_deleted_to_its_end() {
    let entry =
        |kind: &str, name: &str| format!("type={kind};size=1;modify=20260102030405; {name}");
    let first = liar::serve_session(move |mut liar| {
        liar.answers("PWD", "257 /");
        let end = "226 hidden=0 done";
        liar.hears("LIST");
        liar.lists(&[&entry("dir", "tree")], end);
        for _ in ["counted", "deleted"] {
            liar.hears("LIST tree");
            liar.lists(&[&entry("file", "a"), &entry("file", "b")], end);
        }
        liar.hears("DELE tree/a");
        liar.hears("DELE tree/b");
    });
    let second = liar::serve(|mut liar| {
        liar.logs_in_with("");
        liar.answers("STAT tree/a", "404 why=not-found none");
        liar.answers("LIST tree/a", "404 why=not-found none");
        // This one was not done by then.
        liar.answers(
            "STAT tree/b",
            "213 type=file size=1 mtime=20260102030405 /tree/b",
        );
        liar.answers("DELE tree/b", "250 deleted");
        liar.answers("DELE tree", "250 deleted");
        liar.answers_all(|_, line| panic!("{line}"));
    });
    let line = Line::to(first.address);
    let desk = Desk::new();
    let mut script = Script::begin(&desk, &line, &["--tls", "off"]);
    line.lead_to(second.address);
    script.tell("rm -rf tree");
    script.hears("250 2 files and 1 directory deleted");
    assert_eq!(script.end(), 0);
    first.end();
    second.end();
}

#[test]
fn what_was_printed_in_part_is_not_printed_again() {
    let daemon = Daemon::demo();
    let data = noise(3, FILE);
    daemon.login("tom").put("", "big", &data);
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    line.narrow();
    let mut child = desk.begin(line.address(), &["-c", "get big -"]);
    let mut printed = vec![0; 1000];
    let mut said = child.stdout.take().unwrap();
    said.read_exact(&mut printed).unwrap();
    line.cut();
    line.widen();
    said.read_to_end(&mut printed).unwrap();
    assert!(printed.len() < FILE && data.starts_with(&printed));
    finish(child, "").fails(3, "the connection was lost");
}

#[test]
fn what_has_printed_nothing_yet_is_printed_over_the_next_connection() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "notes", b"all of it\n");
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let mut script = Script::begin(&desk, &line, &[]);
    line.cut();
    script.tell("cat notes");
    script.hears("all of it");
    line.cut();
    script.tell("get notes -");
    script.hears("all of it");
    assert_eq!(script.end(), 0);
}

/// Its turn is answered, its end is not.
#[test]
fn a_rename_whose_answer_was_lost_is_asked_about() {
    let first = liar::serve_session(|mut liar| {
        liar.answers("PWD", "257 /");
        // A directory would take it in.
        liar.answers("STAT to", "404 why=not-found none");
        liar.answers("RNFR from", "350 to what?");
        liar.hears("351 to");
    });
    let second = liar::serve(|mut liar| {
        liar.logs_in_with("");
        liar.answers("STAT from", "404 why=not-found none");
        liar.answers("LIST from", "404 why=not-found none");
        let file = "213 type=file size=1 mtime=20260102030405 there";
        liar.answers("STAT to", file);
        liar.answers_all(|_, line| panic!("{line}"));
    });
    let line = Line::to(first.address);
    let desk = Desk::new();
    let mut script = Script::begin(&desk, &line, &["--tls", "off"]);
    line.lead_to(second.address);
    script.tell("rename from to");
    script.hears("from: renamed to to, as the server shows; its answer was lost");
    assert_eq!(script.end(), 0);
    first.end();
    second.end();
}

#[test]
fn a_listing_that_is_lost_amid_is_printed_once() {
    let entry = |name: &str| format!("type=file;size=1;modify=20260102030405; {name}");
    let first = liar::serve_session(move |mut liar| {
        liar.answers("PWD", "257 /");
        liar.answers("LIST", "150 here it comes");
        liar.sends(&liar::framed(format!("{}\r\n", entry("a")).as_bytes()));
    });
    let second = liar::serve(move |mut liar| {
        liar.logs_in_with("");
        liar.hears("LIST");
        liar.lists(&[&entry("a"), &entry("b")], "226 hidden=0 done");
        liar.answers_all(|_, line| panic!("{line}"));
    });
    let line = Line::to(first.address);
    let desk = Desk::new();
    let mut script = Script::begin(&desk, &line, &["--tls", "off"]);
    line.lead_to(second.address);
    script.tell("ls");
    drop(script.input);
    let mut said = String::new();
    script.said.read_to_string(&mut said).unwrap();
    let names: Vec<_> = said
        .lines()
        .filter_map(|line| line.split(' ').next_back())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(script.child.wait().unwrap().code(), Some(0));
    first.end();
    second.end();
}

#[test]
fn a_change_that_never_arrived_is_made_once() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "old", b"x");
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let mut script = Script::begin(&desk, &line, &[]);
    // A link that leads nowhere is no name that is gone.
    symlink("nowhere", daemon.home("tom").join("lost")).unwrap();
    for (command, told) in [
        ("delete old", "250 deleted"),
        ("delete lost", "250 deleted"),
        ("mkdir new", "257 /new"),
    ] {
        line.shut();
        line.overheard();
        script.tell(command);
        until("the command on the line", || {
            (!line.overheard().is_empty()).then_some(())
        });
        line.cut();
        line.widen();
        script.hears(told);
    }
    assert_eq!(script.end(), 0);
    let home = daemon.home("tom");
    assert!(!home.join("old").exists());
    assert!(fs::symlink_metadata(home.join("lost")).is_err());
    assert!(home.join("new").exists());
}

#[test]
fn the_prompt_comes_back_to_its_directory_and_ctrl_c_ends_the_wait() {
    let mut daemon = Daemon::demo();
    daemon.login("tom").ask("MKD docs", 257);
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let mut tom = desk.log_in(line.address());
    assert_eq!(tom.ask("cd docs"), "250 /docs");
    line.cut();
    let said = tom.ask("pwd");
    assert!(
        said.ends_with("connected again, in /docs\n257 /docs"),
        "{said}"
    );
    daemon.kill9();
    tom.start_command("pwd");
    tom.wait_for("(try 2 of 3, Ctrl-C ends it)");
    tom.press("C-c");
    let said = tom.answer();
    assert!(said.ends_with("stopped; not connected"), "{said}");
    assert_eq!(tom.prompt(), "(not connected) tom@127.0.0.1:/docs>");
    daemon.start();
    line.lead_to(daemon.address());
    let said = tom.ask("mkdir new");
    assert!(said.ends_with("257 /docs/new"), "{said}");
    // Names would mean others in another directory.
    let mut other = daemon.login("tom");
    for name in ["/docs/new", "/docs"] {
        other.ask(&format!("DELE {name}"), 250);
    }
    line.cut();
    let said = tom.ask("mkdir new");
    assert!(
        said.contains("the directory is not there any more (/docs: "),
        "{said}"
    );
    assert_eq!(tom.prompt(), "(not connected) tom@127.0.0.1:/>");
    assert!(!daemon.home("tom").join("new").exists());
    tom.ask("reconnect");
    assert_eq!(tom.ask("mkdir new"), "257 /new");
}

#[test]
fn a_password_whose_change_was_not_answered_is_found_out() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let mut tom = desk.log_in(line.address());
    for told in [
        "the old one holds, nothing was changed",
        "changed, the new one holds; the server's answer was lost",
    ] {
        tom.enter("passwd");
        for (asked, typed) in [("old password:", "123"), ("new password:", "xyzzy")] {
            tom.wait_for(asked);
            tom.enter_secretly(typed);
        }
        tom.wait_for("again:");
        let arrives = told.starts_with("changed");
        match arrives {
            true => line.mute(),
            false => line.shut(),
        }
        line.overheard();
        tom.enter_secretly("xyzzy");
        until("the command on the line", || {
            (!line.overheard().is_empty()).then_some(())
        });
        if arrives {
            daemon.wait_log(" PASSWD 250 ");
        }
        line.cut();
        line.widen();
        let said = tom.answer();
        assert!(said.ends_with(told), "{said}");
        assert_eq!(tom.ask("pwd"), "257 /");
    }
    daemon.login_as("tom", "xyzzy");
}

#[test]
fn connections_are_closed_and_opened_by_hand() {
    let (daemon, other) = (Daemon::demo(), Daemon::demo());
    other.login("tom").ask("MKD there", 257);
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    let mut tom = desk.log_in(line.address());
    assert_eq!(tom.ask("close"), "221 goodbye");
    let said = tom.ask("pwd");
    assert!(
        said.ends_with("not connected (closed); reconnect and open connect"),
        "{said}"
    );
    let said = tom.ask("reconnect");
    assert_eq!(said, format!("230 {}: connected, in /", line.address()));
    assert_eq!(tom.ask("pwd"), "257 /");
    // Another certificate: nothing is sent to it unasked.
    line.lead_to(other.address());
    let said = tom.ask("reconnect");
    assert!(said.contains("the certificate has changed!"), "{said}");
    let said = tom.ask("pwd");
    assert!(
        said.contains("not connected (the certificate has changed!"),
        "{said}"
    );
    tom.enter(&format!("open tom@{}", other.address()));
    tom.wait_for("password:");
    tom.enter_secretly("123");
    let said = tom.answer();
    assert!(
        said.ends_with(&format!("230 {}: logged in as tom, in /", other.address())),
        "{said}"
    );
    assert!(tom.ask("ls").contains("there"));
}

#[test]
fn an_idle_session_is_kept_alive() {
    let (tell, told) = channel();
    let serving = liar::serve(move |mut liar| {
        liar.logs_in_with("idle=1 ");
        liar.answers("PWD", "257 /");
        liar.answers("DF", "213 counting=1 limit=1000 entries_limit=9");
        for _ in 0..3 {
            liar.answers("NOOP", "200 ok");
        }
        tell.send(()).unwrap();
        liar.answers_all(|liar, line| match line {
            "NOOP" => liar.says("200 ok"),
            "PWD" => liar.says("257 /still-here"),
            other => panic!("{other}"),
        });
    });
    let desk = Desk::new();
    let target = format!("tom@{}", serving.address);
    let mut tom = desk.sit_known(&["--tls", "off", &target]);
    tom.prompt();
    told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(tom.ask("pwd"), "257 /still-here");
    tom.enter("bye");
    assert_eq!(tom.exit_code(), 0);
    serving.end();
}
