//! The talk with whoever reads the clocks: ready, go, result, end.

use std::fmt::Write;
use std::io::{BufRead, stdin};

use crate::Result;

/// Says `ready` and waits for the word to begin.
pub(crate) fn ready() -> Result<()> {
    println!("ready");
    wait()
}

/// Says what was measured and waits for the word to clean up.
pub(crate) fn result(values: &[(&str, f64)]) -> Result<()> {
    tell(values);
    wait()
}

/// Says what was measured.
pub(crate) fn tell(values: &[(&str, f64)]) {
    let mut line = "result".to_owned();
    for (key, value) in values {
        // Writing to a String never fails.
        let _ = write!(line, " {key}={value:.9}");
    }
    println!("{line}");
}

fn wait() -> Result<()> {
    stdin().lock().read_line(&mut String::new())?;
    Ok(())
}
