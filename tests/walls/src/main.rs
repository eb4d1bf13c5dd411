//! Checks the walls between the parts of thingway: `tests/check-walls [DIRECTORY]`.
//!
//! `source` reads the files, `names` finds what a name means, `calls` draws which file calls which, and `rules` has the limits.

mod calls;
mod circles;
mod names;
mod rules;
mod source;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "src".to_owned());
    let files = match source::read(Path::new(&directory)) {
        Ok(files) => files,
        Err(why) => {
            eprintln!("{directory}: {why}");
            return ExitCode::FAILURE;
        }
    };
    let faults = rules::faults(&files);
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() {
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}
