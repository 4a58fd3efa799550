//! The `skiff` program; the library is what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    skiff::run(std::env::args_os().skip(1).collect()).into()
}
