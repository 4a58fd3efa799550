//! A daemon of its own for each test: started on a free port, ended with the test.
//!
//! Nothing here sleeps: whoever waits, waits for a line, an answer or an end, for [`PATIENCE`].

mod ftp;
mod injected;
pub(crate) mod json_schema;
mod peer;
mod said;
mod upgraded;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

pub(crate) use ftp::Ftp;
use injected::Injected;
pub(crate) use injected::{Delays, FailingCalls};
pub(crate) use peer::{Answer, Gone, Peer, Tail, ask_all, md5};
pub(crate) use said::Said;
pub(crate) use wire::{Speech, Wire};

/// Only a daemon that hangs ever meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The demo's password, of everybody.
pub(crate) const PASSWORD: &str = "123";

/// A running `skiffd` and the folder it lives in; both go when this does.
pub(crate) struct Daemon {
    folder: TempDir,
    speech: Speech,
    start: Start,
    injected: Injected,
    /// A command that runs the daemon.
    before: &'static [&'static str],
    running: Option<Running>,
}

/// How the command line asks it to serve.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    /// `--demo`, on a free port.
    Demo,
    /// The same, with FTP.
    DemoWithFtp,
    /// `--config`, wherever the settings say.
    Config,
}

struct Running {
    child: Child,
    /// The process that has taken its place, if one has.
    successor: Option<Pid>,
    address: SocketAddr,
    stdout: Arc<Said>,
    stderr: Arc<Said>,
}

impl Daemon {
    /// The demo as it comes: users tom (800 MB), jerry and sam (400 MB).
    pub(crate) fn demo() -> Self {
        Self::with("")
    }

    /// The same daemon, run by the command `before`, which must execute it without a fork.
    pub(crate) fn behind(mut self, before: &'static [&'static str]) -> Self {
        self.stop();
        self.before = before;
        self.start();
        self
    }

    /// The demo with more keys in its `server.ron`, such as `limits: (login: "1s")`.
    pub(crate) fn with(keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_settings(folder.path(), keys);
        Self::begin(folder, Start::Demo, speech_of(keys), Injected::Nothing)
    }

    /// The demo, on a system where these calls fail.
    pub(crate) fn without(failing: FailingCalls, keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_settings(folder.path(), keys);
        let injected = Injected::Errors(failing);
        Self::begin(folder, Start::Demo, speech_of(keys), injected)
    }

    /// The demo, on a system where these calls take long.
    pub(crate) fn slowed(delays: Delays, keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_settings(folder.path(), keys);
        let injected = Injected::Delays(delays);
        Self::begin(folder, Start::Demo, speech_of(keys), injected)
    }

    /// The same, for a test that looks into /proc/PID.
    pub(crate) fn watched(keys: &str) -> Self {
        Self::with(&format!("{} {keys}", watched_keys()))
    }

    /// The demo, with FTP in clear too.
    pub(crate) fn with_ftp() -> Self {
        Self::with_ftp_injected(Injected::Nothing)
    }

    /// The same, on a system where these calls fail.
    pub(crate) fn with_ftp_without(failing: FailingCalls) -> Self {
        Self::with_ftp_injected(Injected::Errors(failing))
    }

    /// The same, in a folder that has settings.
    pub(crate) fn with_ftp_in(folder: TempDir) -> Self {
        Self::begin(folder, Start::DemoWithFtp, Speech::Tls, Injected::Nothing)
    }

    fn with_ftp_injected(injected: Injected) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_settings(folder.path(), "ftp: (listen: [], tls: Optional),");
        Self::begin(folder, Start::DemoWithFtp, Speech::Tls, injected)
    }

    /// `skiffd --config` with the demo's users and these keys, none of them `native`.
    pub(crate) fn configured(keys: &str) -> Self {
        Self::configured_behind(keys, &[])
    }

    /// The same, run by the command `before`, which must execute it without a fork.
    pub(crate) fn configured_behind(keys: &str, before: &'static [&'static str]) -> Self {
        let keys = format!("native: (listen: [\"127.0.0.1:0\"]), {keys}");
        Self::on_keys(&keys, before)
    }

    /// The same, on an address that somebody else listens on and `before` passes on.
    pub(crate) fn activated(
        address: SocketAddr,
        keys: &str,
        before: &'static [&'static str],
    ) -> Self {
        let keys = format!("native: (listen: [\"{address}\"]), ftp: (listen: []), {keys}");
        Self::on_keys(&keys, before)
    }

    fn on_keys(keys: &str, before: &'static [&'static str]) -> Self {
        let mut demo = Self::demo();
        demo.stop();
        write_settings(demo.folder(), keys);
        demo.start = Start::Config;
        demo.before = before;
        demo.start();
        demo
    }

    /// `skiffd --config` on a folder that has a `server.ron`.
    pub(crate) fn serve(folder: TempDir) -> Self {
        Self::serve_behind(folder, &[])
    }

    /// The same, run by the command `before`, which must execute it without a fork.
    pub(crate) fn serve_behind(folder: TempDir, before: &'static [&'static str]) -> Self {
        let settings = std::fs::read_to_string(folder.path().join("server.ron")).unwrap();
        let mut daemon = Self {
            speech: speech_of(&settings),
            folder,
            start: Start::Config,
            injected: Injected::Nothing,
            before,
            running: None,
        };
        daemon.start();
        daemon
    }

    fn begin(folder: TempDir, start: Start, speech: Speech, injected: Injected) -> Self {
        let mut daemon = Self {
            folder,
            speech,
            start,
            injected,
            before: &[],
            running: None,
        };
        daemon.start();
        daemon
    }

    /// A connection that has not logged in.
    pub(crate) fn peer(&self) -> Peer {
        Peer::new(Wire::open(self.address(), self.speech))
    }

    /// A session of one of the demo's users.
    pub(crate) fn login(&self, user: &str) -> Peer {
        self.login_as(user, PASSWORD)
    }

    pub(crate) fn login_as(&self, user: &str, password: &str) -> Peer {
        let mut peer = self.peer();
        let answer = peer.login(user, password);
        assert_eq!(answer.code, 230, "{user} cannot log in: {}", answer.line);
        peer
    }

    /// SIGTERM, which must end it by itself and well.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.ends_well();
    }

    /// Waits for its own end, after SIGTERM; all that it logged.
    pub(crate) fn ends_well(&mut self) -> String {
        let mut running = self.running.take().expect("the daemon runs");
        running.stderr.wait_end("the daemon's end after SIGTERM");
        let status = running.child.wait().unwrap();
        assert!(status.success(), "{status} after SIGTERM");
        running.successor_ends_well();
        running.stderr.tail(usize::MAX)
    }

    /// SIGKILL: no last words, nothing put away.
    pub(crate) fn kill9(&mut self) {
        let mut running = self.running.take().expect("the daemon runs");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// Serves the same folder again, after `stop` or `kill9`.
    pub(crate) fn start(&mut self) {
        assert!(self.running.is_none(), "the daemon runs already");
        let mut command = self.program();
        match self.start {
            Start::Demo => command.arg("--demo").arg(self.folder.path()).args([
                "--native",
                "127.0.0.1:0",
                "--ftp",
                "off",
            ]),
            Start::DemoWithFtp => command.arg("--demo").arg(self.folder.path()).args([
                "--native",
                "127.0.0.1:0",
                "--ftp",
                "127.0.0.1:0",
            ]),
            Start::Config => command.arg("--config").arg(self.settings()),
        };
        self.running = Some(Running::spawn(command, self.start));
    }

    fn program(&self) -> Command {
        match self.before {
            [] => self.injected.command(self.folder()),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(binary("skiffd"));
                command
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.running().process(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running().process().as_raw_nonzero().get() as u32
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running().address
    }

    /// Of a daemon that speaks FTP.
    pub(crate) fn ftp_address(&self) -> SocketAddr {
        let address = match self.start {
            Start::Demo | Start::DemoWithFtp => {
                let line = self.running().stdout.wait_line("ftp ");
                line.trim_start_matches("ftp ").trim().to_owned()
            }
            Start::Config => in_brackets(&self.wait_log("serving ftp on [")),
        };
        address.parse().unwrap()
    }

    /// Waits until a line of standard error (the log) has `part` in it.
    pub(crate) fn wait_log(&self, part: &str) -> String {
        self.running().stderr.wait_line(part)
    }

    /// All that it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.running().stderr.tail(usize::MAX)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.folder().join("server.ron")
    }

    /// Where the files of `user` are on the disk.
    pub(crate) fn home(&self, user: &str) -> PathBuf {
        self.folder().join("homes").join(user)
    }

    /// `skiffd user WORDS.. --config` of this daemon, with a line for its standard input; must
    /// succeed.
    pub(crate) fn user(&self, words: &[&str], input: &str) -> String {
        let output = skiffd_user(&self.settings(), words, input);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "user {words:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `skiffd reload` of this daemon.
    pub(crate) fn reload(&self) -> Output {
        self.operator(&["reload"])
    }

    /// `skiffd WORDS.. --config` of this daemon.
    pub(crate) fn operator(&self, words: &[&str]) -> Output {
        let settings = self.settings();
        let config = ["--config", settings.to_str().unwrap()];
        skiffd(&[words, &config].concat(), "")
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the daemon runs")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        running.end();
        if std::thread::panicking() {
            eprintln!("the daemon said:\n{}", running.stderr.tail(40));
        }
    }
}

impl Running {
    fn spawn(mut command: Command, start: Start) -> Self {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("skiffd can be started");
        let stdout = Said::listen(child.stdout.take().unwrap());
        let stderr = Said::listen(child.stderr.take().unwrap());
        let address = match start {
            Start::Demo | Start::DemoWithFtp => {
                stdout.wait_line("ready");
                stdout.wait_line("native ").replace("native ", "")
            }
            Start::Config => in_brackets(&stderr.wait_line("serving on [")),
        };
        Self {
            address: address.parse().expect("an address with a port"),
            child,
            successor: None,
            stdout,
            stderr,
        }
    }
}

/// What ends a line and stands in brackets.
fn in_brackets(line: &str) -> String {
    let from = line.find('[').unwrap() + 1;
    line[from..].trim_end_matches(']').to_owned()
}

impl Running {
    fn end(&mut self) {
        self.end_tracer();
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.end_successor();
    }

    /// A tracer would keep a thread that it delays from ending.
    fn end_tracer(&self) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        let tracer = tracer.and_then(|number| number.trim().parse().ok());
        if let Some(tracer) = tracer.and_then(Pid::from_raw) {
            let _ = kill_process(tracer, Signal::KILL);
        }
    }
}

impl Drop for Running {
    /// Nobody may be left behind by a test that fails between two lines.
    fn drop(&mut self) {
        self.end();
        self.stdout.wait_end("the end of its output");
    }
}

/// Runs `skiffd` with these words to its end.
pub(crate) fn skiffd<W: AsRef<std::ffi::OsStr>>(words: &[W], input: &str) -> Output {
    use std::io::Write;
    let mut child = Command::new(binary("skiffd"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// `skiffd user` with the verb first, then `--config`, then the rest.
pub(crate) fn skiffd_user(settings: &Path, words: &[&str], input: &str) -> Output {
    let settings = settings.to_str().unwrap();
    let mut all = vec!["user", words[0], "--config", settings];
    all.extend(&words[1..]);
    skiffd(&all, input)
}

/// A built program of this workspace, built now if it is not there yet.
pub(crate) fn binary(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    let deps = std::env::current_exe().unwrap();
    let folder = deps.ancestors().nth(2).unwrap();
    let program = folder.join(name);
    if !program.exists() {
        BUILT.call_once(|| build(folder.parent().unwrap()));
    }
    program
}

fn build(target: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--bins", "-p", "skiffd", "-p", "skiff"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "skiffd and skiff cannot be built");
}

/// The fewest rounds allowed: it is the server that is tested, not the machine's patience.
/// No FTP, unless the keys say where.
pub(crate) fn write_settings(folder: &Path, keys: &str) {
    let ftp = match keys.contains("ftp: (") {
        true => "",
        false => "ftp: (listen: []),",
    };
    let text = format!("(\n    scram_iterations: 10000,\n    {ftp}\n    {keys}\n)\n");
    std::fs::write(folder.join("server.ron"), text).unwrap();
}

/// What lets a plain user look into /proc/PID of a daemon: within its walls that is root's.
pub(crate) fn watched_keys() -> &'static str {
    match geteuid().is_root() {
        true => "",
        false => "walls: Off,",
    }
}

fn speech_of(settings: &str) -> Speech {
    let said = |line: &str| !line.trim().starts_with("//") && line.contains("tls: Off");
    match settings.lines().any(said) {
        true => Speech::Plain,
        false => Speech::Tls,
    }
}

/// Tries until `attempt` has something: for what the daemon comes to in its own time.
#[track_caller]
pub(crate) fn until<T>(awaited: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "{awaited} never comes");
        // Between two tries, not instead of one.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes that look like nothing, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// SplitMix64: enough to choose by, and the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
