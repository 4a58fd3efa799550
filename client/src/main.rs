//! The `skiff` program: calls [`skiff::run`] and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    skiff::run(std::env::args_os().skip(1).collect()).into()
}
