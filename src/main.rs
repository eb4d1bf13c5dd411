//! The program: reads the command line, the configuration and the identity, then runs the loop.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use rand::TryRngCore;

use thingway::cli::{self, Args, Command, Parsed};
use thingway::config::{Config, EndpointKind};
use thingway::endpoint::FailureKind;
use thingway::error::Fatal;
use thingway::gateway::Gateway;
use thingway::gateway::source::Exit;
use thingway::io::event_loop::EventLoop;
use thingway::io::identity::StateError;
use thingway::io::{addresses, identity, log as logging, ports as io_ports, tty};
use thingway::ports;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            let _nobody_reads = writeln!(io::stderr(), "{fatal}");
            fatal.exit_code()
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Fatal> {
    let args = match Args::parse(arguments)? {
        Parsed::Run(args) => args,
        Parsed::Print(text) => return print(&text),
    };
    if args.version {
        return print(concat!("thingway ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    match &args.command {
        Some(Command::Check(check)) => {
            let path = check.config.as_ref().or(args.config.as_ref());
            let path = path.ok_or_else(|| cli::usage("check: --config FILE is needed"))?;
            read_config(path)?;
            print(&format!("{path}: good\n"))
        }
        Some(Command::Fingerprint(_)) => {
            let identity = identity::load(clock()).map_err(state_error)?;
            print(&format!("{}\n", identity.fingerprint()))
        }
        Some(Command::Ports(ports)) => print(&list_ports(ports.json)?),
        None => serve(&args),
    }
}

fn list_ports(json: bool) -> Result<String, Fatal> {
    let listed = io_ports::list(Path::new("/"));
    let listed = listed.map_err(|error| Fatal::Failed(error.to_string()))?;
    if !json {
        return Ok(ports::table(&listed));
    }
    let json = serde_json::to_string_pretty(&listed);
    let json = json.map_err(|error| Fatal::Failed(error.to_string()))?;
    Ok(json + "\n")
}

fn serve(args: &Args) -> Result<(), Fatal> {
    let level = args.log_level()?;
    let listen = args.listen()?;
    let mut config = match &args.config {
        Some(path) => read_config(path)?,
        None => Config::default(),
    };
    if let Some(addr) = listen {
        config.http.listen = vec![addr];
    }
    logging::start(level);
    log::info!("thingway {}", env!("CARGO_PKG_VERSION"));
    check_permissions(&config)?;
    let identity = identity::load(clock()).map_err(state_error)?;
    log::info!("fingerprint {}", identity.fingerprint());
    let mut seed = [0; 32];
    let seeded = rand::rngs::OsRng.try_fill_bytes(&mut seed);
    seeded.map_err(|error| Fatal::Failed(format!("no random numbers: {error}")))?;
    let gateway = Gateway::new(clock(), config, identity, addresses::host_names(), seed);
    let exit = EventLoop::new(gateway).and_then(EventLoop::run);
    match exit {
        Ok(Exit::Done) => Ok(()),
        Ok(Exit::Failed(why)) if why.kind == FailureKind::Denied => {
            Err(Fatal::Permission(why.detail))
        }
        Ok(Exit::Failed(why)) => Err(Fatal::Failed(why.detail)),
        Err(error) => Err(Fatal::Failed(format!("the event loop: {error}"))),
    }
}

/// A line that is there and denied is a mistake in the set-up, and at start somebody is looking.
fn check_permissions(config: &Config) -> Result<(), Fatal> {
    for endpoint in &config.endpoints {
        if let EndpointKind::Serial { path, .. } = &endpoint.kind
            && let Some(why) = tty::denied_to_us(path)
        {
            return Err(Fatal::Permission(format!(
                "endpoint {}: {why}",
                endpoint.name
            )));
        }
    }
    Ok(())
}

fn read_config(path: &str) -> Result<Config, Fatal> {
    let text = if path == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| {
        let text = format!("{path}: {error}");
        if error.kind() == io::ErrorKind::PermissionDenied {
            Fatal::Permission(text)
        } else {
            Fatal::Config(text)
        }
    })?;
    Config::parse(&text).map_err(|faults| {
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| format!("{path}:{fault}"))
            .collect();
        Fatal::Config(lines.join("\n"))
    })
}

fn state_error(error: StateError) -> Fatal {
    if error.is_denied() {
        Fatal::Permission(error.to_string())
    } else {
        Fatal::Failed(error.to_string())
    }
}

fn print(text: &str) -> Result<(), Fatal> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| Fatal::Failed(format!("standard output: {error}")))
}

#[expect(clippy::disallowed_methods, reason = "time enters here, at start")]
fn clock() -> Instant {
    Instant::now()
}
