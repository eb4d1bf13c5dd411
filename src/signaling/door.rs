//! Access control of the hub: the applications that may use it, their locations and pages, and the endpoints
//! that a key allows.
//!
//! These rules know no connection and no gateway. Their input is what a client claims and where it is.

use crate::access::UnixTime;
use crate::access::locality::Locality;
use crate::access::scope::{Scope, Verb};
use crate::config::{KeyConfig, PeerConfig};
use crate::signaling::skyway::Credential;

/// The origin of the page that sent a request (RFC 6454).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageOrigin {
    /// The origin in lower case. `None`: a program, which has no origin.
    text: Option<String>,
    /// Whether the origin is the gateway's own or one of `http.allowed_origins`.
    is_trusted: bool,
}

impl PageOrigin {
    /// Returns the origin of a page. `is_trusted`: the origin is the gateway's own or one of
    /// `http.allowed_origins`.
    pub fn of_page(text: &str, is_trusted: bool) -> Self {
        Self {
            text: Some(text.to_ascii_lowercase()),
            is_trusted,
        }
    }

    /// Returns whether a page of this origin may use a key with these `origins`. A key without origins is for
    /// the gateway's own page and for those of `http.allowed_origins`, never for the pages of another key.
    pub fn may_use(&self, origins: &[String]) -> bool {
        match &self.text {
            None => true,
            Some(_) if origins.is_empty() => self.is_trusted,
            Some(text) => origins.contains(text),
        }
    }

    /// Returns whether a page of this origin needs a key to be admitted, even on this machine.
    pub fn needs_key(&self) -> bool {
        self.text.is_some() && !self.is_trusted
    }
}

/// The claims of a client.
#[derive(Debug, Clone, Copy)]
pub struct Application<'a> {
    /// The key of its application.
    pub key: &'a str,
    /// The domain, which REST programs name.
    pub domain: Option<&'a str>,
    /// The origin of its page.
    pub origin: &'a PageOrigin,
    /// The id of the peer that it wants to be.
    pub peer: Option<&'a str>,
    /// The proof that it may be that peer.
    pub credential: Option<&'a Credential>,
}

/// The reason why a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The key is not known, or not for this domain or origin.
    Key(&'static str),
    /// Peers of the key may not have this id.
    Peer,
    /// The key requires a proof that its peer may have this id.
    Credential(&'static str),
}

impl NotAdmitted {
    /// Returns the `type` of the error for a page of SkyWay-JS.
    pub fn skyway_kind(self) -> &'static str {
        match self {
            Self::Key(_) => "invalid-key",
            Self::Peer => "invalid-id",
            Self::Credential(_) => "authentication",
        }
    }

    /// Returns a sentence for people.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Key(detail) | Self::Credential(detail) => detail,
            Self::Peer => "peers of this key may not have this id",
        }
    }
}

/// A key that was accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admitted {
    /// The end of its credential, in seconds since 1970.
    pub until: Option<UnixTime>,
    /// Whether a client may have guessed its way in, because it showed neither a credential nor a long key.
    pub is_guessable: bool,
}

/// The length from which a key cannot be guessed: 128 random bits in base64, or a UUID, have as many letters.
const UNGUESSABLE: usize = 22;

/// Checks an application against the keys of its dialect, at `time`. If the dialect has no key, programs and
/// trusted pages on this machine need none.
pub fn check(
    keys: &[KeyConfig],
    locality: Locality,
    application: Application<'_>,
    time: UnixTime,
) -> Result<Admitted, NotAdmitted> {
    if keys.is_empty() && locality == Locality::Local {
        if application.origin.needs_key() {
            let detail = "pages of this origin need a key that names the origin";
            return Err(NotAdmitted::Key(detail));
        }
        return Ok(Admitted::default());
    }
    let known = keys.iter().find(|known| known.key == application.key);
    let known = known.ok_or(NotAdmitted::Key("this key is not known here"))?;
    if let (Some(wanted), Some(given)) = (&known.domain, application.domain)
        && wanted != given
    {
        return Err(NotAdmitted::Key("this key is for another domain"));
    }
    // Programs have no origin, so the secret is what restricts them.
    if !application.origin.may_use(&known.origins) {
        return Err(NotAdmitted::Key("this key is for pages of other origins"));
    }
    let peer = application.peer.unwrap_or_default();
    if !known.allows_peer(peer) {
        return Err(NotAdmitted::Peer);
    }
    let Some(secret) = &known.secret else {
        return Ok(Admitted {
            until: None,
            is_guessable: known.key.len() < UNGUESSABLE,
        });
    };
    let credential = application
        .credential
        .ok_or(NotAdmitted::Credential("this key needs a credential"))?;
    let verified = credential.verify(secret.expose(), peer, time);
    let expiry = verified.map_err(|_| {
        NotAdmitted::Credential("the credential is not valid for this peer, or not now")
    })?;
    Ok(Admitted {
        until: Some(expiry.at_unix),
        is_guessable: false,
    })
}

/// Returns whether a client that was admitted with this key still would be, credential and id aside: a
/// reloaded configuration may no longer have the key, or the page's origin.
pub fn still_holds(keys: &[KeyConfig], locality: Locality, key: &str, origin: &PageOrigin) -> bool {
    if keys.is_empty() {
        return locality == Locality::Local && !origin.needs_key();
    }
    let known = keys.iter().find(|known| known.key == key);
    known.is_some_and(|known| origin.may_use(&known.origins))
}

/// Returns the endpoints that a REST program may use: on this machine all of them, beyond it those that its
/// key names and those that a `[[peer]]` offers to every client of the hub.
pub fn scopes(
    keys: &[KeyConfig],
    peers: &[PeerConfig],
    locality: Locality,
    key: &str,
) -> Vec<Scope> {
    let verbs = vec![Verb::Read, Verb::Write];
    if locality == Locality::Local {
        let endpoints = vec!["*".to_owned()];
        return vec![Scope { endpoints, verbs }];
    }
    let known = keys.iter().find(|known| known.key == key);
    let named = known.map_or(&[][..], |known| &known.endpoints);
    let offered = peers.iter().flat_map(PeerConfig::endpoints);
    let endpoints: Vec<String> = named.iter().chain(offered).cloned().collect();
    if endpoints.is_empty() {
        return Vec::new();
    }
    vec![Scope { endpoints, verbs }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const KEYS: &str = r#"
        [[skyway.key]]
        key = "plain"
        [[skyway.key]]
        key = "paged"
        origins = ["https://p.example"]
        endpoints = ["arm", "lab-*"]
        peers = ["robot-*"]
        [[skyway.key]]
        key = "domestic"
        domain = "example.org"
        [[skyway.key]]
        key = "signed"
        secret = "hush"
        [[skyway.key]]
        key = "3f0c2b1a-0000-4000-8000-1234567890ab"
        [[peer]]
        id = "offered"
        endpoint = "gps"
        labels = { second = "imu" }
    "#;

    fn network() -> Locality {
        Locality::Network("192.0.2.9".parse().expect("an address"))
    }

    fn ask(locality: Locality, key: &str, origin: &PageOrigin) -> Result<Admitted, NotAdmitted> {
        let keys = Config::parse(KEYS).expect("good").hub.skyway_keys;
        let application = Application {
            key,
            domain: Some("localhost"),
            origin,
            peer: Some("robot-1"),
            credential: None,
        };
        check(&keys, locality, application, 1_800_000_000)
    }

    #[test]
    fn a_key_is_for_its_own_pages() {
        let program = PageOrigin::default();
        let trusted = PageOrigin::of_page("http://localhost:8000", true);
        let p = PageOrigin::of_page("https://P.example", false);
        let q = PageOrigin::of_page("https://q.example", false);
        let refused = Err(NotAdmitted::Key("this key is for pages of other origins"));
        for locality in [Locality::Local, network()] {
            for (key, origin, may) in [
                ("plain", &program, true),
                ("plain", &trusted, true),
                ("plain", &p, false),
                ("plain", &q, false),
                ("paged", &program, true),
                ("paged", &p, true),
                ("paged", &q, false),
                ("paged", &trusted, false),
            ] {
                let answer = ask(locality, key, origin);
                assert_eq!(answer.is_ok(), may, "{locality:?} {key} {origin:?}");
                assert!(may || answer == refused, "{key} {origin:?}: {answer:?}");
            }
        }
    }

    #[test]
    fn who_is_known_and_who_is_not() {
        let program = PageOrigin::default();
        for (key, kind) in [
            ("unknown", "invalid-key"),
            ("domestic", "invalid-key"),
            ("signed", "authentication"),
        ] {
            let refused = ask(Locality::Local, key, &program).expect_err(key);
            assert_eq!(refused.skyway_kind(), kind, "{key}: {refused:?}");
        }
        let keys = Config::parse(KEYS).expect("good").hub.skyway_keys;
        let application = Application {
            key: "paged",
            domain: None,
            origin: &program,
            peer: Some("else-1"),
            credential: None,
        };
        let answer = check(&keys, network(), application, 0);
        assert_eq!(answer, Err(NotAdmitted::Peer));
    }

    #[test]
    fn without_keys_this_machine_needs_none_and_the_network_has_none() {
        let ask = |locality, origin: &PageOrigin| {
            let application = Application {
                key: "any",
                domain: None,
                origin,
                peer: Some("a"),
                credential: None,
            };
            check(&[], locality, application, 0).is_ok()
        };
        let foreign = PageOrigin::of_page("https://p.example", false);
        assert!(ask(Locality::Local, &PageOrigin::default()));
        assert!(ask(
            Locality::Local,
            &PageOrigin::of_page("http://localhost", true)
        ));
        assert!(
            !ask(Locality::Local, &foreign),
            "a foreign page needs a key"
        );
        assert!(!ask(network(), &PageOrigin::default()));
    }

    #[test]
    fn short_keys_can_be_guessed() {
        let program = PageOrigin::default();
        let is_guessable = |key| ask(network(), key, &program).expect(key).is_guessable;
        assert!(is_guessable("plain"));
        assert!(!is_guessable("3f0c2b1a-0000-4000-8000-1234567890ab"));
    }

    #[test]
    fn a_key_opens_what_it_names_and_what_is_offered() {
        let hub = Config::parse(KEYS).expect("good").hub;
        let may = |locality, key, endpoint| {
            let scopes = scopes(&hub.skyway_keys, &hub.peers, locality, key);
            scopes
                .iter()
                .any(|scope| scope.allows(endpoint, Verb::Write))
        };
        for (key, endpoint, allowed) in [
            ("plain", "arm", false),
            ("plain", "gps", true),
            ("plain", "imu", true),
            ("paged", "arm", true),
            ("paged", "lab-7", true),
            ("paged", "leg", false),
            ("unknown", "arm", false),
        ] {
            assert_eq!(may(network(), key, endpoint), allowed, "{key} {endpoint}");
            assert!(may(Locality::Local, key, endpoint));
        }
        assert!(scopes(&hub.skyway_keys, &[], network(), "plain").is_empty());
    }

    #[test]
    fn a_key_that_was_taken_away_does_not_hold() {
        let keys = Config::parse(KEYS).expect("good").hub.skyway_keys;
        let program = PageOrigin::default();
        let p = PageOrigin::of_page("https://p.example", false);
        assert!(still_holds(&keys, network(), "paged", &p));
        assert!(!still_holds(&keys, network(), "plain", &p));
        assert!(!still_holds(&keys, Locality::Local, "gone", &program));
        assert!(still_holds(&[], Locality::Local, "any", &program));
        assert!(!still_holds(&[], Locality::Local, "any", &p));
        assert!(!still_holds(&[], network(), "any", &program));
    }
}
