//! Access control for clients on other machines: tokens, their rights, links that share them, and tickets for
//! clients that cannot send a header.
//!
//! Access control is a machine of its own: time goes in, answers come out. The state to be kept goes through
//! [`Access::to_text`] into a file of the state directory. That file contains only hashes, no secrets.

pub mod file;
pub mod locality;
pub mod places;
pub(crate) mod rates;
pub mod scope;
pub mod secret;
pub mod tickets;
pub mod tries;
pub mod visitors;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rand::RngCore;

use scope::{Grant, Holder, Scope, TokenLimits};
use secret::{SHARE, Secret, SecretHash, TOKEN};
use tickets::Tickets;
use tries::Tries;

/// A time in seconds since 1970, UTC.
pub type UnixTime = u64;

/// The most tokens and shares together: more than an operator can keep apart. Each costs a line of the file.
const MAX_ENTRIES: usize = 256;
/// How many revoked tokens are remembered, so that their holders learn why the tokens are refused.
const MAX_REVOKED: usize = 32;
/// The name and the id of the token whose secret is in a file on the boot partition.
pub const BOOT: &str = "boot";
/// The shortest secret that a person may choose.
const MIN_CHOSEN: usize = 20;
/// The address that opens the gateway to the network, unless the operator names another.
pub const LAN: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8443);
/// How long a share's link works unless the operator says otherwise.
const SHARE_LIFETIME: u64 = 24 * 3600;
/// How far the clock may be behind the time at which a token was made. A clock further behind is not set.
const CLOCK_SLACK: u64 = 24 * 3600;
/// The start of 2025, before any release of this program. A clock before this time is not set.
const CLOCK_IS_SET: UnixTime = 1_735_689_600;

/// Returns whether the clock can be right. Boards without a battery start in 1970.
pub fn is_clock_set(now: UnixTime) -> bool {
    now >= CLOCK_IS_SET
}

/// The access control of the daemon, with all tokens and shares.
#[derive(Debug, Default)]
pub struct Access {
    entries: Vec<TokenEntry>,
    /// The address that `thingway setup` has opened to the network, in addition to those of the
    /// configuration.
    pub lan: Option<SocketAddr>,
    /// The tickets, which replace a token where a client cannot send a header.
    pub tickets: Tickets,
    /// The failed tries of clients.
    pub tries: Tries,
}

/// A token, or a share that becomes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// The id, which is never used again.
    pub id: String,
    /// The name for people. No two valid tokens have the same name.
    pub name: String,
    /// Whether the entry is a token or a share.
    pub kind: Kind,
    hash: SecretHash,
    /// The rights that the entry grants.
    pub scopes: Vec<Scope>,
    /// Whether the entry grants every right.
    pub admin: bool,
    /// The limits of the token's sessions.
    pub limits: TokenLimits,
    /// When the entry was made.
    pub created: UnixTime,
    /// When the entry expires.
    pub expires: Option<UnixTime>,
    /// When the token was last used. This is not kept over a restart, to spare the card.
    pub last_used: Option<UnixTime>,
    revoked: bool,
}

/// The kind of an [`TokenEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A token, which admits its holder.
    Token,
    /// A share, which becomes a token once.
    Share,
}

/// The properties of a new token or share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The name.
    pub name: String,
    /// The rights.
    pub scopes: Vec<Scope>,
    /// Whether the token has every right.
    pub admin: bool,
    /// The lifetime in seconds.
    pub lifetime: Option<u64>,
    /// The limits of the token's sessions.
    pub limits: TokenLimits,
}

/// Why a client is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// The client has sent no token.
    Missing,
    /// No such token exists.
    Unknown,
    /// The token has expired.
    Expired,
    /// The token was revoked.
    Revoked,
    /// The token expires, and this machine's clock is not set.
    NoClock,
}

impl TokenRefusal {
    /// Returns one word, for `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Unknown => "token-unknown",
            Self::Expired => "token-expired",
            Self::Revoked => "token-revoked",
            Self::NoClock => "no-clock",
        }
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => {
                "a token is needed: Authorization: Bearer; `thingway token add` makes one"
            }
            Self::Unknown => "no such token exists; `thingway token list` shows those that do",
            Self::Expired => "the token has expired",
            Self::Revoked => "the token was revoked",
            Self::NoClock => {
                "the token expires and this machine's clock is not set: wait for the time, or come \
                 with a token that does not expire"
            }
        })
    }
}

/// Why a token or a share was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotMade {
    /// The request makes no sense.
    Malformed(String),
    /// The request conflicts with an existing token or share.
    Conflict(String),
}

impl fmt::Display for NotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) | Self::Conflict(why) => f.write_str(why),
        }
    }
}

impl Access {
    /// Returns whether no token exists that was not revoked.
    pub fn is_empty(&self) -> bool {
        self.tokens().next().is_none()
    }

    /// Returns the tokens that were not revoked.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenEntry> {
        let all = self.entries.iter();
        all.filter(|entry| entry.kind == Kind::Token && !entry.revoked)
    }

    /// Returns the shares whose links were not used.
    pub fn shares(&self) -> impl Iterator<Item = &TokenEntry> {
        self.entries
            .iter()
            .filter(|entry| entry.kind == Kind::Share)
    }

    /// Returns the rights of a token now.
    pub fn check(&mut self, now: UnixTime, text: &str) -> Result<Grant, TokenRefusal> {
        let (id, secret) = secret::parse(TOKEN, text).ok_or(TokenRefusal::Unknown)?;
        let found = self.entries.iter_mut().find(|entry| {
            // Only a client that has the secret learns why its token is refused.
            entry.kind == Kind::Token && entry.id == id && entry.hash.is_of(secret)
        });
        let entry = found.ok_or(TokenRefusal::Unknown)?;
        entry.holds(now)?;
        entry.last_used = Some(now);
        Ok(entry.grant())
    }

    /// Returns an error if the token of a grant is no longer valid. A grant without a token is always valid.
    pub fn still_holds(&self, now: UnixTime, grant: &Grant) -> Result<(), TokenRefusal> {
        let Some(holder) = &grant.token else {
            return Ok(());
        };
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| entry.kind == Kind::Token && entry.id == holder.id);
        entry.ok_or(TokenRefusal::Revoked)?.holds(now)
    }

    /// Makes a token. Only the returned value contains its text.
    pub fn add(
        &mut self,
        now: UnixTime,
        wanted: Wanted,
        random: &mut impl RngCore,
    ) -> Result<Secret, NotMade> {
        self.insert(now, wanted, Kind::Token, random)
    }

    /// Makes a share, whose link becomes a token once. Link and token have the same lifetime.
    pub fn share(
        &mut self,
        now: UnixTime,
        mut wanted: Wanted,
        random: &mut impl RngCore,
    ) -> Result<Secret, NotMade> {
        wanted.lifetime.get_or_insert(SHARE_LIFETIME);
        self.insert(now, wanted, Kind::Share, random)
    }

    /// Makes the token of a share, and uses up the share. Returns `None` if no such share exists (any more).
    pub fn redeem(
        &mut self,
        now: UnixTime,
        code: &str,
        random: &mut impl RngCore,
    ) -> Option<(Secret, TokenEntry)> {
        let (id, secret) = secret::parse(SHARE, code)?;
        let at = self.entries.iter().position(|entry| {
            entry.kind == Kind::Share && entry.id == id && entry.hash.is_of(secret)
        })?;
        // Check before removing, so that a try while the clock is not set does not use up the share.
        self.entries.get(at)?.holds(now).ok()?;
        let share = self.entries.remove(at);
        let secret = Secret::generate(TOKEN, random);
        let token = TokenEntry {
            id: secret.id.clone(),
            kind: Kind::Token,
            hash: secret.hash.clone(),
            created: now,
            ..share
        };
        self.entries.push(token.clone());
        Some((secret, token))
    }

    /// Revokes a token or a share, and returns its id, whose sessions must end. Returns `None` if none has
    /// this name.
    pub fn revoke(&mut self, name: &str) -> Option<String> {
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| entry.name == name && !entry.revoked)?;
        let id = entry.id.clone();
        entry.revoked = true;
        self.entries
            .retain(|entry| entry.kind == Kind::Token || !entry.revoked);
        self.forget_some_revoked();
        self.tickets.forget(&id);
        Some(id)
    }

    /// Removes shares that have expired, and returns the ids of tokens that have expired.
    pub fn expire(&mut self, now: UnixTime) -> Vec<String> {
        let is_over = |entry: &TokenEntry| entry.expires.is_some_and(|at| at <= now);
        self.entries
            .retain(|entry| entry.kind == Kind::Token || !is_over(entry));
        let over = self.entries.iter().filter(|entry| is_over(entry));
        let ids: Vec<_> = over.map(|entry| entry.id.clone()).collect();
        for id in &ids {
            self.tickets.forget(id);
        }
        ids
    }

    /// Handles a clock that was set and so jumped by this many seconds. Entries made before the jump keep
    /// their lifetimes. Returns whether an entry has changed.
    pub fn handle_clock_set(&mut self, by: u64) -> bool {
        let mut changed = false;
        for entry in &mut self.entries {
            if !is_clock_set(entry.created) {
                entry.created = entry.created.saturating_add(by);
                entry.expires = entry.expires.map(|at| at.saturating_add(by));
                entry.last_used = entry.last_used.map(|at| at.saturating_add(by));
                changed = true;
            }
        }
        changed
    }

    /// Ends the entries that an earlier process made while its clock was not set. How much of their lifetime
    /// has passed is not known, so they count as expired.
    fn end_what_has_no_time(&mut self) {
        let has_none = |entry: &TokenEntry| entry.expires.is_some() && !is_clock_set(entry.created);
        self.entries
            .retain(|entry| entry.kind == Kind::Token || !has_none(entry));
        for entry in &mut self.entries {
            if has_none(entry) {
                entry.expires = Some(0);
            }
        }
    }

    /// Returns the time of the next expiry.
    pub fn next_expiry(&self, now: UnixTime) -> Option<UnixTime> {
        let times = self.entries.iter().filter_map(|entry| entry.expires);
        times.filter(|at| *at > now).min()
    }

    fn insert(
        &mut self,
        now: UnixTime,
        wanted: Wanted,
        kind: Kind,
        random: &mut impl RngCore,
    ) -> Result<Secret, NotMade> {
        wanted.check().map_err(NotMade::Malformed)?;
        let name = &wanted.name;
        if name == BOOT {
            return Err(NotMade::Conflict(format!(
                "{BOOT} is the token of the boot file: take another name"
            )));
        }
        if self
            .entries
            .iter()
            .any(|entry| entry.name == *name && !entry.revoked)
        {
            return Err(NotMade::Conflict(format!(
                "{name} exists already: revoke it first"
            )));
        }
        if self.entries.len() >= MAX_ENTRIES {
            // Holders of removed expired tokens learn that the token is unknown, not that it has expired.
            self.entries
                .retain(|entry| entry.expires.is_none_or(|at| at > now));
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(NotMade::Conflict(format!(
                "there are {MAX_ENTRIES} tokens and shares, which is the limit"
            )));
        }
        let prefix = if kind == Kind::Token { TOKEN } else { SHARE };
        let secret = Secret::generate(prefix, random);
        self.entries.push(TokenEntry {
            id: secret.id.clone(),
            name: wanted.name,
            kind,
            hash: secret.hash.clone(),
            scopes: wanted.scopes,
            admin: wanted.admin,
            limits: wanted.limits,
            created: now,
            expires: wanted.lifetime.map(|seconds| now.saturating_add(seconds)),
            last_used: None,
            revoked: false,
        });
        Ok(secret)
    }

    fn forget_some_revoked(&mut self) {
        // Keep the revoked token of the boot file, however old, because its secret is still on the card and
        // must not become valid again.
        let may_go = |entry: &TokenEntry| entry.revoked && entry.id != BOOT;
        let mut spare = self.entries.iter().filter(|entry| may_go(entry)).count();
        self.entries.retain(|entry| {
            let goes = may_go(entry) && spare > MAX_REVOKED;
            spare -= usize::from(goes);
            !goes
        });
    }
}

impl Access {
    /// Adds a token whose secret a person has chosen. Returns whether the token is new.
    pub fn adopt(&mut self, name: &str, secret: &str, now: UnixTime) -> Result<bool, String> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if secret.len() < MIN_CHOSEN || secret.len() > 128 || !secret.chars().all(is_word) {
            return Err(format!(
                "it must have {MIN_CHOSEN} to 128 letters, digits, - or _"
            ));
        }
        let is_there = |entry: &TokenEntry| entry.id == name && entry.hash.is_of(secret);
        if self.entries.iter().any(is_there) {
            // This includes a revoked token, because the file on the card must not make it valid again.
            return Ok(false);
        }
        self.entries.retain(|entry| entry.id != name);
        self.entries.push(TokenEntry {
            id: name.to_owned(),
            name: name.to_owned(),
            kind: Kind::Token,
            hash: SecretHash::of(secret),
            scopes: Vec::new(),
            admin: true,
            limits: TokenLimits::default(),
            created: now,
            expires: None,
            last_used: None,
            revoked: false,
        });
        Ok(true)
    }
}

impl TokenEntry {
    /// Returns the rights of the entry's holder.
    pub fn grant(&self) -> Grant {
        Grant {
            token: Some(Holder {
                id: self.id.clone(),
                name: self.name.clone(),
            }),
            admin: self.admin,
            scopes: self.scopes.clone(),
            limits: self.limits,
        }
    }

    fn holds(&self, now: UnixTime) -> Result<(), TokenRefusal> {
        if self.revoked {
            return Err(TokenRefusal::Revoked);
        }
        match self.expires {
            Some(_) if now + CLOCK_SLACK < self.created => Err(TokenRefusal::NoClock),
            Some(at) if at <= now => Err(TokenRefusal::Expired),
            Some(_) | None => Ok(()),
        }
    }
}

impl Wanted {
    fn check(&self) -> Result<(), String> {
        crate::names::check_name(&self.name).map_err(|why| format!("the name {why}"))?;
        if !self.admin && self.scopes.is_empty() {
            return Err("it allows nothing: give scopes, or admin".to_owned());
        }
        if self.lifetime == Some(0) {
            return Err("it would have expired at once".to_owned());
        }
        self.scopes
            .iter()
            .find_map(Scope::fault)
            .map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
