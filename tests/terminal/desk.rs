//! Somebody's own machine: a home, a folder with files, and `skiff` to run there.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::screen::{Terminal, USUAL_COLUMNS};
use crate::harness::{PASSWORD, binary};

/// Variables of whoever runs the tests that must not reach the programs.
pub(super) const NOT_OF_THIS_USER: [&str; 4] = [
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "SKIFF_PASSWORD_FILE",
];

pub(super) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(super) fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for folder in [desk.home(), desk.here()] {
            fs::create_dir(folder).unwrap();
        }
        let password = desk.home().join("password");
        fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        desk
    }

    /// `skiff` with these words in a terminal.
    pub(super) fn sit(&self, words: &[&str]) -> Terminal {
        self.sit_at(USUAL_COLUMNS, words)
    }

    /// The same in a terminal of so many columns.
    pub(super) fn sit_at(&self, columns: usize, words: &[&str]) -> Terminal {
        let skiff = binary("skiff");
        let mut all = vec![skiff.to_str().unwrap()];
        all.extend(words);
        Terminal::start(&all, &self.here(), &self.home(), columns)
    }

    /// The same, with the password of the demo's users before `words`, which name the server.
    pub(super) fn sit_known(&self, words: &[&str]) -> Terminal {
        self.sit_known_at(USUAL_COLUMNS, words)
    }

    /// The same in a terminal of so many columns.
    pub(super) fn sit_known_at(&self, columns: usize, words: &[&str]) -> Terminal {
        let known = self.known();
        let known = known.iter().map(String::as_str);
        self.sit_at(
            columns,
            &known.chain(words.iter().copied()).collect::<Vec<_>>(),
        )
    }

    /// A line for the shell in a terminal, where `skiff` is the program under test.
    pub(super) fn shell(&self, line: &str) -> Terminal {
        let skiff = binary("skiff");
        let line = format!("skiff() {{ '{}' \"$@\"; }}\n{line}", skiff.display());
        let words = ["/bin/sh", "-c", &line];
        Terminal::start(&words, &self.here(), &self.home(), USUAL_COLUMNS)
    }

    /// A terminal with a session of the demo's tom, at its prompt.
    pub(super) fn log_in(&self, server: SocketAddr) -> Terminal {
        let terminal = self.sit_known(&[&format!("tom@{server}")]);
        terminal.prompt();
        terminal
    }

    /// `skiff` with these words and no terminal, to its end.
    pub(super) fn run(&self, words: &[&str], input: &str) -> Ran {
        finish(self.spawn(words), input)
    }

    /// The same for the demo's tom, who is let in.
    pub(super) fn batch(&self, server: SocketAddr, words: &[&str], input: &str) -> Ran {
        finish(self.begin(server, words), input)
    }

    /// `skiff` with the password of the demo's users, then `words` as they are, which name the
    /// server.
    pub(super) fn give<W: AsRef<OsStr>>(&self, words: &[W]) -> Ran {
        let known = self.known();
        let known = known.iter().map(OsStr::new);
        let all: Vec<_> = known.chain(words.iter().map(AsRef::as_ref)).collect();
        finish(self.spawn(&all), "")
    }

    /// `skiff` for the demo's tom, on a system where a call fails so (`strace -e inject`).
    pub(super) fn batch_without(&self, call: &str, server: SocketAddr, words: &[&str]) -> Ran {
        let trace = format!("trace={}", call.split_once(':').unwrap().0);
        let inject = format!("inject={call}");
        let skiff = binary("skiff");
        let traced = ["-f", "-q", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let mut all: Vec<String> = traced.map(str::to_owned).to_vec();
        all.push(skiff.to_str().unwrap().to_owned());
        all.extend(self.words(server, words));
        finish(self.prepare("strace", &all).spawn().unwrap(), "")
    }

    /// The same, still running.
    pub(super) fn begin(&self, server: SocketAddr, words: &[&str]) -> Child {
        self.spawn(&self.words(server, words))
    }

    /// A file in the folder, made or read.
    pub(super) fn write(&self, name: &str, data: &[u8]) {
        fs::write(self.path(name), data).unwrap();
    }

    #[track_caller]
    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.here().join(name)
    }

    pub(super) fn known_hosts(&self) -> PathBuf {
        self.home().join(".config/skiff/known_hosts")
    }

    fn words(&self, server: SocketAddr, words: &[&str]) -> Vec<String> {
        let mut all = self.known().to_vec();
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all.push(format!("tom@{server}"));
        all
    }

    /// Without a terminal of the session that runs the tests.
    fn spawn<W: AsRef<OsStr>>(&self, words: &[W]) -> Child {
        self.command(words).spawn().unwrap()
    }

    /// The command that is run, for a test that sets more of its environment.
    pub(super) fn command<W: AsRef<OsStr>>(&self, words: &[W]) -> Command {
        self.prepare(binary("skiff"), words)
    }

    /// setsid(1) leaves the terminal, and becomes the program.
    fn prepare<W: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, words: &[W]) -> Command {
        let mut command = Command::new("setsid");
        command.arg(program).args(words);
        command.current_dir(self.here());
        command.env("HOME", self.home()).env("SHELL", "/bin/sh");
        for variable in NOT_OF_THIS_USER {
            command.env_remove(variable);
        }
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What lets nobody be asked at the login.
    fn known(&self) -> [String; 4] {
        let password = self.home().join("password");
        let password = password.to_str().unwrap().to_owned();
        [
            "--trust".into(),
            "new".into(),
            "--password-file".into(),
            password,
        ]
    }

    pub(super) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn here(&self) -> PathBuf {
        self.folder.path().join("here")
    }
}

/// How a run ended.
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) said: String,
    pub(super) complained: String,
}

impl Ran {
    /// It said exactly this, and all went well.
    #[track_caller]
    pub(super) fn says(&self, said: &str) {
        assert_eq!((self.code, &*self.said), (0, said), "{}", self.complained);
    }

    /// It ended so, with this among its complaints.
    #[track_caller]
    pub(super) fn fails(&self, code: i32, complaint: &str) {
        let told = &self.complained;
        assert_eq!(self.code, code, "{told}");
        assert!(told.contains(complaint), "no {complaint:?} in {told:?}");
    }
}

/// Gives a program its input and waits for its end.
pub(super) fn finish(mut child: Child, input: &str) -> Ran {
    // It may be gone before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        said: String::from_utf8(output.stdout).unwrap(),
        complained: String::from_utf8(output.stderr).unwrap(),
    }
}
