//! `skiffd --demo`: prepares and runs a server to try, on loopback, without any set-up.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use pico_args::Arguments;
use skiff_conf::{Account, ByteQuota, Server, UserName, UserStore};

use super::arguments::take_rest;
use super::failure::{Failure, tell};
use super::{init, user};
use crate::accounts::folder::make_folder;
use crate::daemon::{self, ListenAddresses};
use crate::endpoints::StartedAs;

const PASSWORD: &str = "123";

/// The demo's users, and their quotas where they differ from the default.
const USERS: [(&str, Option<ByteQuota>); 3] = [
    ("tom", Some(ByteQuota::new(800_000_000))),
    ("jerry", None),
    ("sam", None),
];

const SETTINGS: &str = "\
// The demo's settings. `skiffd --demo` makes what is missing in this folder, and
// keeps what is there. For a real server: `skiffd init DIR`, whose server.ron
// explains every key.
(
    // This machine only: everybody knows the demo's passwords.
    native: (listen: [\"127.0.0.1:8001\"]),

    // FTP may go without TLS here, because nothing leaves this machine.
    ftp: (listen: [\"127.0.0.1:2121\"], tls: Optional),

    // The fewest allowed, so that the demo starts at once even on slow machines. A
    // real server keeps the default, which makes stolen verifiers hard to guess.
    scram_iterations: 10000,
)
";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    folder: PathBuf,
    /// Instead of what the settings say.
    native: Option<SocketAddr>,
    /// Instead of what the settings say.
    ftp: Option<Ftp>,
}

/// The value of `--ftp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ftp {
    Off,
    Listen(SocketAddr),
}

/// Parses what follows `--demo`.
pub(crate) fn parse(mut words: Arguments) -> Result<Options, Failure> {
    let native = words.opt_value_from_fn("--native", parse_native)?;
    let ftp = words.opt_value_from_fn("--ftp", parse_ftp)?;
    let folder = take_rest(words, 1)?.pop();
    Ok(Options {
        folder: folder.map_or_else(|| PathBuf::from("skiff-demo"), PathBuf::from),
        native,
        ftp,
    })
}

/// Serves until SIGTERM, SIGINT or the end of its terminal (SIGHUP).
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let config = prepare(options)?;
    let homes = config.homes.clone();
    let started_as = match ignores_hangup() {
        true => StartedAs::DetachedDemo,
        false => StartedAs::Demo,
    };
    daemon::run(config, started_as, |bound| announce(bound, &homes))?;
    Ok(())
}

/// Whether the program was started with SIGHUP ignored (proc_pid_status(5), SigIgn).
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0)
}

fn parse_native(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "--native takes IP:PORT such as 127.0.0.1:8002")
}

fn parse_ftp(text: &str) -> Result<Ftp, &'static str> {
    match text {
        "off" => Ok(Ftp::Off),
        _ => text
            .parse()
            .map(Ftp::Listen)
            .map_err(|_| "--ftp takes off, or IP:PORT such as 127.0.0.1:2122"),
    }
}

/// Makes what is missing in the demo's folder, and changes nothing else.
fn prepare(options: &Options) -> Result<Server, Failure> {
    let settings = options.folder.join(init::SETTINGS);
    init::make_folders(&options.folder)?;
    init::write_new(&settings, SETTINGS)?;
    let mut config = Server::load(&settings)?;
    options.override_addresses(&mut config);
    require_usable_addresses(&config)?;
    init::lay_out(&config)?;
    if config.users.symlink_metadata().is_err() {
        add_users(&config)?;
    }
    for (name, account) in UserStore::load(&config.users)?.iter() {
        make_folder(&config.home(name, account), config.dir_mode.bits())?;
    }
    Ok(config)
}

impl Options {
    fn override_addresses(&self, config: &mut Server) {
        if let Some(address) = self.native {
            config.native.listen = vec![address];
        }
        if let Some(ftp) = self.ftp {
            config.ftp.implicit = Vec::new();
            config.ftp.listen = match ftp {
                Ftp::Off => Vec::new(),
                Ftp::Listen(address) => vec![address],
            };
        }
    }
}

fn require_usable_addresses(config: &Server) -> Result<(), Failure> {
    let native = config.native.listen.iter().map(|door| ("--native", door));
    let ftp = config.ftp.listen.iter().chain(&config.ftp.implicit);
    for (option, &address) in native.chain(ftp.map(|door| ("--ftp", door))) {
        require_loopback(option, address)?;
        require_free(option, address)?;
    }
    Ok(())
}

fn add_users(config: &Server) -> Result<(), Failure> {
    let mut accounts = Vec::with_capacity(USERS.len());
    for (name, quota) in USERS {
        let name: UserName = name.parse().map_err(user::bad_name)?;
        let verifier = user::verifier(PASSWORD, config.scram_iterations)?;
        let account = Account {
            quota,
            ..Account::new(verifier)
        };
        accounts.push((name, account));
    }
    UserStore::edit(&config.users, |store| {
        for (name, account) in accounts {
            store.add(name, account)?;
        }
        Ok(())
    })
}

fn require_loopback(option: &str, address: SocketAddr) -> Result<(), Failure> {
    match address.ip().to_canonical().is_loopback() {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "{address} can be reached from outside, and everybody knows the demo's passwords: \
             choose one on 127.0.0.1 with {option}, or make a real server with skiffd init DIR"
        ))),
    }
}

/// The daemon would fail as well, but its error does not name the demo's options.
fn require_free(option: &str, address: SocketAddr) -> Result<(), Failure> {
    let Err(error) = TcpListener::bind(address) else {
        return Ok(());
    };
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => format!("{address} is taken by another program"),
        _ => format!("cannot listen on {address}: {error}"),
    };
    Err(Failure::Failed(format!(
        "{why}; choose another address with {option}, such as {option} 127.0.0.1:0 for any \
         free port"
    )))
}

/// Prints the addresses, then `ready`, which programs that start a demo wait for.
fn announce(bound: &ListenAddresses, homes: &Path) {
    let mut lines = Vec::new();
    for address in &bound.native {
        lines.push(format!("native {address}"));
    }
    for address in &bound.ftp {
        lines.push(format!("ftp {address}"));
    }
    if let Some(address) = bound.native.first() {
        lines.push(format!("connect with: skiff tom@{address}"));
    }
    if let Some(address) = bound.ftp.first() {
        lines.push(format!(
            "or any ftp client: curl --ssl -k -u tom:{PASSWORD} ftp://{address}/"
        ));
    }
    lines.push(format!("users: tom, jerry and sam; password {PASSWORD}"));
    lines.push(format!("their files: {}", homes.display()));
    lines.push("ready".to_owned());
    // A demo whose output nobody reads serves all the same.
    let _ = tell(lines.join("\n"));
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::MetadataExt;

    use skiff_conf::{FtpTls, Iterations};

    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        let words = line.split_whitespace().map(OsString::from).collect();
        parse(Arguments::from_vec(words)).map_err(|failure| failure.to_string())
    }

    fn prepared(folder: &Path) -> Server {
        let options = Options {
            folder: folder.to_owned(),
            native: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            ftp: Some(Ftp::Off),
        };
        prepare(&options).unwrap()
    }

    #[test]
    fn arguments() {
        let plain = parsed("").unwrap();
        assert_eq!(plain.folder, Path::new("skiff-demo"));
        assert_eq!((plain.native, plain.ftp), (None, None));
        let full = parsed("--native 127.0.0.1:0 --ftp off there").unwrap();
        assert_eq!(full.folder, Path::new("there"));
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!((full.native, full.ftp), (Some(free), Some(Ftp::Off)));
        let ftp = parsed("--ftp 127.0.0.1:0").unwrap().ftp;
        assert_eq!(ftp, Some(Ftp::Listen(free)));
        for (line, said) in [
            ("--native nowhere", "--native takes IP:PORT"),
            ("--ftp on", "--ftp takes off, or IP:PORT"),
            ("--port 1", "unknown argument \"--port\""),
            ("a b", "unknown argument \"b\""),
        ] {
            let message = parsed(line).unwrap_err();
            assert!(message.contains(said), "{line:?}: {message}");
        }
    }

    #[test]
    fn the_three_of_the_demo_are_there() {
        let place = tempfile::tempdir().unwrap();
        let config = prepared(&place.path().join("demo"));
        let users = UserStore::load(&config.users).unwrap();
        let mut quotas = Vec::new();
        for (name, account) in users.iter() {
            assert!(config.home(name, account).is_dir(), "{name}");
            assert_eq!(account.scram.as_ref().unwrap().iterations, Iterations::MIN);
            let allowed = config.allowance(name, account).bytes.to_string();
            quotas.push((name.as_str(), allowed));
        }
        let expected = [("jerry", "400MB"), ("sam", "400MB"), ("tom", "800MB")];
        assert_eq!(
            quotas,
            expected.map(|(name, quota)| (name, quota.to_owned()))
        );
        assert_eq!(config.users.metadata().unwrap().mode() & 0o7777, 0o600);
        let written = Server::load(&config.file).unwrap();
        let usual = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(written.native.listen, [usual(8001)]);
        assert_eq!(written.ftp.listen, [usual(2121)]);
        assert_eq!(written.ftp.tls, FtpTls::Optional);
        assert!(!config.ftp.is_on());
    }

    #[test]
    fn an_address_on_the_command_line_is_the_only_one() {
        let text = "(ftp: (listen: [\"127.0.0.1:1\"], implicit: [\"127.0.0.1:2\"]))";
        let settings = Server::parse(text, Path::new("/server.ron")).unwrap();
        let overridden = |line: &str| {
            let mut config = settings.clone();
            parsed(line).unwrap().override_addresses(&mut config);
            config
        };
        assert_eq!(overridden(""), settings);
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let chosen = overridden("--native 127.0.0.1:0 --ftp 127.0.0.1:0");
        assert_eq!(
            (chosen.native.listen, chosen.ftp.listen),
            (vec![free], vec![free])
        );
        assert!(chosen.ftp.implicit.is_empty());
        assert!(!overridden("--ftp off").ftp.is_on());
    }

    #[test]
    fn what_is_there_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let config = prepared(place.path());
        let before = std::fs::read(&config.users).unwrap();
        let edited = SETTINGS.replace("10000", "20000");
        std::fs::write(&config.file, edited).unwrap();
        std::fs::remove_dir(config.homes.join("sam")).unwrap();

        let again = prepared(place.path());
        assert_eq!(again.scram_iterations.get(), 20_000);
        assert_eq!(std::fs::read(&again.users).unwrap(), before);
        assert!(again.homes.join("sam").is_dir());
    }

    #[test]
    fn only_this_machine_is_served() {
        for inside in ["127.0.0.1:0", "127.1.2.3:8001", "[::1]:0"] {
            assert!(
                require_loopback("--native", inside.parse().unwrap()).is_ok(),
                "{inside}"
            );
        }
        for outside in ["0.0.0.0:0", "[::]:8001", "192.0.2.1:8001"] {
            assert!(
                require_loopback("--ftp", outside.parse().unwrap()).is_err(),
                "{outside}"
            );
        }
    }

    #[test]
    fn a_taken_port_is_named_with_the_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = Server::parse("()", Path::new("/server.ron")).unwrap();
        for (native, ftp, option) in [(address, free, "--native "), (free, address, "--ftp ")] {
            config.native.listen = vec![native];
            config.ftp.listen = vec![ftp];
            let message = require_usable_addresses(&config).unwrap_err().to_string();
            assert!(message.contains(&address.to_string()), "{message}");
            assert!(message.contains(option), "{message}");
        }
    }
}
