//! What a token lets its holder do: verbs per endpoint.

use serde::{Deserialize, Serialize};

/// What may be done with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// See it, open channels to it, receive. Whoever may do more may do this, too.
    Read,
    /// Send to it, have its lease.
    Write,
    /// Change its line: baud, modem lines, break.
    Line,
}

/// Verbs for some endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Names, or beginnings of names that end in `*`.
    pub endpoints: Vec<String>,
    /// What may be done with them.
    pub verbs: Vec<Verb>,
}

impl Scope {
    /// Whether it allows this.
    pub fn allows(&self, endpoint: &str, verb: Verb) -> bool {
        let has_verb = self.verbs.contains(&verb) || (verb == Verb::Read && !self.verbs.is_empty());
        has_verb && self.endpoints.iter().any(|name| matches(name, endpoint))
    }

    /// What is wrong with it.
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
    crate::config::check_name(beginning).is_ok()
}

/// What somebody may do, and who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// The token, `None` for who needs none.
    pub token: Option<Holder>,
    /// Everything, and what concerns all endpoints.
    pub admin: bool,
    /// What is allowed otherwise.
    pub scopes: Vec<Scope>,
    /// What its sessions may use.
    pub limits: TokenLimits,
}

/// A token, without what makes it one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its id, which is never used again.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// Bounds for all sessions of one token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenLimits {
    /// How many there may be at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// How many messages they may send to devices, together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_second: Option<u32>,
}

impl Grant {
    /// For who sits at the machine.
    pub fn everything() -> Self {
        Self {
            admin: true,
            ..Self::default()
        }
    }

    /// Whether this may be done.
    pub fn allows(&self, endpoint: &str, verb: Verb) -> bool {
        self.admin || self.scopes.iter().any(|scope| scope.allows(endpoint, verb))
    }

    /// Whether every endpoint may be read, also those to come.
    pub fn reads_all(&self) -> bool {
        self.admin
            || self.scopes.iter().any(|scope| {
                !scope.verbs.is_empty() && scope.endpoints.iter().any(|name| name == "*")
            })
    }

    /// Whether what another one has made is its business.
    pub fn may_see(&self, other: &Self) -> bool {
        self.admin || (self.token.is_some() && self.token == other.token)
    }

    /// Who it is, for people.
    pub fn who(&self) -> &str {
        self.token
            .as_ref()
            .map_or("this machine", |token| &token.name)
    }

    /// Whether it is of this token.
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
