//! The command line.

pub(crate) mod access;
pub(crate) mod invitation;

use std::net::SocketAddr;

use argh::{ArgsInfo, FromArgs};
use argh_complete::Generator;
use log::LevelFilter;

use crate::error::Fatal;

/// Brings serial lines, UDP and TCP programs to browsers over WebRTC DataChannels.
#[derive(Debug, FromArgs, ArgsInfo)]
pub(crate) struct Args {
    /// read the configuration from this file ("-": standard input)
    #[argh(option)]
    pub config: Option<String>,

    /// listen for HTTP at this address, in place of those of the configuration
    #[argh(option)]
    pub listen: Option<String>,

    /// log level: error, warn, info (default) or debug; trace in a debug build
    #[argh(option)]
    pub log: Option<String>,

    /// print the version and exit
    #[argh(switch)]
    pub version: bool,

    /// what to do instead of running the daemon
    #[argh(subcommand)]
    pub command: Option<Command>,
}

/// Commands that replace running the daemon.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub(crate) enum Command {
    /// `thingway check`
    Check(Check),
    /// `thingway fingerprint`
    Fingerprint(Fingerprint),
    /// `thingway ports`
    Ports(Ports),
    /// `thingway status`
    Status(Status),
    /// `thingway sessions`
    Sessions(ListSessions),
    /// `thingway endpoints`
    Endpoints(Endpoints),
    /// `thingway setup`
    Setup(access::Setup),
    /// `thingway token`
    Token(access::Token),
    /// `thingway completions`
    Completions(Completions),
    /// `thingway selftest`
    Selftest(Selftest),
}

/// Test the program on this machine: encryption, a session with itself, a serial line. For a new
/// board or a new build.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "selftest")]
pub(crate) struct Selftest {}

/// Print a completion script for a shell.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "completions")]
pub(crate) struct Completions {
    /// bash, zsh or fish
    #[argh(positional)]
    pub shell: String,
}

impl Completions {
    /// Returns the completion script for the shell.
    pub(crate) fn script(&self) -> Result<String, Fatal> {
        let generate = match self.shell.as_str() {
            "bash" => argh_complete::bash::Bash::generate,
            "zsh" => argh_complete::zsh::Zsh::generate,
            "fish" => argh_complete::fish::Fish::generate,
            other => {
                return Err(usage(&format!(
                    "completions: {other:?} is not one of bash, zsh, fish"
                )));
            }
        };
        Ok(generate("thingway", &Args::get_args_info()))
    }
}

/// Show the endpoints and the sessions of the running daemon.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "status")]
pub(crate) struct Status {
    /// the daemon's control socket, if it is not at the default path
    #[argh(option)]
    pub socket: Option<String>,
}

/// List the sessions of the running daemon.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "sessions")]
pub(crate) struct ListSessions {
    /// the daemon's control socket, if it is not at the default path
    #[argh(option)]
    pub socket: Option<String>,
    /// print JSON for programs
    #[argh(switch)]
    pub json: bool,
}

/// List the endpoints of the running daemon.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "endpoints")]
pub(crate) struct Endpoints {
    /// the daemon's control socket, if it is not at the default path
    #[argh(option)]
    pub socket: Option<String>,
    /// print JSON for programs
    #[argh(switch)]
    pub json: bool,
}

/// Check the configuration, print every fault as file:line: message, and exit.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "check")]
pub(crate) struct Check {
    /// the file to check
    #[argh(option)]
    pub config: Option<String>,
}

/// Print the fingerprints of the running daemon's certificates: DTLS (sessions) and TLS (pages).
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "fingerprint")]
pub(crate) struct Fingerprint {
    /// print that of this user's own DTLS certificate, and make the certificate if there is none
    #[argh(switch)]
    pub own: bool,
    /// the daemon's control socket, if it is not at the default path
    #[argh(option)]
    pub socket: Option<String>,
}

/// List the serial ports of this machine: what they are, what is wrong, and the lines for the
/// configuration.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "ports")]
pub(crate) struct Ports {
    /// print JSON for programs
    #[argh(switch)]
    pub json: bool,
}

/// The result of parsing the command line.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Run with these arguments.
    Run(Args),
    /// Print this help text and exit.
    Print(String),
}

impl Args {
    /// Parses the arguments after the program's name.
    pub(crate) fn parse(arguments: &[String]) -> Result<Parsed, Fatal> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match Self::from_args(&["thingway"], &arguments) {
            Ok(args) => Ok(Parsed::Run(args)),
            Err(exit) if exit.status.is_ok() => Ok(Parsed::Print(exit.output)),
            Err(exit) => Err(usage(exit.output.trim_end())),
        }
    }

    /// Returns the address of `--listen`, or an error if it is not one.
    pub(crate) fn listen(&self) -> Result<Option<SocketAddr>, Fatal> {
        let Some(text) = &self.listen else {
            return Ok(None);
        };
        let addr = text.parse::<SocketAddr>().map_err(|_| {
            usage(&format!(
                "--listen: {text:?} is not an address like 127.0.0.1:8000"
            ))
        })?;
        Ok(Some(addr))
    }

    /// Returns the level of `--log`, or an error if there is no such level.
    pub(crate) fn log_level(&self) -> Result<LevelFilter, Fatal> {
        let Some(text) = &self.log else {
            return Ok(LevelFilter::Info);
        };
        text.parse().map_err(|_| {
            usage(&format!(
                "--log: {text:?} is not one of error, warn, info, debug, trace, off"
            ))
        })
    }
}

/// Returns a usage error that points to the help.
pub(crate) fn usage(what: &str) -> Fatal {
    Fatal::Usage(format!("{what}\nRun thingway --help for more."))
}
