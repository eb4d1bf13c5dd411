//! Who may come in from beyond this machine: tokens, what they allow, links that share them, and
//! tickets for what cannot send a header.
//!
//! A machine of its own: time goes in, answers come out. What is to be kept goes through
//! [`Access::to_text`] into a file of the state directory; no secret is in it, only hashes.

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

/// Seconds since 1970, UTC.
pub type UnixTime = u64;

/// More than anybody keeps apart; each costs a line of the file.
const MAX_ENTRIES: usize = 256;
/// Tokens that were revoked and are remembered, so that their holders are told why.
const MAX_REVOKED: usize = 32;
/// The token whose secret is in a file on the boot partition: its name, and its id.
pub const BOOT: &str = "boot";
/// The shortest secret that somebody may choose.
const MIN_CHOSEN: usize = 20;
/// Where the network is let in, unless somewhere else is asked for.
pub const LAN: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8443);
/// How long a share's link works if nothing else was asked for.
const SHARE_LIFETIME: u64 = 24 * 3600;
/// A clock that is this much before a token was made is not set.
const CLOCK_SLACK: u64 = 24 * 3600;
/// The start of 2025, before any release of this program: a clock that is before it is not set.
const CLOCK_IS_SET: UnixTime = 1_735_689_600;

/// Whether the clock can be right. Boards without a battery start in 1970.
pub fn is_clock_set(now: UnixTime) -> bool {
    now >= CLOCK_IS_SET
}

/// Everybody who may come in.
#[derive(Debug, Default)]
pub struct Access {
    entries: Vec<Entry>,
    /// Where the network is let in, beside what the configuration says; by `thingway setup`.
    pub lan: Option<SocketAddr>,
    /// What stands in for a token where no header can be sent.
    pub tickets: Tickets,
    /// Who has guessed.
    pub tries: Tries,
}

/// A token, or a share that becomes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Never used again.
    pub id: String,
    /// What people call it; no two tokens that hold have the same.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    hash: SecretHash,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Whether it allows everything.
    pub admin: bool,
    /// What its sessions may use.
    pub limits: TokenLimits,
    /// When it was made.
    pub created: UnixTime,
    /// From when on it does not hold.
    pub expires: Option<UnixTime>,
    /// When it was last shown; not kept over a restart, to spare the card.
    pub last_used: Option<UnixTime>,
    revoked: bool,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It lets in.
    Token,
    /// It becomes a token, once.
    Share,
}

/// What is asked for with a new token or share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Whether it allows everything.
    pub admin: bool,
    /// For how many seconds it holds.
    pub lifetime: Option<u64>,
    /// What its sessions may use.
    pub limits: TokenLimits,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    Missing,
    /// Nobody has this one.
    Unknown,
    /// It was good until a while ago.
    Expired,
    /// It was taken back.
    Revoked,
    /// It expires, and this machine does not know what time it is.
    NoClock,
}

impl Refusal {
    /// One word, for `type`.
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

impl fmt::Display for Refusal {
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

/// Why a token or a share is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotMade {
    /// What was asked for makes no sense.
    Malformed(String),
    /// It makes sense, but not beside what exists already.
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
    /// Whether there is any token that holds.
    pub fn is_empty(&self) -> bool {
        self.tokens().next().is_none()
    }

    /// The tokens that were not revoked.
    pub fn tokens(&self) -> impl Iterator<Item = &Entry> {
        let all = self.entries.iter();
        all.filter(|entry| entry.kind == Kind::Token && !entry.revoked)
    }

    /// The links that were not used.
    pub fn shares(&self) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.kind == Kind::Share)
    }

    /// What a token allows now.
    pub fn check(&mut self, now: UnixTime, text: &str) -> Result<Grant, Refusal> {
        let (id, secret) = secret::parse(TOKEN, text).ok_or(Refusal::Unknown)?;
        let found = self.entries.iter_mut().find(|entry| {
            // Only who has the secret is told what became of it.
            entry.kind == Kind::Token && entry.id == id && entry.hash.is_of(secret)
        });
        let entry = found.ok_or(Refusal::Unknown)?;
        entry.holds(now)?;
        entry.last_used = Some(now);
        Ok(entry.grant())
    }

    /// Whether what a grant was given for still holds. Who needs no token always may.
    pub fn still_holds(&self, now: UnixTime, grant: &Grant) -> Result<(), Refusal> {
        let Some(holder) = &grant.token else {
            return Ok(());
        };
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| entry.kind == Kind::Token && entry.id == holder.id);
        entry.ok_or(Refusal::Revoked)?.holds(now)
    }

    /// Makes a token. Its text is in what is returned, and nowhere else.
    pub fn add(
        &mut self,
        now: UnixTime,
        wanted: Wanted,
        random: &mut impl RngCore,
    ) -> Result<Secret, NotMade> {
        self.insert(now, wanted, Kind::Token, random)
    }

    /// Makes a link that becomes a token once, for as long as the token shall hold.
    pub fn share(
        &mut self,
        now: UnixTime,
        mut wanted: Wanted,
        random: &mut impl RngCore,
    ) -> Result<Secret, NotMade> {
        wanted.lifetime.get_or_insert(SHARE_LIFETIME);
        self.insert(now, wanted, Kind::Share, random)
    }

    /// Makes the token of a link, which is used up. `None`: there is no such link (any more).
    pub fn redeem(
        &mut self,
        now: UnixTime,
        code: &str,
        random: &mut impl RngCore,
    ) -> Option<(Secret, Entry)> {
        let (id, secret) = secret::parse(SHARE, code)?;
        let at = self.entries.iter().position(|entry| {
            entry.kind == Kind::Share && entry.id == id && entry.hash.is_of(secret)
        })?;
        // Not used up by who comes while the clock is not set.
        self.entries.get(at)?.holds(now).ok()?;
        let share = self.entries.remove(at);
        let secret = Secret::generate(TOKEN, random);
        let token = Entry {
            id: secret.id.clone(),
            kind: Kind::Token,
            hash: secret.hash.clone(),
            created: now,
            ..share
        };
        self.entries.push(token.clone());
        Some((secret, token))
    }

    /// Takes a token or a link back. `None`: there is none of this name; else its id, whose
    /// sessions are to end.
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

    /// Drops links that have expired; returns the tokens that have.
    pub fn expire(&mut self, now: UnixTime) -> Vec<String> {
        let is_over = |entry: &Entry| entry.expires.is_some_and(|at| at <= now);
        self.entries
            .retain(|entry| entry.kind == Kind::Token || !is_over(entry));
        let over = self.entries.iter().filter(|entry| is_over(entry));
        let ids: Vec<_> = over.map(|entry| entry.id.clone()).collect();
        for id in &ids {
            self.tickets.forget(id);
        }
        ids
    }

    /// The clock was set, and so jumped by this many seconds: what was made before it holds as long as was asked for. True:
    /// something has changed.
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

    /// Another process made these while its clock was not set: how much of their time has passed, nobody knows, so it is
    /// over.
    fn end_what_has_no_time(&mut self) {
        let has_none = |entry: &Entry| entry.expires.is_some() && !is_clock_set(entry.created);
        self.entries
            .retain(|entry| entry.kind == Kind::Token || !has_none(entry));
        for entry in &mut self.entries {
            if has_none(entry) {
                entry.expires = Some(0);
            }
        }
    }

    /// When something expires next.
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
            // Their holders are told that nobody has them, instead of that they have expired.
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
        self.entries.push(Entry {
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
        // What the card says must not come back, however long ago it was taken back.
        let may_go = |entry: &Entry| entry.revoked && entry.id != BOOT;
        let mut spare = self.entries.iter().filter(|entry| may_go(entry)).count();
        self.entries.retain(|entry| {
            let goes = may_go(entry) && spare > MAX_REVOKED;
            spare -= usize::from(goes);
            !goes
        });
    }
}

impl Access {
    /// Has a token whose secret somebody chose. Whether it is new.
    pub fn adopt(&mut self, name: &str, secret: &str, now: UnixTime) -> Result<bool, String> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if secret.len() < MIN_CHOSEN || secret.len() > 128 || !secret.chars().all(is_word) {
            return Err(format!(
                "it must have {MIN_CHOSEN} to 128 letters, digits, - or _"
            ));
        }
        let is_there = |entry: &Entry| entry.id == name && entry.hash.is_of(secret);
        if self.entries.iter().any(is_there) {
            // Also one that was revoked: the file on the card must not bring it back.
            return Ok(false);
        }
        self.entries.retain(|entry| entry.id != name);
        self.entries.push(Entry {
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

impl Entry {
    /// What its holder may do.
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

    fn holds(&self, now: UnixTime) -> Result<(), Refusal> {
        if self.revoked {
            return Err(Refusal::Revoked);
        }
        match self.expires {
            Some(_) if now + CLOCK_SLACK < self.created => Err(Refusal::NoClock),
            Some(at) if at <= now => Err(Refusal::Expired),
            Some(_) | None => Ok(()),
        }
    }
}

impl Wanted {
    fn check(&self) -> Result<(), String> {
        crate::config::check_name(&self.name).map_err(|why| format!("the name {why}"))?;
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
