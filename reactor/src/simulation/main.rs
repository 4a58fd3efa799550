//! `simulation [--seed N] [--steps N] [--log]`: runs simulated worlds until one goes wrong or the
//! steps are done. What went wrong names its seed, which shows it again.

use std::process::ExitCode;

use pico_args::Arguments;

fn main() -> ExitCode {
    match run() {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let mut words = Arguments::from_env();
    let said = |error: pico_args::Error| error.to_string();
    let seed = words.opt_value_from_str("--seed").map_err(said)?;
    let steps = words.opt_value_from_str("--steps").map_err(said)?;
    if words.contains("--log") {
        skiffd::simulation::log_to_stderr();
    }
    match words.finish().first() {
        Some(word) => Err(format!("what is {}?", word.display())),
        None => skiffd::simulation::run(seed.unwrap_or(1), steps.unwrap_or(100_000)),
    }
}
