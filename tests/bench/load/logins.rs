//! Logins, one after the other or many at once: connect, log in, leave.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use skiff_sessions::scram::{Binding, ClientLogin};

use crate::args::{Account, Args};
use crate::ftp::Session;
use crate::stream::Stream;
use crate::{LoadError, Result, gate, roundtrips, tls};

/// `count=` FTP logins, of one user or, with `numbered=1`, each of a user of its own.
pub(crate) fn ftp(args: &Args) -> Result<()> {
    let account = args.account()?;
    let numbered = args.number_or("numbered", 0)? != 0;
    repeat(args, |turn| match numbered {
        true => Session::login(&account.numbered(turn))?.quit(),
        false => Session::login(&account)?.quit(),
    })
}

/// `count=` logins in the native dialect (SCRAM-SHA-256-PLUS over TLS 1.3).
pub(crate) fn native(args: &Args) -> Result<()> {
    let account = args.account()?;
    repeat(args, |turn| Native::login(&account, turn)?.quit())
}

/// `count=` FTP logins at once, each of a user of its own; with `again=1` each was let in before.
pub(crate) fn ftp_at_once(args: &Args) -> Result<()> {
    at_once(args, |account, _| Session::admitted(account), Session::quit)
}

/// The same in the native dialect.
pub(crate) fn native_at_once(args: &Args) -> Result<()> {
    at_once(args, Native::login, Native::quit)
}

/// Tells how long each took from its first packet until it was let in.
fn at_once<T: Send>(
    args: &Args,
    login: impl Fn(&Account, u64) -> Result<T> + Sync,
    quit: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    let (account, count) = (args.account()?, args.number("count")?);
    let accounts: Vec<_> = (0..count).map(|turn| account.numbered(turn)).collect();
    if args.number_or("again", 0)? != 0 {
        for account in &accounts {
            quit(login(account, count)?)?;
        }
    }
    gate::ready()?;
    let (begin, start) = (Instant::now(), Barrier::new(accounts.len()));
    let (login, start) = (&login, &start);
    let admitted = thread::scope(|scope| {
        let threads = (0..count).zip(&accounts).map(|(turn, account)| {
            scope.spawn(move || {
                start.wait();
                let asked = Instant::now();
                let session = login(account, turn)?;
                Ok((asked.elapsed(), session))
            })
        });
        let threads: Vec<_> = threads.collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|result| result.unwrap_or(Err(LoadError::Panicked)))
            .collect::<Result<Vec<(Duration, T)>>>()
    })?;
    let elapsed = begin.elapsed();
    let (times, sessions): (Vec<_>, Vec<_>) = admitted.into_iter().unzip();
    roundtrips::report(elapsed, times)?;
    sessions.into_iter().try_for_each(quit)
}

fn repeat(args: &Args, login: impl Fn(u64) -> Result<()>) -> Result<()> {
    let count: u64 = args.number("count")?;
    // What a server prepares at its first login (a cache, a hash) is not what is asked here.
    login(0)?;
    gate::ready()?;
    let begin = Instant::now();
    (1..=count).try_for_each(login)?;
    gate::result(&[
        ("count", count as f64),
        ("seconds", begin.elapsed().as_secs_f64()),
    ])
}

/// A session in the native dialect, logged in.
pub(crate) struct Native(BufReader<Stream>);

impl Native {
    /// USER and PASS as PROTOCOL.md has them; `turn` makes the nonce one of its own.
    pub(crate) fn login(account: &Account, turn: u64) -> Result<Self> {
        let socket = TcpStream::connect(account.address)?;
        socket.set_nodelay(true)?;
        let stream = tls::connect(socket, &tls::client(Some(tls::NATIVE))?)?;
        let binding = Binding::TlsExporter(stream.exporter()?);
        let mut session = Self(BufReader::with_capacity(1024, stream));
        let nonce = format!("{}x{turn}", std::process::id());
        let (login, first) = ClientLogin::new(&account.user, &nonce, binding)?;
        let challenge = session.prove("USER", &first, 331)?;
        let (signature, last) = login.answer(&challenge, &account.password)?;
        let proof = session.prove("PASS", &last, 230)?;
        signature.check(&proof)?;
        Ok(session)
    }

    /// Sends a line and demands that code.
    pub(crate) fn ask(&mut self, line: &str, wanted: u16) -> Result<String> {
        let stream = self.0.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        let answer = answer.trim_end().to_owned();
        match answer.starts_with(&wanted.to_string()) {
            true => Ok(answer),
            false => Err(refused(line, answer, wanted)),
        }
    }

    fn quit(mut self) -> Result<()> {
        self.ask("220", 221)?;
        let stream = self.0.get_mut();
        // A server that hangs up at once has said all that there was to say.
        let _ = stream.end().and_then(|()| stream.drain());
        Ok(())
    }

    /// One SCRAM message and what the server says to it.
    fn prove(&mut self, verb: &str, message: &[u8], wanted: u16) -> Result<Vec<u8>> {
        let line = format!("{verb} scram={}", Base64::encode_string(message));
        let answer = self.ask(&line, wanted)?;
        let token = answer
            .split(' ')
            .find_map(|word| word.strip_prefix("scram="));
        let decoded = token.and_then(|token| Base64::decode_vec(token).ok());
        decoded.ok_or_else(|| refused(verb, answer, wanted))
    }
}

fn refused(asked: &str, answer: String, wanted: u16) -> LoadError {
    LoadError::Refused {
        asked: asked.to_owned(),
        answer,
        wanted,
    }
}
