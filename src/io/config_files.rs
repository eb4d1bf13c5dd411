//! The files from which the configuration is read and to which the API writes.

use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{addresses, control_socket, plain};
use crate::config::{Config, ConfigPlace, ConfigSources, File, OwnPlaces, endpoint_file};
use crate::error::Fatal;

/// The configuration files of one daemon.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigFiles {
    /// The argument of `--config`; `-` is standard input.
    main: Option<String>,
    /// The argument of `--listen`, which overrides everything else.
    listen: Option<SocketAddr>,
    /// The addresses at which the service manager listens for this daemon.
    passed_on: Vec<SocketAddr>,
    /// The text of standard input, which cannot be read twice.
    stdin: Option<String>,
}

impl ConfigFiles {
    /// Returns the files that the command line names.
    pub(crate) fn new(main: Option<String>, listen: Option<SocketAddr>) -> Self {
        Self {
            main,
            listen,
            passed_on: Vec::new(),
            stdin: None,
        }
    }

    /// Adds listening addresses to those of the configuration.
    pub(crate) fn also_listen(&mut self, addresses: Vec<SocketAddr>) {
        self.passed_on = addresses;
    }

    /// Reads everything anew: the main file, `conf.d/*.toml` beside it, the environment, the command line.
    /// The error has one line for each fault.
    pub(crate) fn load(&mut self) -> Result<Config, Fatal> {
        let mut sources = ConfigSources {
            files: Vec::new(),
            environment: environment(),
        };
        if let Some(main) = self.main.clone() {
            let text = self.read_main(&main)?;
            sources.files.push(File { name: main, text });
        }
        if let Some(folder) = self.folder() {
            for path in drop_ins(&folder)? {
                let name = path.display().to_string();
                let text = fs::read_to_string(&path).map_err(|error| unreadable(&name, &error))?;
                sources.files.push(File { name, text });
            }
        }
        let mut config = sources
            .read()
            .map_err(|faults| Fatal::Config(faults.join("\n")))?;
        if let Some(addr) = self.listen {
            config.http.listen = vec![addr];
        }
        let listen = &mut config.http.listen;
        let new = self.passed_on.iter().filter(|addr| !listen.contains(addr));
        let new: Vec<_> = new.copied().collect();
        listen.extend(new);
        check_own(&config)?;
        Ok(config)
    }

    fn read_main(&mut self, main: &str) -> Result<String, Fatal> {
        if main != "-" {
            return fs::read_to_string(main).map_err(|error| unreadable(main, &error));
        }
        if let Some(text) = &self.stdin {
            return Ok(text.clone());
        }
        let mut text = String::new();
        let read = io::stdin().read_to_string(&mut text);
        read.map_err(|error| unreadable("standard input", &error))?;
        self.stdin = Some(text.clone());
        Ok(text)
    }

    /// Returns `conf.d` beside the main file.
    fn folder(&self) -> Option<PathBuf> {
        let main = self.main.as_ref().filter(|main| *main != "-")?;
        let parent = Path::new(main).parent()?;
        Some(parent.join("conf.d"))
    }

    /// Reads an endpoint's file and returns the endpoint as JSON, with the names of the file.
    pub(super) fn read_endpoint(&self, name: &str) -> Result<serde_json::Value, String> {
        let Some(folder) = self.folder() else {
            return Err("there is no configuration file".to_owned());
        };
        let path = folder.with_file_name(endpoint_file(name));
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{}: {}", path.display(), plain(&error)))?;
        crate::config::endpoint_json(&text, name)
            .ok_or_else(|| format!("{} holds more than this endpoint", path.display()))
    }

    /// Writes (or, without a text, removes) an endpoint's file, so that a power cut leaves either the whole
    /// file or none.
    pub(super) fn write_endpoint(
        &self,
        name: &str,
        text: Option<&str>,
        replace: bool,
    ) -> Result<(), String> {
        let Some(folder) = self.folder() else {
            return Err("there is no configuration file to write beside".to_owned());
        };
        let path = folder.with_file_name(endpoint_file(name));
        let said = |error: io::Error| format!("{}: {}", path.display(), plain(&error));
        match fs::read_to_string(&path) {
            Ok(before) if !crate::config::holds_only(&before, name) => {
                let path = path.display();
                return Err(format!(
                    "{path} holds more than this endpoint: change it there"
                ));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(said(error)),
            Ok(_) | Err(_) => {}
        }
        let Some(text) = text else {
            return fs::remove_file(&path).map_err(said);
        };
        if !replace && path.exists() {
            let path = path.display();
            return Err(format!("{path} is there already, and has not been read"));
        }
        fs::create_dir_all(&folder).map_err(said)?;
        // The name does not end in .toml, so that a file left by a crash is not read as configuration.
        let new = folder.join(format!(".{name}.new"));
        if let Err(error) = write_new(&new, text).and_then(|()| fs::rename(&new, &path)) {
            // Remove the file because other programs need the room on a full disk.
            let _not_there = fs::remove_file(&new);
            return Err(said(error));
        }
        let folder = fs::File::open(&folder).map_err(said)?;
        folder.sync_all().map_err(said)
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Returns the environment variables of this program, in the order of their names.
fn environment() -> Vec<(String, String)> {
    let mut ours: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let is_ours = name.starts_with("THINGWAY_");
            is_ours.then(|| (name, value.to_string_lossy().into_owned()))
        })
        .collect();
    ours.sort();
    ours
}

/// Returns the files `*.toml` of a folder, in the order of their names; none if the folder does not exist.
fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, Fatal> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&folder.display().to_string(), &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(&folder.display().to_string(), &error))?;
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !is_hidden && path.extension().is_some_and(|end| end == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Returns an error if an endpoint leads back into this daemon.
fn check_own(config: &Config) -> Result<(), Fatal> {
    let own = OwnPlaces {
        listeners: config.http.listen.clone(),
        addresses: addresses::list().unwrap_or_default(),
        control: control_socket::candidates(),
        ice: vec![config.ice.port],
    };
    let faults: Vec<String> = (config.endpoints.iter())
        .filter_map(|endpoint| {
            let fault = own.fault(&endpoint.kind)?;
            let place = match &endpoint.place {
                ConfigPlace::File { file, line } => format!("{file}:{line}: "),
                ConfigPlace::BuiltIn | ConfigPlace::Found => String::new(),
            };
            Some(format!("{place}endpoint {:?}: {fault}", endpoint.name))
        })
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Fatal::Config(faults.join("\n")))
}

fn unreadable(name: &str, error: &io::Error) -> Fatal {
    let text = format!("{name}: {}", plain(error));
    if error.kind() == io::ErrorKind::PermissionDenied {
        Fatal::Permission(text)
    } else {
        Fatal::Config(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_one_endpoint_are_replaced_or_removed() {
        let base = std::env::temp_dir().join(format!("thingway-files-{}", std::process::id()));
        fs::create_dir_all(base.join("conf.d")).expect("a folder");
        let main = base.join("config.toml").display().to_string();
        let files = ConfigFiles::new(Some(main), None);
        let path = base.join(endpoint_file("arm"));
        let endpoint = |name: &str| format!("[[endpoint]]\nname = \"{name}\"\nkind = \"echo\"\n");
        let both = format!("{}{}", endpoint("arm"), endpoint("leg"));

        fs::write(&path, &both).expect("written");
        for (text, replace) in [(Some("x"), true), (Some("x"), false), (None, true)] {
            let fault = files
                .write_endpoint("arm", text, replace)
                .expect_err("refused");
            assert!(fault.contains("holds more than this endpoint"), "{fault}");
        }
        assert_eq!(fs::read_to_string(&path).expect("still there"), both);

        fs::write(&path, endpoint("arm")).expect("written");
        let fault = files
            .write_endpoint("arm", Some("x"), false)
            .expect_err("refused");
        assert!(fault.contains("is there already"), "{fault}");
        assert_eq!(
            fs::read_to_string(&path).expect("still there"),
            endpoint("arm")
        );
        files
            .write_endpoint("arm", Some("# new\n"), true)
            .expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("there"), "# new\n");
        let there = fs::read_dir(base.join("conf.d")).expect("a folder").count();
        assert_eq!(there, 1, "nothing is left beside it");
        fs::remove_dir_all(&base).expect("removed");
    }
}
