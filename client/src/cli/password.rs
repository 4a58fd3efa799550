//! Gets the password that nobody has to type: from standard input, a file, or a command.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::error::ProgramError;
use super::settings::{Password, Settings};
use crate::terminal::input::StandardInput;
use crate::terminal::interrupt::Interrupt;

/// The longest password that is read, in bytes.
const PASSWORD_MAX: u64 = 4096;

/// Returns the password of `user`; `None` where it has to be typed.
pub(super) fn given(
    settings: &Settings,
    user: &str,
    interrupt: &Interrupt,
) -> Result<Option<Zeroizing<String>>, ProgramError> {
    match settings.password_of(user) {
        Password::Typed => Ok(None),
        Password::Stdin => read_standard_input(interrupt).map(Some),
        Password::File(path) => Ok(Some(skiff_conf::read_password(path)?)),
        Password::Command(command) => run(command, interrupt).map(Some),
    }
}

/// Reads one line of standard input, and not a byte behind it: commands may follow.
fn read_standard_input(interrupt: &Interrupt) -> Result<Zeroizing<String>, ProgramError> {
    let failed = |cause| ProgramError::Io {
        what: "standard input".into(),
        cause,
    };
    let mut input = StandardInput::new(interrupt);
    let mut line = Zeroizing::new(Vec::with_capacity(PASSWORD_MAX as usize));
    let mut byte = Zeroizing::new([0]);
    while (line.len() as u64) < PASSWORD_MAX
        && input.read(&mut *byte).map_err(failed)? == 1
        && byte[0] != b'\n'
    {
        line.push(byte[0]);
    }
    if interrupt.is_stopped() {
        return Err(ProgramError::Interrupted);
    }
    into_password(line).map_err(failed)
}

/// Runs `password_command` in the shell; the password is the first line that it prints.
fn run(command: &str, interrupt: &Interrupt) -> Result<Zeroizing<String>, ProgramError> {
    let failed = |cause| ProgramError::Io {
        what: format!("password_command {command:?}"),
        cause,
    };
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut line = Zeroizing::new(Vec::with_capacity(PASSWORD_MAX as usize));
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output).take(PASSWORD_MAX);
        output.read_until(b'\n', &mut line).map_err(failed)?;
        // What follows is not read; the command must not wait for that.
        io::copy(output.get_mut(), &mut io::sink()).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    if interrupt.is_stopped() {
        return Err(ProgramError::Interrupted);
    }
    if !status.success() {
        return Err(failed(io::Error::other(status.to_string())));
    }
    let password = into_password(line).map_err(failed)?;
    match password.is_empty() {
        true => Err(failed(io::Error::other("it printed no password"))),
        false => Ok(password),
    }
}

/// Takes the line end off.
fn into_password(mut line: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    while matches!(line.last(), Some(b'\r' | b'\n')) {
        line.pop();
    }
    let text = String::from_utf8(std::mem::take(&mut *line));
    let text = text.map_err(|_| io::Error::other("the password is not UTF-8"))?;
    Ok(Zeroizing::new(text))
}
