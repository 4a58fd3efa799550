//! The load generator of the benchmark: one subcommand is one measurement, told on one line.
//!
//!     bench-load VERB KEY=VALUE...
//!
//! A measurement says `ready` when its sessions stand, begins at a line on standard input, says
//! `result KEY=VALUE...`, and cleans up after another line: so whoever reads CPU clocks knows when.
//! The end of standard input counts as both lines.

mod args;
mod bulk;
mod crowd;
mod ftp;
mod gate;
mod idle;
mod limits;
mod listing;
mod logins;
mod mixed;
mod null;
mod roundtrips;
mod small;
mod stream;
mod tls;

use std::io;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use args::Args;

/// Why a measurement cannot be made.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("{0}")]
    Usage(String),
    #[error("{asked} was answered {answer:?}, not {wanted}")]
    Refused {
        asked: String,
        answer: String,
        wanted: u16,
    },
    #[error("{what}: {got} instead of {wanted}")]
    Wrong {
        what: &'static str,
        got: u64,
        wanted: u64,
    },
    #[error("{0} is no answer to EPSV or PASV")]
    Passive(String),
    #[error("a thread of the load panicked")]
    Panicked,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error("the certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Scram(#[from] skiff_sessions::scram::ScramError),
}

type Result<T> = std::result::Result<T, LoadError>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    raise_descriptors();
    let args = Args::parse(std::env::args().skip(1))?;
    match args.verb() {
        "retr" => bulk::retr(&args),
        "stor" => bulk::stor(&args),
        "small-up" => small::up(&args),
        "small-down" => small::down(&args),
        "roundtrip" => roundtrips::roundtrip(&args),
        "latency" => roundtrips::latency(&args),
        "login" => logins::ftp(&args),
        "login-native" => logins::native(&args),
        "mixed" => mixed::mixed(&args),
        "at-once" => logins::ftp_at_once(&args),
        "at-once-native" => logins::native_at_once(&args),
        "crowd" => crowd::crowd(&args),
        "list" => listing::list(&args),
        "idle" => idle::ftp(&args),
        "idle-native" => idle::native(&args),
        "null" => null::serve(&args),
        "identity" => tls::write_identity(&args.path("dir")?),
        "loopback" => limits::loopback(&args),
        "sendfile" => limits::sendfile(&args),
        "copy" => limits::copy(&args),
        "aes" => limits::aes(&args),
        "digest" => limits::digest(&args),
        "fsync" => limits::fsync(&args),
        verb => Err(LoadError::Usage(format!("{verb:?} is no measurement"))),
    }
}

/// Ten thousand sessions need as many descriptors; what the hard limit forbids shows itself later.
fn raise_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    let _ = setrlimit(Resource::Nofile, wanted);
}
