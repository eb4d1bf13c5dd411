//! Tokens, shares and tickets, over HTTP.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use super::Front;
use super::event::TokenEnd;
use crate::access::scope::{Grant, Scope, TokenLimits};
use crate::access::tries::Guess;
use crate::access::{NotMade, TokenEntry, UnixTime, Wanted, tickets};
use crate::api::problem::Problem;
use crate::http::Response;
use crate::ids::RequestId;
use crate::sources::Context;
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

impl Front {
    /// Returns the entry of a grant's token.
    pub(crate) fn token_of(&self, grant: &Grant) -> Option<&TokenEntry> {
        let holder = grant.token.as_ref()?;
        let mut entries = self.access.tokens();
        entries.find(|entry| entry.id == holder.id)
    }

    /// Returns the names and addresses at which other machines reach this one, names first.
    pub(crate) fn outside_hosts(&self) -> Vec<String> {
        let names = self.names.own.iter();
        let names = names.chain(&self.names.hosts);
        let names = names.map(|name| name.trim_matches(['[', ']']).to_owned());
        let addresses = self.names.addresses.iter();
        let addresses = addresses.filter(|address| is_reachable(**address));
        names
            .chain(addresses.map(|address| address.to_string()))
            .collect()
    }

    /// Returns the answer to `GET /tokens`.
    pub(crate) fn tokens_json(&self) -> Value {
        let shares = self.access.shares().map(|share| {
            json!({"name": share.name, "id": share.id, "expires": share.expires.map(rfc3339)})
        });
        json!({
            "tokens": self.access.tokens().map(token_json).collect::<Vec<_>>(),
            "shares": shares.collect::<Vec<_>>(),
        })
    }

    /// Handles `POST /tokens`. The response is sent when the token is stored.
    pub(super) fn post_token(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        body: &[u8],
    ) -> Result<(), Problem> {
        let wanted = parse_token(body)?;
        let (name, expires) = (wanted.name.clone(), wanted.lifetime.is_some());
        let (time, random) = (cx.unix_time(), &mut self.random);
        let made = self.access.add(time, wanted, random);
        let secret = made.map_err(|why| not_made(&why))?;
        log::info!("token {name} was made");
        let body = json!({"name": name, "id": secret.id, "token": secret.reveal()});
        let response = self.doubt_expiry(cx, expires, created(&body));
        self.store(cx, request, response);
        Ok(())
    }

    /// Handles `POST /shares`. The response is sent when the share is stored.
    pub(super) fn post_share(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        body: &[u8],
    ) -> Result<(), Problem> {
        let wanted = parse_token(body)?;
        let name = wanted.name.clone();
        let (time, random) = (cx.unix_time(), &mut self.random);
        let made = self.access.share(time, wanted, random);
        let secret = made.map_err(|why| not_made(&why))?;
        let expires = self.access.shares().find(|share| share.id == secret.id);
        let expires = expires.and_then(|share| share.expires).map(rfc3339);
        log::info!("share {name} was made");
        let body = json!({"name": name, "share": secret.reveal(), "expires": expires});
        let response = self.doubt_expiry(cx, true, created(&body));
        self.store(cx, request, response);
        Ok(())
    }

    /// Handles `POST /shares/redeem`. The response is sent when the token is stored.
    pub(super) fn redeem_share(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        body: &[u8],
    ) -> Result<(), Problem> {
        let Some(remote) = self.connections.remote_of(request) else {
            return Ok(());
        };
        let body: RedeemBody =
            json::from_body(body).map_err(|error| Problem::new(400, &plain(&error)).at("body"))?;
        let (time, random) = (cx.unix_time(), &mut self.random);
        // Redeem before the check of tries: a valid code cannot be guessed, so other clients' failures at
        // this address must not block it.
        let Some((secret, token)) = self.access.redeem(time, &body.share, random) else {
            if let Err(wait) = self.access.tries.check(cx.now, remote, Guess::Token) {
                return Err(super::authorize::too_many_tries(wait));
            }
            self.note_failed_try(cx, remote);
            let detail = "this link has been used, has expired, or never was: ask for another";
            return Err(Problem::new(404, detail).kind("share-unknown").at("share"));
        };
        log::info!("share {} was used from {remote}", token.name);
        let body = json!({
            "name": token.name,
            "token": secret.reveal(),
            "expires": token.expires.map(rfc3339),
        });
        self.store(cx, request, created(&body));
        Ok(())
    }

    /// Handles `DELETE /tokens/{name}`. Everything that uses the token ends.
    pub(super) fn delete_token(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        name: &str,
    ) -> Result<(), Problem> {
        let id = self.access.revoke(name);
        let id = id.ok_or_else(|| Problem::new(404, "no token has this name").at("path"))?;
        log::info!("token {name} was revoked");
        self.end_token(cx, id, TokenEnd::Revoked);
        self.store(cx, request, Response::new(200));
        Ok(())
    }

    /// Handles `POST /tickets`.
    pub(crate) fn post_ticket(
        &mut self,
        cx: &Context<'_>,
        request: RequestId,
        grant: Grant,
    ) -> Result<Response, Problem> {
        let remote = self
            .connections
            .remote_of(request)
            .ok_or_else(nothing_here)?;
        let random = &mut self.random;
        let ticket = self.access.tickets.issue(cx.now, grant, remote, random);
        let ticket = ticket.ok_or_else(|| {
            Problem::new(503, "too many tickets wait to be used").header("Retry-After", "30")
        })?;
        let body = json!({"ticket": ticket, "expires_in_s": tickets::LIFETIME.as_secs()});
        Ok(created(&body))
    }
}

/// Returns whether a browser on another machine can use an address. A link-local IPv6 address needs a zone,
/// which no browser accepts (RFC 4291 §2.5.6).
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

fn token_json(token: &TokenEntry) -> Value {
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

/// Returns where a body is wrong, without quoting the body, which may contain a secret.
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

/// Returns a time in the format of RFC 3339, in UTC and whole seconds.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    // A clock beyond year 9999 is wrong anyway.
    let time = UNIX_EPOCH + Duration::from_secs(time.min(253_402_300_799));
    humantime::format_rfc3339_seconds(time).to_string()
}

pub(super) fn nothing_here() -> Problem {
    Problem::new(404, "there is nothing at this path").at("path")
}
