//! A terminal to type at and to read, drawn by a tmux of its own.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::desk::NOT_OF_THIS_USER;
use crate::harness::until;

/// Lines that a screen has scrolled away are kept.
const SETTINGS: &str = "\
set -g history-limit 20000
set -g status off
";

/// What the program came to is told below its last words, which stay on the screen.
const RUN: &str = "\
trap : INT
\"$0\" \"$@\"
code=$?
trap '' INT
stty -echo
printf '\\nexit code %s\\n' $code
exec cat >/dev/null
";

/// The columns of a terminal whose width does not matter.
pub(super) const USUAL_COLUMNS: usize = 100;

/// One program in a terminal of 30 rows; both end when this does.
pub(super) struct Terminal {
    /// The tmux server's socket and settings.
    folder: TempDir,
    /// Lines that were there when Enter was pressed last: no answer to it.
    seen: usize,
}

impl Terminal {
    /// Runs `words` in the folder `here`, for somebody whose home is `home`.
    pub(super) fn start(words: &[&str], here: &Path, home: &Path, columns: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("settings"), SETTINGS).unwrap();
        let terminal = Self { folder, seen: 0 };
        let mut command = terminal.tmux();
        let columns = columns.to_string();
        command.args(["new-session", "-d", "-x", &columns, "-y", "30", "-c"]);
        // Without the `--`, tmux would take options of the program for its own.
        command
            .arg(here)
            .args(["--", "/bin/sh", "-c", RUN])
            .args(words);
        command.env("HOME", home).env("SHELL", "/bin/sh");
        // What is longer than the screen is to scroll by.
        command.env("PAGER", "cat");
        for variable in NOT_OF_THIS_USER {
            command.env_remove(variable);
        }
        ask(&mut command);
        terminal
    }

    /// Types text as it is.
    pub(super) fn type_in(&self, text: &str) {
        ask(self.tmux().args(["send-keys", "-l", "--", text]));
    }

    /// Presses a key by tmux's name of it: `Enter`, `C-c`, `Up`, `Tab`.
    pub(super) fn press(&self, key: &str) {
        ask(self.tmux().args(["send-keys", key]));
    }

    /// Types a line, sees it there, and presses Enter.
    #[track_caller]
    pub(super) fn enter(&mut self, line: &str) {
        self.type_in(line);
        self.confirm(line);
    }

    /// Presses Enter when the last line on the screen ends with `line`.
    #[track_caller]
    pub(super) fn confirm(&mut self, line: &str) {
        self.seen = until(&format!("{line:?} at the end of the screen"), || {
            let lines = self.lines();
            let last = lines.last()?;
            last.ends_with(line.trim_end()).then_some(lines.len())
        });
        self.press("Enter");
    }

    /// Types what must not be shown: only when the terminal shows nothing any more.
    #[track_caller]
    pub(super) fn enter_secretly(&mut self, secret: &str) {
        until("the terminal's echo to be off", || {
            self.settings().contains("-echo ").then_some(())
        });
        self.seen = self.lines().len();
        self.type_in(secret);
        self.press("Enter");
    }

    /// Enters a command and waits until it runs: the line editor has given the terminal back, so
    /// that Ctrl-C is no key of its own.
    #[track_caller]
    pub(super) fn start_command(&mut self, line: &str) {
        self.enter(line);
        until("the command to run", || {
            self.settings().contains(" icanon").then_some(())
        });
    }

    /// What the kernel does with keys, as stty(1) tells it.
    pub(super) fn settings(&self) -> String {
        let tty = self.format("#{pane_tty}");
        ask(Command::new("stty").args(["-F", &tty, "-a"]))
    }

    /// What came since the last Enter, as soon as `text` is in it.
    #[track_caller]
    pub(super) fn wait_for(&self, text: &str) -> String {
        self.wait(&format!("{text:?} on the screen"), |shown| {
            shown.contains(text).then(|| shown.to_owned())
        })
    }

    /// What `look` finds in what came since the last Enter.
    #[track_caller]
    pub(super) fn wait<T>(&self, awaited: &str, look: impl Fn(&str) -> Option<T>) -> T {
        until(awaited, || {
            let lines = self.lines();
            look(&lines.get(self.seen..).unwrap_or_default().join("\n"))
        })
    }

    /// Enters a command at the prompt; all that it said when the prompt is back.
    #[track_caller]
    pub(super) fn ask(&mut self, line: &str) -> String {
        self.enter(line);
        self.answer()
    }

    /// What came since the last Enter, when the prompt is back.
    #[track_caller]
    pub(super) fn answer(&self) -> String {
        self.wait("the prompt", |shown| {
            let (said, last) = shown.rsplit_once('\n').unwrap_or(("", shown));
            is_prompt(last).then(|| said.to_owned())
        })
    }

    /// The line with the cursor, once it is a prompt and nothing else.
    #[track_caller]
    pub(super) fn prompt(&self) -> String {
        until("a prompt", || {
            self.lines().pop().filter(|line| is_prompt(line))
        })
    }

    /// Makes the window wider or narrower.
    pub(super) fn resize(&self, columns: usize) {
        let columns = columns.to_string();
        ask(self.tmux().args(["resize-window", "-x", &columns]));
    }

    /// All that can be seen, what scrolled away included.
    pub(super) fn screen(&self) -> String {
        self.lines().join("\n")
    }

    /// The program's exit code, or 128 and the signal that ended it; `None` while it runs.
    pub(super) fn ended(&self) -> Option<i32> {
        let lines = self.lines();
        let code = |line: &String| line.strip_prefix("exit code ")?.parse().ok();
        lines.iter().rev().find_map(code)
    }

    #[track_caller]
    pub(super) fn exit_code(&self) -> i32 {
        until("the program's end", || self.ended())
    }

    /// Lines as they were written: one that the screen breaks is one.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = ask(self.tmux().args(["capture-pane", "-p", "-J", "-S", "-"]));
        let text = text.trim_end();
        text.lines().map(|line| line.trim_end().into()).collect()
    }

    fn format(&self, what: &str) -> String {
        let told = ask(self.tmux().args(["display-message", "-p", what]));
        told.trim_end().to_owned()
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        let settings = self.folder.path().join("settings");
        command.args(["-u", "-L", "skiff", "-f"]).arg(settings);
        command.env("TMUX_TMPDIR", self.folder.path());
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = run(self.tmux().args(["capture-pane", "-p", "-J", "-S", "-"]));
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            eprintln!("the screen:\n{}", shown.trim_end());
        }
        run(self.tmux().arg("kill-server"));
    }
}

/// `tom@127.0.0.1:/docs>`, and nothing typed behind it.
fn is_prompt(line: &str) -> bool {
    line.contains("@127.0.0.1:/") && line.ends_with('>')
}

#[track_caller]
fn ask(command: &mut Command) -> String {
    let output = run(command);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        let program = command.get_program().display();
        panic!(
            "{program}: {error}; these tests need a terminal, which tmux draws: \
             install it, for instance with `apt-get install tmux`"
        )
    })
}
