//! `thingway setup` and `thingway token`.

use std::net::{IpAddr, SocketAddr};

use argh::{ArgsInfo, FromArgs};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};

use super::usage;
use crate::error::Fatal;

/// Let the network in: listen there with TLS, make a token with every right, and print the address
/// to open, with a QR code. Each call makes one more token.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "setup")]
pub struct Setup {
    /// where to listen, instead of port 8443 of all addresses
    #[argh(option)]
    pub listen: Option<String>,
    /// let the network in no more; tokens stay
    #[argh(switch)]
    pub off: bool,
    /// the daemon's control socket, if not at its usual place
    #[argh(option)]
    pub socket: Option<String>,
}

/// Make, list, revoke and share tokens, which let in from beyond this machine.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "token")]
pub struct Token {
    /// the daemon's control socket, if not at its usual place
    #[argh(option)]
    pub socket: Option<String>,
    /// what to do
    #[argh(subcommand)]
    pub command: TokenCommand,
}

/// What to do with tokens.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub enum TokenCommand {
    /// `thingway token add`
    Add(Add),
    /// `thingway token list`
    List(List),
    /// `thingway token revoke`
    Revoke(Revoke),
    /// `thingway token share`
    Share(Share),
}

/// Make a token and print it: it is shown this once.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "add")]
pub struct Add {
    /// what to call it
    #[argh(positional)]
    pub name: String,
    /// endpoints it is for, with commas; "lab-*" is all that begin so (default: "*")
    #[argh(option)]
    pub endpoints: Option<String>,
    /// what it allows: read, write, line, with commas (default: read,write)
    #[argh(option)]
    pub verbs: Option<String>,
    /// everything: other sessions, tokens, endpoints, ports
    #[argh(switch)]
    pub admin: bool,
    /// how long it holds, as in 12h or 30days (default: for ever)
    #[argh(option)]
    pub expires: Option<String>,
    /// how many sessions it may have at once
    #[argh(option)]
    pub sessions: Option<u32>,
    /// how many messages per second its sessions may send together
    #[argh(option)]
    pub rate: Option<u32>,
}

/// Make a link that gives whoever opens it first a token of its own.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "share")]
pub struct Share {
    /// what to call the token
    #[argh(positional)]
    pub name: String,
    /// endpoints it is for, with commas; "lab-*" is all that begin so (default: "*")
    #[argh(option)]
    pub endpoints: Option<String>,
    /// what it allows: read, write, line, with commas (default: read,write)
    #[argh(option)]
    pub verbs: Option<String>,
    /// how long link and token hold, as in 2h (default: 24h)
    #[argh(option)]
    pub expires: Option<String>,
    /// how many sessions it may have at once
    #[argh(option)]
    pub sessions: Option<u32>,
}

/// List the tokens and the links that were not used.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
pub struct List {
    /// print JSON for programs
    #[argh(switch)]
    pub json: bool,
}

/// Take a token or a link back; its sessions end at once.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "revoke")]
pub struct Revoke {
    /// which
    #[argh(positional)]
    pub name: String,
}

impl Add {
    /// The body of the request.
    pub fn body(&self) -> Result<Value, Fatal> {
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
    /// The body of the request.
    pub fn body(&self) -> Result<Value, Fatal> {
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
    /// The body of the request.
    pub fn body(&self) -> Result<Value, Fatal> {
        let Some(text) = &self.listen else {
            return Ok(json!({}));
        };
        let addr = text.parse::<SocketAddr>().map_err(|_| {
            usage(&format!(
                "--listen: {text:?} is not an address like 0.0.0.0:8443"
            ))
        })?;
        Ok(json!({"listen": addr}))
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
            "--verbs: {bad:?} is none of read, write, line"
        )));
    }
    Ok(json!([{"endpoints": endpoints, "verbs": verbs}]))
}

fn add_lifetime(body: &mut Value, expires: Option<&str>) -> Result<(), Fatal> {
    if let Some(text) = expires {
        let lifetime = humantime::parse_duration(text)
            .map_err(|error| usage(&format!("--expires: {text:?}: {error}")))?;
        set(body, "expires_in_s", lifetime.as_secs().into());
    }
    Ok(())
}

/// What `thingway setup` prints. `addresses`: this machine's.
pub fn setup_text(answer: &Value, addresses: &[IpAddr]) -> String {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let port = answer
        .get("port")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let token = text("token");
    let hosts = hosts(answer, addresses);
    let url = |host: &str| format!("https://{host}:{port}/#token={token}");
    let mut all = String::from("Open one of these from another machine on the network:\n\n");
    for host in &hosts {
        all.push_str(&format!("  {}\n", url(host)));
    }
    if let Some(code) = hosts.first().and_then(|host| QrCode::new(url(host)).ok()) {
        let picture = code
            .render::<Dense1x2>()
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark)
            .build();
        all.push_str(&format!("\n{picture}\n"));
    }
    let (name, fingerprint) = (text("name"), text("fingerprint"));
    all.push_str(&format!(
        "\nThe browser will warn, because this machine signed its certificate itself. Go on only if\n\
         the warning shows this SHA-256 fingerprint:\n\n  {fingerprint}\n\n\
         Whoever has the address can do everything here. It is shown this once; take it back with\n\
         thingway token revoke {name}\n"
    ));
    all
}

/// An IPv4 address first: phones do not know `.local` names, and it makes the smallest code.
fn hosts(answer: &Value, addresses: &[IpAddr]) -> Vec<String> {
    let v4 = addresses.iter().filter(|a| a.is_ipv4() && !a.is_loopback());
    let names = answer.get("hosts").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let local = names.filter(|name| name.ends_with(".local"));
    v4.map(ToString::to_string)
        .chain(local.map(str::to_owned))
        .chain(["localhost".to_owned()])
        .collect()
}

/// What `thingway token share` prints.
pub fn share_text(answer: &Value, addresses: &[IpAddr], port: Option<u64>) -> String {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let (code, expires) = (text("share"), text("expires"));
    let mut all = String::from("Whoever opens this first gets a token of their own:\n\n");
    let port = port.map_or_else(|| "PORT".to_owned(), |port| port.to_string());
    for host in hosts(answer, addresses) {
        all.push_str(&format!("  https://{host}:{port}/#share={code}\n"));
    }
    all.push_str(&format!("\nIt works once, until {expires}.\n"));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_setup_prints_has_everything_to_come_in_with() {
        let answer = json!({
            "name": "owner", "token": "tw_0123_abc", "port": 8443, "fingerprint": "AB:CD",
            "hosts": ["board", "board.local"],
        });
        let addresses = ["127.0.0.1", "192.0.2.7", "2001:db8::1"].map(|a| a.parse().unwrap());
        let text = setup_text(&answer, &addresses);
        let first = text
            .find("https://192.0.2.7:8443/#token=tw_0123_abc")
            .expect("by address");
        let second = text
            .find("https://board.local:8443/#token=tw_0123_abc")
            .expect("by name");
        assert!(first < second && text.contains("AB:CD") && text.contains("revoke owner"));
        assert!(
            text.contains('\u{2580}') || text.contains('\u{2584}'),
            "a QR code"
        );
        assert!(!text.contains("https://127.0.0.1"));
    }

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
