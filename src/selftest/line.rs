//! A test whether a tty accepts the speeds that are set. An emulator or an old kernel may not know the system
//! calls.

use std::path::PathBuf;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::Outcome;
use crate::endpoint::line::{LineSettings, LineStep};
use crate::io::tty::Tty;

/// The tested speeds: one of the old table, and two that only newer kernels know.
const SPEEDS: [u32; 3] = [115_200, 250_000, 3_000_000];

/// Sets the speeds at a pseudo terminal and reads them back.
pub(super) fn speeds() -> Outcome {
    let said = |error: rustix::io::Errno| error.to_string();
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let device = openpt(flags).map_err(said)?;
    grantpt(&device).map_err(said)?;
    unlockpt(&device).map_err(said)?;
    let name = ptsname(&device, Vec::new()).map_err(said)?;
    let path = PathBuf::from(name.to_string_lossy().into_owned());
    let mut settings = LineSettings::at(9600);
    settings.exclusive = false;
    let tty = Tty::open(&path, &settings).map_err(|failure| failure.detail)?;
    for speed in SPEEDS {
        let status = tty.step(LineStep::Baud(speed));
        let status = status.map_err(|fault| format!("{speed} baud: {fault}"))?;
        if status.baud != speed {
            return Err(format!("{speed} baud were set, it has {}", status.baud));
        }
    }
    Ok("takes 115200, 250000 and 3000000 baud".to_owned())
}
