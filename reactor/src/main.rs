//! `skiffd`: the library is the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    skiffd::cli::run()
}
