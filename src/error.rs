//! How the process ends when it cannot go on; the exit codes are those of sysexits.h.

use std::fmt;
use std::process::ExitCode;

/// What stopped the process, with its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fatal {
    /// The command line makes no sense.
    Usage(String),
    /// The configuration is faulty.
    Config(String),
    /// Something that exists is denied to us.
    Permission(String),
    /// Anything else at run time.
    Failed(String),
}

impl Fatal {
    /// 2, 78 (`EX_CONFIG`), 77 (`EX_NOPERM`) or 1.
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
