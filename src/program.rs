//! The program: reads the command line, the configuration and the identity, then runs the loop.

use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rand::TryRngCore;
use serde_json::Value;

use crate::cli::access::{Token, TokenCommand};
use crate::cli::invitation::{self, Reachability};
use crate::cli::{self, Args, Command, Parsed};
use crate::config::{Config, EndpointKind};
use crate::endpoint::FailureKind;
use crate::error::Fatal;
use crate::gateway::Gateway;
use crate::io::config_files::ConfigFiles;
use crate::io::event_loop::EventLoop;
use crate::io::identity::StateError;
use crate::io::systemd::{self, Inherited};
use crate::io::{
    access_file, addresses, control_socket, identity, limits, log as logging, ports as io_ports,
    tls_files, tty,
};
use crate::sources::Exit;
use crate::{ports, report, selftest};

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
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
            check_config(path)
        }
        Some(Command::Fingerprint(wanted)) if wanted.own => {
            let identity = identity::load(clock()).map_err(state_error)?;
            print(&format!("{}\n", identity.fingerprint()))
        }
        Some(Command::Fingerprint(wanted)) => {
            let socket = wanted.socket.as_deref().map(Path::new);
            let answer = control_socket::get(socket, "/access").map_err(Fatal::Failed)?;
            let access = parse(&answer.body)?;
            print(&report::fingerprints(&answer.socket, &access))
        }
        Some(Command::Selftest(_)) => match selftest::run(&mut io::stdout()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Fatal::Failed("the self-test failed".to_owned())),
            Err(error) => Err(Fatal::Failed(format!("standard output: {error}"))),
        },
        Some(Command::Status(status)) => {
            let socket = status.socket.as_deref();
            let (endpoints, sessions) = (ask(socket, "/endpoints")?, ask(socket, "/sessions")?);
            let (endpoints, sessions) =
                (report::endpoints(&endpoints), report::sessions(&sessions));
            print(&format!("{endpoints}\n{sessions}"))
        }
        Some(Command::Sessions(list)) => {
            let answer = ask(list.socket.as_deref(), "/sessions")?;
            print(&list_or_json(list.json, &answer, report::sessions))
        }
        Some(Command::Endpoints(list)) => {
            let answer = ask(list.socket.as_deref(), "/endpoints")?;
            print(&list_or_json(list.json, &answer, report::endpoints))
        }
        Some(Command::Setup(setup)) if setup.off => {
            send(setup.socket.as_deref(), "DELETE", "/setup", &Value::Null)?;
            print("The port is closed. The addresses of http.listen stay open.\n")
        }
        Some(Command::Setup(setup)) => {
            let body = setup.body()?;
            let answer = send(setup.socket.as_deref(), "POST", "/setup", &body)?;
            let place = Reachability::new(&answer, &own_addresses()?, is_terminal());
            print(&invitation::setup_text(&answer, &place))
        }
        Some(Command::Token(token)) => run_token(token),
        Some(Command::Completions(completions)) => print(&completions.script()?),
        Some(Command::Ports(ports)) => print(&list_ports(ports.json)?),
        None => serve(&args),
    }
}

fn run_token(token: &Token) -> Result<(), Fatal> {
    let socket = token.socket.as_deref();
    match &token.command {
        TokenCommand::Add(add) => {
            let answer = send(socket, "POST", "/tokens", &add.body()?)?;
            let token = answer.get("token").and_then(Value::as_str);
            let token = token.unwrap_or_default();
            print(&format!("{token}\n"))?;
            // A program that reads the token expects no other output.
            if is_terminal() {
                let place = Reachability::new(&ask(socket, "/access")?, &own_addresses()?, true);
                print(&invitation::token_text(token, &place))?;
            }
            Ok(())
        }
        TokenCommand::Share(share) => {
            let answer = send(socket, "POST", "/shares", &share.body()?)?;
            let place =
                Reachability::new(&ask(socket, "/access")?, &own_addresses()?, is_terminal());
            print(&invitation::share_text(&answer, &place))
        }
        TokenCommand::List(list) => {
            let answer = ask(socket, "/tokens")?;
            print(&list_or_json(list.json, &answer, report::tokens))
        }
        TokenCommand::Revoke(revoke) => {
            let named = crate::config::check_name(&revoke.name);
            named.map_err(|why| cli::usage(&format!("revoke: the name {why}")))?;
            let target = format!("/tokens/{}", revoke.name);
            send(socket, "DELETE", &target, &Value::Null)?;
            print(&format!(
                "{} is revoked; its sessions have ended\n",
                revoke.name
            ))
        }
    }
}

fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

fn own_addresses() -> Result<Vec<IpAddr>, Fatal> {
    addresses::list().map_err(|error| Fatal::Failed(format!("cannot list addresses: {error}")))
}

/// Sends a request to the running daemon and returns its answer, or null if it has none.
fn send(socket: Option<&str>, method: &str, target: &str, body: &Value) -> Result<Value, Fatal> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = control_socket::request(socket.map(Path::new), method, target, &body);
    let answer = answer.map_err(Fatal::Failed)?;
    let answer = report::cleaned(serde_json::from_str(&answer.body).unwrap_or_default());
    if let Some(warning) = answer.get("warning").and_then(Value::as_str) {
        let _nobody_reads = writeln!(io::stderr(), "warning: {warning}");
    }
    Ok(answer)
}

/// Fetches a resource of the running daemon.
fn ask(socket: Option<&str>, target: &str) -> Result<Value, Fatal> {
    let answer = control_socket::get(socket.map(Path::new), target).map_err(Fatal::Failed)?;
    parse(&answer.body)
}

fn parse(answer: &str) -> Result<Value, Fatal> {
    let answer = serde_json::from_str(answer);
    answer
        .map(report::cleaned)
        .map_err(|error| Fatal::Failed(error.to_string()))
}

fn list_or_json(json: bool, answer: &Value, list: fn(&Value) -> String) -> String {
    if json {
        format!("{answer:#}\n")
    } else {
        list(answer)
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

/// Checks a configuration, and prints its notes.
fn check_config(path: Option<&String>) -> Result<(), Fatal> {
    let path = path.ok_or_else(|| cli::usage("check: --config FILE is needed"))?;
    let config = ConfigFiles::new(Some(path.clone()), None).load()?;
    check_rest(path, &config)?;
    let notes = config.notes();
    let notes = notes.iter().map(|note| format!("{path}: note: {note}\n"));
    print(&format!("{}{path}: good\n", notes.collect::<String>()))
}

/// Checks what `check` reports and a start only warns about, because it may appear later.
fn check_rest(path: &str, config: &Config) -> Result<(), Fatal> {
    let tls = config.http.tls.as_ref().map(tls_files::check);
    let tls = tls
        .and_then(Result::err)
        .map(|why| format!("http.tls: {why}"));
    let faults = tls.into_iter().chain(config.absences());
    let faults: Vec<_> = faults.map(|fault| format!("{path}: {fault}")).collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Fatal::Config(faults.join("\n")))
}

fn serve(args: &Args) -> Result<(), Fatal> {
    let level = args.log_level()?;
    let listen = args.listen()?;
    logging::start(level);
    let inherited = Inherited::take();
    let mut files = ConfigFiles::new(args.config.clone(), listen);
    files.also_listen(inherited.addresses().collect());
    let config = files.load()?;
    if let Some(level) = config.log_level.filter(|_| args.log.is_none()) {
        logging::change(level);
    }
    log::info!("thingway {}", env!("CARGO_PKG_VERSION"));
    // At boot no operator reads errors, and a device's group may be set after the device appears.
    if !systemd::is_service() {
        check_permissions(&config)?;
    }
    let identity = identity::load_or_go_on(clock()).map_err(state_error)?;
    log::info!("fingerprint {}", identity.fingerprint());
    let descriptors = limits::raise_descriptors();
    let mut seed = [0; 32];
    let seeded = rand::rngs::OsRng.try_fill_bytes(&mut seed);
    seeded.map_err(|error| Fatal::Failed(format!("cannot get random numbers: {error}")))?;
    let mut access = access_file::load().map_err(state_error)?;
    let time = time_of_day();
    if !crate::access::is_clock_set(time) {
        log::warn!(
            "the clock is not set: expiring tokens are refused until it is set, except those made since the start"
        );
    }
    access_file::apply_boot_file(&mut access, &config.access.boot_file, time);
    for absence in config.absences() {
        log::warn!("{absence}");
    }
    let mut gateway = Gateway::new(clock(), config, identity, addresses::host_names(), seed);
    gateway.use_access(access);
    gateway.use_descriptors(descriptors);
    if let Some(path) = control_socket::own_path() {
        gateway.listen_control(path);
    }
    let exit = EventLoop::new(gateway, files, inherited).and_then(EventLoop::run);
    match exit {
        Ok(Exit::Done) => Ok(()),
        Ok(Exit::Failed(why)) if why.kind == FailureKind::Denied => {
            Err(Fatal::Permission(why.detail))
        }
        Ok(Exit::Failed(why)) => Err(Fatal::Failed(why.detail)),
        Err(error) => Err(Fatal::Failed(format!("the event loop: {error}"))),
    }
}

/// Returns an error if a serial line exists but may not be opened. The operator reads it at a
/// start by hand.
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

#[expect(clippy::disallowed_methods, reason = "time enters here, at start")]
fn time_of_day() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
