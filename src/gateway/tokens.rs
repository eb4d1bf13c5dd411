//! Tokens, shares and the set-up, over HTTP.

use std::net::IpAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use super::Gateway;
use super::access::Reach;
use super::source::{Command, Source};
use crate::access::scope::{Grant, Scope, TokenLimits};
use crate::access::tries::Guess;
use crate::access::{Entry, NotMade, UnixTime, Wanted, tickets};
use crate::api::Resource;
use crate::api::origin::Caller;
use crate::api::problem::Problem;
use crate::http::Response;
use crate::ids::SourceId;
use crate::util::json;

/// The body of `POST /tokens` and `POST /shares`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    name: String,
    #[serde(default)]
    scopes: Vec<Scope>,
    #[serde(default)]
    admin: bool,
    expires_in_s: Option<u64>,
    #[serde(default)]
    limits: TokenLimits,
}

/// The body of `POST /shares/redeem`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedeemBody {
    share: String,
}

impl Gateway {
    /// `GET /access`: what the caller may do, and with which gateway it speaks. Administrators are also
    /// told under which names and addresses others reach the gateway, to make links of.
    pub(super) fn access_json(&mut self, source: SourceId, grant: &Grant) -> Value {
        if grant.admin {
            // For the next time: an address may have come.
            self.commands.push_back(Command::ListAddresses);
        }
        let reach = match self.sources.get(source) {
            Some(Source::Http(http)) => http.reach,
            _ => Reach::Loopback,
        };
        let holder = grant.token.as_ref();
        let mut entries = self.access.tokens();
        let entry = holder.and_then(|holder| entries.find(|entry| entry.id == holder.id));
        json!({
            "token": holder.map(|holder| &holder.name),
            "loopback": matches!(reach, Reach::Loopback | Reach::ControlSocket),
            "tls": self.guards.contains_key(&source),
            "port": self.lan_port(),
            "admin": grant.admin,
            "scopes": grant.scopes,
            "expires": entry.and_then(|entry| entry.expires).map(rfc3339),
            "fingerprints": {
                "dtls": self.identity.fingerprint(),
                "tls": self.tls.as_ref().map(|tls| &tls.fingerprint),
            },
            "configure": grant.admin && self.configured.configure,
            "hosts": grant.admin.then(|| self.outside_hosts()),
        })
    }

    /// Names and addresses of this machine that another machine may use, names first.
    pub(super) fn outside_hosts(&self) -> Vec<String> {
        let names = self.configured.own_names.iter();
        let names = names.chain(&self.configured.hosts);
        let names = names.map(|name| name.trim_matches(['[', ']']).to_owned());
        let addresses = self.rendezvous.addresses();
        let addresses = addresses.filter(|address| is_reachable(*address));
        names
            .chain(addresses.map(|address| address.to_string()))
            .collect()
    }

    /// The port of the first listener that the network reaches.
    fn lan_port(&self) -> Option<u16> {
        let listeners = self.sources.iter().filter_map(|(_, source)| match source {
            Source::Listener { local, .. } => *local,
            Source::ControlSocket
            | Source::Http(_)
            | Source::WebSocket(_)
            | Source::Device(_)
            | Source::DeviceListener(_)
            | Source::Capture(_)
            | Source::Ice => None,
        });
        let mut beyond = listeners.filter(|local| !local.ip().is_loopback());
        beyond.next().map(|local| local.port())
    }

    pub(super) fn tokens_json(&self) -> Value {
        let shares = self.access.shares().map(|share| {
            json!({"name": share.name, "id": share.id, "expires": share.expires.map(rfc3339)})
        });
        json!({
            "tokens": self.access.tokens().map(token_json).collect::<Vec<_>>(),
            "shares": shares.collect::<Vec<_>>(),
        })
    }

    /// `POST /tokens`. `None`: the answer comes when it is stored.
    pub(super) fn post_token(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        body: &[u8],
    ) -> Result<(), Problem> {
        let wanted = parse_token(body)?;
        let (name, expires) = (wanted.name.clone(), wanted.lifetime.is_some());
        let (time, random) = (self.unix_time(), &mut self.random);
        let made = self.access.add(time, wanted, random);
        let secret = made.map_err(|why| not_made(&why))?;
        log::info!("token {name} was made");
        let body = json!({"name": name, "id": secret.id, "token": secret.reveal()});
        let response = self.doubt_expiry(expires, created(&body));
        self.store_access(now, source, caller, response);
        Ok(())
    }

    /// `POST /shares`
    pub(super) fn post_share(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        body: &[u8],
    ) -> Result<(), Problem> {
        let wanted = parse_token(body)?;
        let name = wanted.name.clone();
        let (time, random) = (self.unix_time(), &mut self.random);
        let made = self.access.share(time, wanted, random);
        let secret = made.map_err(|why| not_made(&why))?;
        let expires = self.access.shares().find(|share| share.id == secret.id);
        let expires = expires.and_then(|share| share.expires).map(rfc3339);
        log::info!("share {name} was made");
        let body = json!({"name": name, "share": secret.reveal(), "expires": expires});
        let response = self.doubt_expiry(true, created(&body));
        self.store_access(now, source, caller, response);
        Ok(())
    }

    /// `POST /shares/redeem`
    pub(super) fn redeem_share(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        body: &[u8],
    ) -> Result<(), Problem> {
        let remote = match self.sources.get(source) {
            Some(Source::Http(http)) => http.remote.ip(),
            _ => return Ok(()),
        };
        let body: RedeemBody =
            json::from_body(body).map_err(|error| Problem::new(400, &plain(&error)).at("body"))?;
        let (time, random) = (self.unix_time(), &mut self.random);
        // A good code is taken whatever others at this address have tried: it cannot be guessed.
        let Some((secret, token)) = self.access.redeem(time, &body.share, random) else {
            if let Err(wait) = self.access.tries.check(now, remote, Guess::Token) {
                return Err(super::access::too_many_tries(wait));
            }
            self.note_failed_try(now, remote, Guess::Token);
            let detail = "this link has been used, has expired, or never was: ask for another";
            return Err(Problem::new(404, detail).kind("share-unknown").at("share"));
        };
        log::info!("share {} was used from {remote}", token.name);
        let body = json!({
            "name": token.name,
            "token": secret.reveal(),
            "expires": token.expires.map(rfc3339),
        });
        self.store_access(now, source, caller, created(&body));
        Ok(())
    }

    /// `DELETE /tokens/{name}`: its sessions end, too.
    pub(super) fn delete_token(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        name: &str,
    ) -> Result<(), Problem> {
        let id = self.access.revoke(name);
        let id = id.ok_or_else(|| Problem::new(404, "no token has this name").at("path"))?;
        log::info!("token {name} was revoked");
        self.end_token(now, &id, "token-revoked");
        self.store_access(now, source, caller, Response::new(200));
        Ok(())
    }

    /// `POST /tickets`
    pub(super) fn post_ticket(
        &mut self,
        now: Instant,
        source: SourceId,
        grant: Grant,
    ) -> Result<Response, Problem> {
        let remote = match self.sources.get(source) {
            Some(Source::Http(http)) => http.remote.ip(),
            _ => return Err(Problem::new(404, "there is nothing at this path").at("path")),
        };
        let random = &mut self.random;
        let ticket = self.access.tickets.issue(now, grant, remote, random);
        let ticket = ticket.ok_or_else(|| {
            Problem::new(503, "too many tickets wait to be used").header("Retry-After", "30")
        })?;
        let body = json!({"ticket": ticket, "expires_in_s": tickets::LIFETIME.as_secs()});
        Ok(created(&body))
    }

    /// What a POST without an endpoint changes. `Ok`: it is answered elsewhere.
    pub(super) fn change_access(
        &mut self,
        now: Instant,
        source: SourceId,
        resource: &Resource,
        caller: &Caller,
        body: &[u8],
    ) -> Result<(), Problem> {
        if *resource == Resource::Tokens {
            self.post_token(now, source, caller, body)
        } else if *resource == Resource::Shares {
            self.post_share(now, source, caller, body)
        } else if *resource == Resource::Redeem {
            self.redeem_share(now, source, caller, body)
        } else if *resource == Resource::Setup {
            self.post_setup(now, source, caller, body)
        } else {
            Err(Problem::new(404, "there is nothing at this path").at("path"))
        }
    }
}

/// Whether another machine can write this address into a browser: link-local ones of IPv6 need a zone
/// there, which no browser takes (RFC 4291 §2.5.6).
fn is_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

pub(super) fn not_made(why: &NotMade) -> Problem {
    let status = match why {
        NotMade::Malformed(_) => 422,
        NotMade::Conflict(_) => 409,
    };
    Problem::new(status, &why.to_string()).at("body")
}

fn token_json(token: &Entry) -> Value {
    json!({
        "name": token.name,
        "id": token.id,
        "admin": token.admin,
        "scopes": token.scopes,
        "limits": token.limits,
        "created": rfc3339(token.created),
        "expires": token.expires.map(rfc3339),
        "last_used": token.last_used.map(rfc3339),
    })
}

fn parse_token(body: &[u8]) -> Result<Wanted, Problem> {
    let body: TokenBody =
        json::from_body(body).map_err(|error| Problem::new(400, &plain(&error)).at("body"))?;
    Ok(Wanted {
        name: body.name,
        scopes: body.scopes,
        admin: body.admin,
        lifetime: body.expires_in_s,
        limits: body.limits,
    })
}

/// The place, without what was there: it may be a secret.
pub(super) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let field = text.starts_with("unknown field") || text.starts_with("missing field");
    if field {
        text
    } else {
        format!(
            "not what is expected at line {} column {}",
            error.line(),
            error.column()
        )
    }
}

pub(super) fn created(body: &Value) -> Response {
    Response::new(201)
        .header("Cache-Control", "no-store")
        .body("application/json", body.to_string().into_bytes())
}

/// RFC 3339, in UTC and whole seconds.
pub(super) fn rfc3339(time: UnixTime) -> String {
    // A clock beyond year 9999 is wrong anyway.
    let time = UNIX_EPOCH + Duration::from_secs(time.min(253_402_300_799));
    humantime::format_rfc3339_seconds(time).to_string()
}
