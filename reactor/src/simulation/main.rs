//! `simulation [--seed N] [--steps N]`: runs simulated worlds until one goes wrong or the steps are
//! done. What went wrong names its seed, which shows it again.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = pico_args::Arguments::from_env();
    let seed = words.value_from_str("--seed").unwrap_or(1);
    let steps = words.value_from_str("--steps").unwrap_or(100_000);
    if words.contains("--log") {
        skiffd::simulation::log_to_stderr();
    }
    match skiffd::simulation::run(seed, steps) {
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
