//! The rights of a token: verbs for endpoints.

use serde::{Deserialize, Serialize};

/// A right at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// See the endpoint, open channels to it, and receive. Every other verb includes this one.
    Read,
    /// Send to the endpoint, and hold its lease.
    Write,
    /// Change the endpoint's line: baud, modem lines, break.
    Line,
}

/// The verbs for some endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Names of endpoints, or beginnings of names that end in `*`.
    pub endpoints: Vec<String>,
    /// The verbs that are allowed for these endpoints.
    pub verbs: Vec<Verb>,
}

impl Scope {
    /// Returns whether the scope allows this verb at this endpoint.
    pub fn allows(&self, endpoint: &str, verb: Verb) -> bool {
        let has_verb = self.verbs.contains(&verb) || (verb == Verb::Read && !self.verbs.is_empty());
        has_verb && self.endpoints.iter().any(|name| matches(name, endpoint))
    }

    /// Returns the fault of the scope, if it has one.
    pub fn fault(&self) -> Option<String> {
        if self.endpoints.is_empty() || self.verbs.is_empty() {
            return Some("a scope has endpoints and verbs".to_owned());
        }
        let bad = self.endpoints.iter().find(|name| !is_pattern(name))?;
        Some(format!(
            "{} is not the name of an endpoint, nor its beginning and a *",
            crate::util::redact::Redacted(bad)
        ))
    }
}

fn matches(pattern: &str, endpoint: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => endpoint.starts_with(beginning),
        None => pattern == endpoint,
    }
}

fn is_pattern(text: &str) -> bool {
    let beginning = text.strip_suffix('*').unwrap_or(text);
    let is_whole = beginning.len() == text.len();
    if beginning.is_empty() {
        return !is_whole;
    }
    crate::names::check_name(beginning).is_ok()
}

/// The rights of a client, and its token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// The client's token. `None`: the client needs none.
    pub token: Option<Holder>,
    /// Whether the client has every right, including those that concern all endpoints.
    pub admin: bool,
    /// The rights otherwise.
    pub scopes: Vec<Scope>,
    /// The limits of the client's sessions.
    pub limits: TokenLimits,
}

/// The public part of a token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The id, which is never used again.
    pub id: String,
    /// The name for people.
    pub name: String,
}

/// The limits that all sessions of one token share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenLimits {
    /// The most sessions at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// The most messages that the sessions together may send to devices per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_second: Option<u32>,
}

impl Grant {
    /// Returns the grant for a client on this machine.
    pub fn everything() -> Self {
        Self {
            admin: true,
            ..Self::default()
        }
    }

    /// Returns whether the grant allows this verb at this endpoint.
    pub fn allows(&self, endpoint: &str, verb: Verb) -> bool {
        self.admin || self.scopes.iter().any(|scope| scope.allows(endpoint, verb))
    }

    /// Returns whether every endpoint may be read, including future ones.
    pub fn reads_all(&self) -> bool {
        self.admin
            || self.scopes.iter().any(|scope| {
                !scope.verbs.is_empty() && scope.endpoints.iter().any(|name| name == "*")
            })
    }

    /// Returns whether the holder may see what another grant has made.
    pub fn may_see(&self, other: &Self) -> bool {
        self.admin || (self.token.is_some() && self.token == other.token)
    }

    /// Returns a name for the log.
    pub fn who(&self) -> &str {
        self.token
            .as_ref()
            .map_or("this machine", |token| &token.name)
    }

    /// Returns whether the grant belongs to this token.
    pub fn is_of(&self, id: &str) -> bool {
        self.token.as_ref().is_some_and(|token| token.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(endpoints: &[&str], verbs: &[Verb]) -> Scope {
        Scope {
            endpoints: endpoints.iter().map(|&name| name.to_owned()).collect(),
            verbs: verbs.to_vec(),
        }
    }

    #[test]
    fn a_scope_is_names_and_verbs() {
        let lab = scope(&["arm", "lab-*"], &[Verb::Write]);
        for (endpoint, verb, may) in [
            ("arm", Verb::Read, true),
            ("arm", Verb::Write, true),
            ("arm", Verb::Line, false),
            ("arm2", Verb::Read, false),
            ("ar", Verb::Read, false),
            ("lab-", Verb::Write, true),
            ("lab-7", Verb::Write, true),
            ("lab", Verb::Write, false),
            ("LAB-7", Verb::Write, false),
        ] {
            assert_eq!(lab.allows(endpoint, verb), may, "{endpoint} {verb:?}");
        }
        assert!(!scope(&["*"], &[]).allows("arm", Verb::Read));
        assert!(!scope(&["arm"], &[Verb::Read]).allows("*", Verb::Read));
    }

    #[test]
    fn scopes_of_strangers_are_checked() {
        for good in ["*", "arm", "lab-*", "a.b_c-1"] {
            assert_eq!(scope(&[good], &[Verb::Read]).fault(), None, "{good}");
        }
        for bad in ["", "a*b", "**", "a b", "*a", "thingway"] {
            assert!(scope(&[bad], &[Verb::Read]).fault().is_some(), "{bad}");
        }
        assert!(scope(&["arm"], &[]).fault().is_some());
        assert!(scope(&[], &[Verb::Read]).fault().is_some());
    }

    #[test]
    fn only_a_star_reads_all() {
        let grant = |endpoints: &[&str], verbs: &[Verb]| Grant {
            scopes: vec![scope(endpoints, verbs)],
            ..Grant::default()
        };
        assert!(Grant::everything().reads_all());
        assert!(grant(&["arm", "*"], &[Verb::Read]).reads_all());
        assert!(!grant(&["arm", "a*"], &[Verb::Read]).reads_all());
        assert!(!grant(&["*"], &[]).reads_all());
        assert!(!Grant::default().reads_all());
    }
}
