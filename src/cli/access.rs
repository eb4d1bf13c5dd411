//! `thingway setup` and `thingway token`.

use std::net::SocketAddr;

use argh::{ArgsInfo, FromArgs};
use serde_json::{Value, json};

use super::usage;
use crate::error::Fatal;

/// Open the daemon to the network: listen with TLS, make a token with every right, and print the
/// address to open, with a QR code. Each call makes one more token.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "setup")]
pub(crate) struct Setup {
    /// the address to listen on, in place of port 8443 of all addresses
    #[argh(option)]
    pub listen: Option<String>,
    /// make a certificate authority for phones, limited to this machine's names and addresses
    #[argh(switch)]
    pub ca: bool,
    /// with --ca: another name or address of this machine; may be repeated
    #[argh(option)]
    pub host: Vec<String>,
    /// close the port to the network again; tokens stay
    #[argh(switch)]
    pub off: bool,
    /// the daemon's control socket, if it is not at the default path
    #[argh(option)]
    pub socket: Option<String>,
}

/// Make, list, revoke and share tokens, which clients beyond this machine need.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "token")]
pub(crate) struct Token {
    /// the daemon's control socket, if it is not at the default path
    #[argh(option)]
    pub socket: Option<String>,
    /// what to do
    #[argh(subcommand)]
    pub command: TokenCommand,
}

/// Commands for tokens.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub(crate) enum TokenCommand {
    /// `thingway token add`
    Add(Add),
    /// `thingway token list`
    List(List),
    /// `thingway token revoke`
    Revoke(Revoke),
    /// `thingway token share`
    Share(Share),
}

/// Make a token and print it. It is shown only this once.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "add")]
pub(crate) struct Add {
    /// name of the token
    #[argh(positional)]
    pub name: String,
    /// its endpoints, separated by commas; "lab-*": all that begin with lab- (default: "*")
    #[argh(option)]
    pub endpoints: Option<String>,
    /// its rights, separated by commas: read, write, line (default: read,write)
    #[argh(option)]
    pub verbs: Option<String>,
    /// every right: also for other sessions, tokens, endpoints, ports
    #[argh(switch)]
    pub admin: bool,
    /// how long it is valid, such as 12h or 30days (default: for ever)
    #[argh(option)]
    pub expires: Option<String>,
    /// how many sessions it may have at once
    #[argh(option)]
    pub sessions: Option<u32>,
    /// how many messages per second its sessions may send together
    #[argh(option)]
    pub rate: Option<u32>,
}

/// Make a link that gives a token to the first person who opens it.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "share")]
pub(crate) struct Share {
    /// name of the token
    #[argh(positional)]
    pub name: String,
    /// its endpoints, separated by commas; "lab-*": all that begin with lab- (default: "*")
    #[argh(option)]
    pub endpoints: Option<String>,
    /// its rights, separated by commas: read, write, line (default: read,write)
    #[argh(option)]
    pub verbs: Option<String>,
    /// how long link and token are valid, such as 2h (default: 24h)
    #[argh(option)]
    pub expires: Option<String>,
    /// how many sessions it may have at once
    #[argh(option)]
    pub sessions: Option<u32>,
}

/// List the tokens and the unused links.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
pub(crate) struct List {
    /// print JSON for programs
    #[argh(switch)]
    pub json: bool,
}

/// Revoke a token or an unused link. Its sessions end at once.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "revoke")]
pub(crate) struct Revoke {
    /// name of the token or link
    #[argh(positional)]
    pub name: String,
}

impl Add {
    /// Returns the body of the request.
    pub(crate) fn body(&self) -> Result<Value, Fatal> {
        let scopes = scopes(self.endpoints.as_deref(), self.verbs.as_deref())?;
        let mut body = json!({
            "name": self.name,
            "admin": self.admin,
            "limits": limits(self.sessions, self.rate),
        });
        if !self.admin {
            set(&mut body, "scopes", scopes);
        }
        add_lifetime(&mut body, self.expires.as_deref())?;
        Ok(body)
    }
}

impl Share {
    /// Returns the body of the request.
    pub(crate) fn body(&self) -> Result<Value, Fatal> {
        let mut body = json!({
            "name": self.name,
            "scopes": scopes(self.endpoints.as_deref(), self.verbs.as_deref())?,
            "limits": limits(self.sessions, None),
        });
        add_lifetime(&mut body, self.expires.as_deref())?;
        Ok(body)
    }
}

impl Setup {
    /// Returns the body of the request.
    pub(crate) fn body(&self) -> Result<Value, Fatal> {
        let mut body = json!({});
        if let Some(text) = &self.listen {
            let addr = text.parse::<SocketAddr>().map_err(|_| {
                usage(&format!(
                    "--listen: {text:?} is not an address like 0.0.0.0:8443"
                ))
            })?;
            set(&mut body, "listen", json!(addr));
        }
        if self.ca {
            set(&mut body, "authority", json!({"hosts": self.host}));
        } else if !self.host.is_empty() {
            return Err(usage("--host needs --ca"));
        }
        Ok(body)
    }
}

fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

fn limits(sessions: Option<u32>, rate: Option<u32>) -> Value {
    let mut limits = json!({});
    if let Some(sessions) = sessions {
        set(&mut limits, "sessions", sessions.into());
    }
    if let Some(rate) = rate {
        set(&mut limits, "messages_per_second", rate.into());
    }
    limits
}

fn scopes(endpoints: Option<&str>, verbs: Option<&str>) -> Result<Value, Fatal> {
    let list = |text: &str| -> Vec<String> {
        let parts = text.split(',').map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let endpoints = list(endpoints.unwrap_or("*"));
    let verbs = list(verbs.unwrap_or("read,write"));
    if let Some(bad) = verbs
        .iter()
        .find(|verb| !matches!(verb.as_str(), "read" | "write" | "line"))
    {
        return Err(usage(&format!(
            "--verbs: {bad:?} is not one of read, write, line"
        )));
    }
    Ok(json!([{"endpoints": endpoints, "verbs": verbs}]))
}

fn add_lifetime(body: &mut Value, expires: Option<&str>) -> Result<(), Fatal> {
    if let Some(text) = expires {
        let lifetime = humantime::parse_duration(text).map_err(|_| {
            usage(&format!(
                "--expires: {text:?} is not a duration; did you mean one like 12h, 1day or 30days?"
            ))
        })?;
        set(body, "expires_in_s", lifetime.as_secs().into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_lifetimes_are_checked_before_anybody_is_asked() {
        assert_eq!(
            scopes(Some("arm, lab-*"), Some("read")).unwrap(),
            json!([{"endpoints": ["arm", "lab-*"], "verbs": ["read"]}])
        );
        assert!(scopes(None, Some("read,own")).is_err());
        let mut body = json!({});
        add_lifetime(&mut body, Some("12h")).unwrap();
        assert_eq!(body, json!({"expires_in_s": 43_200}));
        assert!(add_lifetime(&mut body, Some("soon")).is_err());
    }
}
