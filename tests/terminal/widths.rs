//! What is shown of transfers at any width of the terminal, and while that changes.

use std::fs;

use super::desk::Desk;
use super::line::Line;
use super::screen::Terminal;
use super::transfers::wait_for_bar;
use crate::harness::{Daemon, noise, until};

const WIDTHS: [usize; 4] = [20, 40, 80, 200];

/// What a narrow line carries in 15 s, besides what the buffers take.
const BIG: usize = 12_000_000;

/// Its name is wider than a narrow screen, and its characters are two columns wide.
const BIG_NAME: &str = "年度报告-annual-report-2026-final.tar.gz";

#[test]
fn files_and_trees_fit_any_width_and_leave_nothing_behind() {
    for columns in WIDTHS {
        let daemon = Daemon::demo();
        let line = Line::to(daemon.address());
        let desk = Desk::new();
        let data = noise(1, BIG);
        desk.write(BIG_NAME, &data);
        fs::create_dir_all(desk.path("tree/sub")).unwrap();
        for n in 0..20 {
            desk.write(&format!("tree/sub/{n}"), &noise(n, 1000));
        }
        desk.write(&format!("tree/{BIG_NAME}"), &data);
        let home = format!("tom@{}:", line.address());
        let at_home = |name: &str| format!("{home}{name}");
        let (big, tree) = (at_home(BIG_NAME), at_home("tree"));
        for (words, last) in [
            (&["put", &home, BIG_NAME][..], "verified"),
            (&["get", &big, "copy"][..], "verified"),
            (&["put", "-r", &home, "tree"][..], "0 unchanged"),
            (&["get", "-r", &tree, "back"][..], "0 unchanged"),
        ] {
            line.narrow();
            let terminal = desk.sit_known_at(columns, words);
            let shown = match words.contains(&"-r") {
                false => wait_for_status(&terminal, columns, |_| true),
                true => {
                    // The big file may have a line of its own below that of the tree.
                    let is_tree = |shown: &str| shown.contains("/21");
                    let shown = wait_for_first(&terminal, columns, 2, is_tree);
                    assert!(columns < 40 || shown.contains("/21 "), "{shown}");
                    shown
                }
            };
            assert!(columns > 20 || shown.len() < 40, "{shown}");
            line.widen();
            assert_eq!(terminal.exit_code(), 0);
            let screen = terminal.screen();
            assert!(screen.contains(last), "{screen}");
            assert!(!screen.contains('%') && !screen.contains("eta"), "{screen}");
        }
        assert_eq!(desk.read("copy"), data);
        assert_eq!(desk.read(&format!("back/{BIG_NAME}")), data);
    }
}

#[test]
fn a_window_that_changes_its_width_has_one_line_of_progress() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    desk.write(BIG_NAME, &noise(1, 3 * BIG));
    // Below a screen full of lines: for each row that lines take more in a narrower window, tmux
    // scrolls the topmost row away, whatever stands there.
    let mut tom = desk.sit_known_at(200, &[&format!("tom@{}", line.address())]);
    tom.prompt();
    tom.ask("!seq 100");
    line.narrow();
    tom.enter(&format!("put {BIG_NAME}"));
    wait_for_status(&tom, 200, |shown| shown.contains(" eta "));
    for columns in [80, 20, 40, 30, 200, 21, 100] {
        tom.resize(columns);
        let fills = columns.min(90) - 12;
        wait_for_status(&tom, columns, |shown| {
            (fills..columns).contains(&width(shown))
        });
    }
    line.widen();
    let said = tom.answer();
    assert!(said.starts_with("226 "), "{said}");
    assert!(!tom.screen().contains('%'), "{}", tom.screen());
}

#[test]
fn a_line_that_carries_nothing_is_said_to_stall() {
    let daemon = Daemon::demo();
    daemon.login("tom").put("", "big", &noise(1, BIG));
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    line.narrow();
    let big = format!("tom@{}:big", line.address());
    let terminal = desk.sit_known_at(40, &["get", &big]);
    wait_for_status(&terminal, 40, |shown| shown.contains("/s"));
    line.shut();
    for seconds in ["stalled 3 s", "stalled 5 s"] {
        wait_for_status(&terminal, 40, |shown| shown.contains(seconds));
    }
    line.widen();
    assert_eq!(terminal.exit_code(), 0);
}

#[test]
fn keys_that_are_pressed_meanwhile_wait_for_the_prompt() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    desk.write("big", &noise(1, 40_000_000));
    let mut tom = desk.log_in(line.address());
    line.narrow();
    tom.enter("put big");
    wait_for_bar(&tom);
    // What is echoed is drawn over at once, so that a screen seldom shows it.
    let settings = tom.settings();
    assert!(settings.contains("-echo "), "{settings}");
    tom.type_in("pwd");
    let before = percent(&tom);
    until("the bar to move on", || {
        (percent(&tom) != before).then_some(())
    });
    let typed = tom.lines().into_iter().filter(|line| line.contains("pwd"));
    assert_eq!(typed.count(), 0, "{}", tom.screen());
    line.widen();
    tom.wait_for("> pwd");
    tom.press("Enter");
    tom.wait_for("257 /");
}

#[test]
fn a_terminal_that_cannot_draw_gets_lines() {
    let daemon = Daemon::demo();
    let line = Line::to(daemon.address());
    let desk = Desk::new();
    desk.write("big", &noise(1, 40_000_000));
    line.narrow();
    let password = desk.home().join("password");
    let terminal = desk.shell(&format!(
        "TERM=dumb skiff --trust new --password-file {} put tom@{}: big",
        password.display(),
        line.address()
    ));
    let lines = |shown: &str| {
        let is_progress = |line: &&str| line.starts_with("big: ") && line.contains("% ");
        shown.lines().filter(is_progress).count()
    };
    terminal.wait("two lines", |shown| (lines(shown) >= 2).then_some(()));
    line.widen();
    assert_eq!(terminal.exit_code(), 0);
    assert!(lines(&terminal.screen()) >= 2, "{}", terminal.screen());
}

#[test]
fn help_and_status_are_laid_out_for_the_width() {
    let daemon = Daemon::demo();
    let desk = Desk::new();
    let server = format!("tom@{}", daemon.address());
    let word_max = "[user@]host[:port]:path,".len();
    for columns in WIDTHS {
        let mut told = Vec::new();
        for words in [&["--help"][..], &["-c", "help; help get; status", &server]] {
            let terminal = desk.sit_known_at(columns, words);
            assert_eq!(terminal.exit_code(), 0);
            told.extend(terminal.lines());
        }
        for line in &told {
            let fits = width(line) <= columns.min(80);
            let is_word = !line.trim().contains(' ') && width(line.trim()) <= word_max + 2;
            assert!(fits || is_word, "{columns}: {line}");
        }
        let all = told.join(" ");
        let words: Vec<&str> = all.split_whitespace().collect();
        assert!(words.join(" ").contains("list directories at the server"));
        assert!(words.join(" ").contains("quota 800 MB (800000000 bytes)"));
    }
}

/// The one line with figures, as soon as `is_it`: the whole line is on one row, and nothing of
/// those before it is left.
#[track_caller]
fn wait_for_status(terminal: &Terminal, columns: usize, is_it: impl Fn(&str) -> bool) -> String {
    wait_for_first(terminal, columns, 1, is_it)
}

/// The first of at most so many lines with figures, all of which fit.
#[track_caller]
fn wait_for_first(
    terminal: &Terminal,
    columns: usize,
    at_most: usize,
    is_it: impl Fn(&str) -> bool,
) -> String {
    let shows_figures =
        |line: &String| line.contains('%') || line.contains("/s") || line.contains("stalled");
    let shown = until("a line of progress", || {
        let lines = terminal.lines().into_iter().filter(shows_figures);
        let lines: Vec<_> = lines.collect();
        assert!(lines.len() <= at_most, "{}", terminal.screen());
        lines
            .first()
            .is_some_and(|line| is_it(line))
            .then_some(lines)
    });
    let fit = shown.iter().all(|line| width(line) < columns);
    assert!(fit, "{columns}: {shown:?}");
    shown.into_iter().next().unwrap_or_default()
}

/// The percentage on the screen.
fn percent(terminal: &Terminal) -> Option<String> {
    let screen = terminal.screen();
    let (head, _) = screen.rsplit_once("% [")?;
    head.split_whitespace().last().map(str::to_owned)
}

/// Columns of text that has no other wide characters than CJK ones.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| if c >= '\u{2e80}' { 2 } else { 1 })
        .sum()
}
