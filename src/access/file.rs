//! The file of tokens and shares: JSON, which only the daemon's user may read.

use serde::{Deserialize, Serialize};

use super::scope::{Scope, TokenLimits};
use super::secret::SecretHash;
use super::{Access, Kind, TokenEntry, UnixTime};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lan: Option<std::net::SocketAddr>,
    #[serde(default)]
    tokens: Vec<Row>,
    #[serde(default)]
    shares: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    name: String,
    /// SHA-256 of the secret.
    hash: String,
    #[serde(default)]
    scopes: Vec<Scope>,
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    limits: TokenLimits,
    created: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    revoked: bool,
}

const VERSION: u32 = 1;

impl Access {
    /// Reads what [`Self::to_text`] wrote. The error says what is wrong, without quoting the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text)
            .map_err(|error| format!("line {}: not what was written there", error.line()))?;
        if file.v != VERSION {
            return Err(format!("version {} is of another thingway", file.v));
        }
        let mut access = Self {
            lan: file.lan,
            ..Self::default()
        };
        let tokens = file.tokens.into_iter().map(|row| (Kind::Token, row));
        let shares = file.shares.into_iter().map(|row| (Kind::Share, row));
        for (kind, row) in tokens.chain(shares) {
            let name = row.name.clone();
            let entry = row.entry(kind);
            access
                .entries
                .push(entry.ok_or_else(|| format!("{name}: its hash is damaged"))?);
        }
        access.end_what_has_no_time();
        Ok(access)
    }

    /// Returns the text for the file.
    pub fn to_text(&self) -> String {
        let rows = |kind| {
            let of_kind = self.entries.iter().filter(move |entry| entry.kind == kind);
            of_kind.map(Row::of).collect()
        };
        let file = File {
            v: VERSION,
            lan: self.lan,
            tokens: rows(Kind::Token),
            shares: rows(Kind::Share),
        };
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }
}

impl Row {
    fn of(entry: &TokenEntry) -> Self {
        Self {
            id: entry.id.clone(),
            name: entry.name.clone(),
            hash: entry.hash.to_hex(),
            scopes: entry.scopes.clone(),
            admin: entry.admin,
            limits: entry.limits,
            created: entry.created,
            expires: entry.expires,
            revoked: entry.revoked,
        }
    }

    fn entry(self, kind: Kind) -> Option<TokenEntry> {
        Some(TokenEntry {
            hash: SecretHash::from_hex(&self.hash)?,
            id: self.id,
            name: self.name,
            kind,
            scopes: self.scopes,
            admin: self.admin,
            limits: self.limits,
            created: self.created,
            expires: self.expires,
            last_used: None,
            revoked: self.revoked,
        })
    }
}
