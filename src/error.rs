//! The errors that end the process. The exit codes are those of sysexits.h.

use std::fmt;
use std::process::ExitCode;

/// The error that ended the process, with its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fatal {
    /// The command line is not valid.
    Usage(String),
    /// The configuration is faulty.
    Config(String),
    /// The process has no permission for something that exists.
    Permission(String),
    /// Any other failure at run time.
    Failed(String),
}

impl Fatal {
    /// Returns the exit code: 2, 78 (`EX_CONFIG`), 77 (`EX_NOPERM`) or 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Config(_) => 78,
            Self::Permission(_) => 77,
            Self::Failed(_) => 1,
        })
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text)
            | Self::Config(text)
            | Self::Permission(text)
            | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Fatal {}
