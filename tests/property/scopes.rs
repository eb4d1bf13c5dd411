//! The rights of a token, compared with those of its scopes, evaluated one by one.

use proptest::prelude::*;
use thingway::testing::access::scope::{Grant, Scope, Verb};

fn name() -> impl Strategy<Value = String> {
    "[a-c][a-c.-]{0,3}"
}

fn pattern() -> impl Strategy<Value = String> {
    (name(), any::<bool>(), 0..12_u8).prop_map(|(name, star, all)| match (star, all) {
        (_, 0) => "*".to_owned(),
        (true, _) => format!("{name}*"),
        (false, _) => name,
    })
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![Just(Verb::Read), Just(Verb::Write), Just(Verb::Line)]
}

fn scope() -> impl Strategy<Value = Scope> {
    let endpoints = prop::collection::vec(pattern(), 0..4);
    let verbs = prop::collection::vec(verb(), 0..4);
    (endpoints, verbs).prop_map(|(endpoints, verbs)| Scope { endpoints, verbs })
}

fn grant(scopes: &[Scope]) -> Grant {
    Grant {
        scopes: scopes.to_vec(),
        ..Grant::default()
    }
}

/// Returns whether a name matches a pattern. This is a second implementation, letter by letter, so that a
/// mistake in either one is noticed.
fn matches(pattern: &str, endpoint: &str) -> bool {
    let (mut pattern, mut endpoint) = (pattern.chars(), endpoint.chars());
    loop {
        match (pattern.next(), endpoint.next()) {
            (Some('*'), _) | (None, None) => return true,
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

proptest! {
    #[test]
    fn a_grant_is_the_sum_of_its_scopes(
        scopes in prop::collection::vec(scope(), 0..5),
        endpoint in name(),
        verb in verb(),
    ) {
        let mut wanted = false;
        for scope in &scopes {
            for pattern in &scope.endpoints {
                for given in &scope.verbs {
                    wanted |= matches(pattern, &endpoint) && (*given == verb || verb == Verb::Read);
                }
            }
        }
        prop_assert_eq!(grant(&scopes).allows(&endpoint, verb), wanted);
    }

    #[test]
    fn more_scopes_never_allow_less_and_none_allow_nothing(
        scopes in prop::collection::vec(scope(), 1..5),
        endpoint in name(),
        verb in verb(),
    ) {
        let fewer = grant(&scopes[1..]);
        let all = grant(&scopes);
        prop_assert!(!fewer.allows(&endpoint, verb) || all.allows(&endpoint, verb));
        prop_assert!(!Grant::default().allows(&endpoint, verb));
        prop_assert!(!all.allows(&endpoint, verb) || all.allows(&endpoint, Verb::Read));
        prop_assert!(!all.reads_all() || all.allows(&endpoint, Verb::Read));
        prop_assert!(Grant::everything().allows(&endpoint, verb));
    }

    #[test]
    fn scopes_come_back_from_json_as_they_were(scope in scope()) {
        let text = serde_json::to_string(&scope).unwrap();
        prop_assert_eq!(serde_json::from_str::<Scope>(&text).unwrap(), scope);
    }
}
