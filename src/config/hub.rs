//! `[[peer]]`, `[content]`, `[skyway]` and `[peerjs]`: the peers that can be called over the hub, and the
//! clients that may call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::check_name;
use super::network::Network;
use super::reader::{Document, Section};
use super::values::{is_origin, required};

/// The settings of the hub and of the SkyWay gateway's API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HubConfig {
    /// `[[peer]]`: the peers of this gateway, each with a unique id.
    pub peers: Vec<PeerConfig>,
    /// `[content]`: the content ports.
    pub content: ContentConfig,
    /// `skyway.expose`: whether the API also serves the network.
    pub expose: bool,
    /// `skyway.redirect`: the networks to which messages may be redirected. `None`: see
    /// [`Self::may_redirect`].
    pub redirect: Option<Vec<Network>>,
    /// `[[skyway.key]]`: the applications that use SkyWay.
    pub skyway_keys: Vec<KeyConfig>,
    /// `[[peerjs.key]]`: the applications that use PeerJS.
    pub peerjs_keys: Vec<KeyConfig>,
}

impl HubConfig {
    /// Returns whether messages may be redirected to an address. `links` are this machine's own addresses
    /// with the prefix lengths of their networks. Without a configured list, redirects to the networks of
    /// these links are allowed. A program on this machine may also name the machine itself, loopback
    /// included; a program on another machine may not.
    pub fn may_redirect(&self, is_local: bool, to: IpAddr, links: &[(IpAddr, u8)]) -> bool {
        let to = to.to_canonical();
        if let Some(networks) = &self.redirect {
            return networks.iter().any(|network| network.contains(to, links));
        }
        let is_own = to.is_loopback() || links.iter().any(|(own, _)| *own == to);
        if is_own {
            is_local
        } else {
            Network::Local.contains(to, links)
        }
    }
}

/// `[[peer]]`: a peer that always exists and answers calls by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// The id that callers use.
    pub id: String,
    /// The endpoint of channels whose label names no other endpoint.
    pub endpoint: Option<String>,
    /// The endpoints of channels, by label.
    pub labels: BTreeMap<String, String>,
    /// Whether messages are encoded and decoded as the caller's offer says. If not, they go unchanged.
    pub transcodes: bool,
}

impl PeerConfig {
    /// Returns the endpoints that a caller may reach through this peer.
    pub fn endpoints(&self) -> impl Iterator<Item = &String> {
        self.endpoint.iter().chain(self.labels.values())
    }
}

/// `[content]`: the UDP ports that `POST /data` opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentConfig {
    /// The address of this machine that the ports are bound to.
    pub listen: IpAddr,
    /// The first port.
    pub first_port: u16,
    /// The number of ports.
    pub ports: u16,
}

impl Default for ContentConfig {
    fn default() -> Self {
        Self {
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            first_port: 50_001,
            ports: 1_000,
        }
    }
}

/// `[[skyway.key]]` or `[[peerjs.key]]`: an application that may use the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyConfig {
    /// The name that the application uses.
    pub key: String,
    /// The domain that the application's REST programs name. `None`: any domain.
    pub domain: Option<String>,
    /// The secret with which the application's server signs. `None`: no signature is needed.
    pub secret: Option<Secret>,
    /// The origins whose pages may use the key. If empty: those of `http.allowed_origins` and our own.
    pub origins: Vec<String>,
    /// The ids that peers of the key may have; a star at the end stands for any rest. If empty: any id.
    pub peers: Vec<String>,
    /// The endpoints that REST programs on other machines may use with the key; a star at the end stands for
    /// any rest.
    pub endpoints: Vec<String>,
}

impl KeyConfig {
    /// Returns whether peers of this key may have this id.
    pub fn allows_peer(&self, id: &str) -> bool {
        self.peers.is_empty()
            || self.peers.iter().any(|pattern| {
                pattern
                    .strip_suffix('*')
                    .map_or(pattern == id, |beginning| id.starts_with(beginning))
            })
    }
}

/// A secret, which must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the secret, for checking a signature with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The longest id of a peer, and the longest key, in bytes.
const LONGEST: usize = 128;

/// Reads `[content]`, `[skyway]` and `[peerjs]` into the settings made so far.
pub(super) fn read<'a>(root: &mut Section<'a>, document: &mut Document<'a>, hub: &mut HubConfig) {
    if let Some(section) = root.table("content", document) {
        read_content(section, document, &mut hub.content);
    }
    if let Some(mut section) = root.table("skyway", document) {
        hub.expose = section.boolean("expose", document).unwrap_or(hub.expose);
        if let Some(given) = section.strings("redirect", document) {
            let networks = hub.redirect.insert(Vec::new());
            for (line, text) in given {
                match Network::parse(&text) {
                    Some(network) => networks.push(network),
                    None => document.fault_at(
                        line,
                        format!(
                            "skyway.redirect: {text:?} is neither \"local\" nor a network like \
                             \"192.0.2.0/24\""
                        ),
                    ),
                }
            }
        }
        for section in section.tables("key", document) {
            hub.skyway_keys.extend(read_key(section, true, document));
        }
        section.finish(document);
    }
    if let Some(mut section) = root.table("peerjs", document) {
        for section in section.tables("key", document) {
            hub.peerjs_keys.extend(read_key(section, false, document));
        }
        section.finish(document);
    }
    let mut known: BTreeSet<String> = hub.peers.iter().map(|peer| peer.id.clone()).collect();
    for section in root.tables("peer", document) {
        let line = section.line();
        let Some(peer) = read_peer(section, document) else {
            continue;
        };
        if !known.insert(peer.id.clone()) {
            let id = &peer.id;
            document.fault_at(line, format!("peer {id:?} is there twice"));
        }
        hub.peers.push(peer);
    }
}

fn read_content<'a>(
    mut section: Section<'a>,
    document: &mut Document<'a>,
    content: &mut ContentConfig,
) {
    if let Some((line, text)) = section.string("listen", document) {
        match text.parse() {
            Ok(address) => content.listen = address,
            Err(_) => document.fault_at(
                line,
                format!("content.listen: {text:?} is not an address like \"127.0.0.1\""),
            ),
        }
    }
    let mut number = |key, range, place: &mut u16| {
        let given = section.integer(key, range, document);
        *place = given.and_then(|n| u16::try_from(n).ok()).unwrap_or(*place);
    };
    number("first_port", 1_024..=65_535, &mut content.first_port);
    number("ports", 1..=10_000, &mut content.ports);
    if content.first_port.checked_add(content.ports - 1).is_none() {
        let message = "content.first_port and content.ports go beyond port 65535".to_owned();
        document.fault_at(section.line(), message);
    }
    section.finish(document);
}

fn read_key<'a>(
    mut section: Section<'a>,
    is_skyway: bool,
    document: &mut Document<'a>,
) -> Option<KeyConfig> {
    let path = section.path().to_owned();
    let key = required(&mut section, "key", document);
    let (mut domain, mut secret) = (None, None);
    if is_skyway {
        domain = section.string("domain", document).map(|(_, text)| text);
        secret = section.string("secret", document).map(|(line, text)| {
            if text.is_empty() {
                document.fault_at(line, format!("{path}.secret is empty"));
            }
            Secret(text)
        });
    }
    let mut origins = Vec::new();
    for (line, origin) in section.strings("origins", document).unwrap_or_default() {
        if !is_origin(&origin) {
            let message = format!("{path}.origins: {origin:?} is not an origin");
            document.fault_at(line, message);
        }
        origins.push(origin.to_ascii_lowercase());
    }
    let peers = section.strings("peers", document).unwrap_or_default();
    let peers = peers.into_iter().map(|(_, pattern)| pattern).collect();
    let mut endpoints = Vec::new();
    if is_skyway {
        for (line, pattern) in section.strings("endpoints", document).unwrap_or_default() {
            let beginning = pattern.strip_suffix('*').unwrap_or(&pattern);
            if pattern != "*"
                && let Err(why) = check_name(beginning)
            {
                document.fault_at(line, format!("{path}.endpoints: {pattern:?} {why}"));
            }
            endpoints.push(pattern);
        }
    }
    section.finish(document);
    let (line, key) = key?;
    if key.is_empty() || key.len() > LONGEST || !key.is_ascii() {
        let message = format!("{path}.key must have 1 to {LONGEST} letters");
        document.fault_at(line, message);
    }
    Some(KeyConfig {
        key,
        domain,
        secret,
        origins,
        peers,
        endpoints,
    })
}

fn read_peer<'a>(mut section: Section<'a>, document: &mut Document<'a>) -> Option<PeerConfig> {
    let section_line = section.line();
    let id = required(&mut section, "id", document);
    let endpoint = section.string("endpoint", document);
    let labels = section.pairs("labels", document);
    let words = [("offer", true), ("none", false)];
    let transcodes = section.choice("serialization", &words, document);
    section.finish(document);
    let mut check = |line, name: &str| {
        if let Err(why) = check_name(name) {
            document.fault_at(line, format!("peer: endpoint {name:?} {why}"));
        }
    };
    if let Some((line, name)) = &endpoint {
        check(*line, name);
    }
    for (line, _, name) in &labels {
        check(*line, name);
    }
    if endpoint.is_none() && labels.is_empty() {
        let message =
            "peer without endpoint and labels: pages could not reach any endpoint".to_owned();
        document.fault_at(section_line, message);
    }
    let (line, id) = id?;
    if !is_peer_id(&id) {
        let message = format!(
            "peer.id {id:?} must have 1 to {LONGEST} letters, digits, '-', '_' and single spaces, \
             and begin and end with a letter or digit"
        );
        document.fault_at(line, message);
    }
    let labels = labels.into_iter().map(|(_, label, name)| (label, name));
    Some(PeerConfig {
        id,
        endpoint: endpoint.map(|(_, name)| name),
        labels: labels.collect(),
        transcodes: transcodes.unwrap_or(true),
    })
}

/// Returns whether pages of both PeerJS and SkyWay-JS can call this id.
fn is_peer_id(id: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    id.len() <= LONGEST && id.split([' ', '_', '-']).all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn peers_keys_and_networks_are_read() {
        let text = r#"
            [content]
            listen = "0.0.0.0"
            first_port = 51000
            ports = 20
            [skyway]
            expose = true
            redirect = ["local", "10.1.0.0/16", "2001:db8::1"]
            [[skyway.key]]
            key = "k"
            domain = "example.org"
            secret = "hush"
            origins = ["https://App.example"]
            peers = ["robot-*", "one"]
            [[peerjs.key]]
            key = "p"
            [[peer]]
            id = "robot-1"
            endpoint = "arm"
            labels = { gps = "gps0" }
            serialization = "none"
        "#;
        let hub = Config::parse(text).expect("good").hub;
        assert_eq!((hub.content.first_port, hub.content.ports), (51_000, 20));
        assert!(hub.expose);
        let [key] = hub.skyway_keys.as_slice() else {
            panic!("one key")
        };
        assert_eq!(key.origins, ["https://app.example"]);
        assert!(!format!("{hub:?}").contains("hush"));
        for (id, may) in [
            ("robot-7", true),
            ("one", true),
            ("one-2", false),
            ("robot", false),
        ] {
            assert_eq!(key.allows_peer(id), may, "{id}");
        }
        assert!(hub.peerjs_keys.iter().all(|key| key.allows_peer("any")));
        let [peer] = hub.peers.as_slice() else {
            panic!("one peer")
        };
        assert_eq!(
            (peer.labels["gps"].as_str(), peer.transcodes),
            ("gps0", false)
        );
        let loopback = ("127.0.0.1".parse().unwrap(), 8);
        let links = [loopback, ("192.0.2.7".parse().unwrap(), 24)];
        for (address, may) in [
            ("192.0.2.200", true),
            ("::ffff:192.0.2.200", true),
            ("192.0.3.1", false),
            ("127.0.0.1", false),
            ("10.1.255.1", true),
            ("10.2.0.1", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("127.0.0.1", false),
        ] {
            let ip = address.parse().unwrap();
            assert_eq!(hub.may_redirect(false, ip, &links), may, "{address}");
        }
    }

    #[test]
    fn by_default_messages_go_no_further_than_the_links() {
        let hub = HubConfig::default();
        let links = [("192.0.2.7".parse().unwrap(), 24)];
        for (address, local, network) in [
            ("127.0.0.5", true, false),
            ("::1", true, false),
            ("::ffff:127.0.0.1", true, false),
            ("192.0.2.7", true, false),
            ("192.0.2.9", true, true),
            ("8.8.8.8", false, false),
        ] {
            let ip = address.parse().unwrap();
            assert_eq!(hub.may_redirect(true, ip, &links), local, "{address}");
            assert_eq!(hub.may_redirect(false, ip, &links), network, "{address}");
        }
    }

    #[test]
    fn faults_name_their_key() {
        for (text, fault) in [
            ("[content]\nlisten = \"here\"", "content.listen"),
            ("[content]\nfirst_port = 65000\nports = 1000", "beyond port"),
            ("[skyway]\nredirect = [\"10.0.0.0/33\"]", "skyway.redirect"),
            ("[[skyway.key]]\ndomain = \"x\"", "skyway.key without key"),
            (
                "[[skyway.key]]\nkey = \"k\"\nsecret = \"\"",
                "secret is empty",
            ),
            ("[[peerjs.key]]\nkey = \"k\"\nsecret = \"x\"", "unknown key"),
            ("[[peerjs.key]]\nkey = \"k\"\norigins = [\"x\"]", "origins"),
            ("[[peer]]\nid = \"a\"", "pages could not reach any endpoint"),
            ("[[peer]]\nid = \"-a\"\nendpoint = \"x\"", "peer.id"),
            (
                "[[peer]]\nid = \"a\"\nendpoint = \"x y\"",
                "endpoint \"x y\"",
            ),
            (
                "[[peer]]\nid = \"a\"\nendpoint = \"x\"\n[[peer]]\nid = \"a\"\nendpoint = \"x\"",
                "twice",
            ),
        ] {
            let faults = Config::parse(text).expect_err(text);
            assert!(
                faults.iter().any(|f| f.message.contains(fault)),
                "{text}: {faults:?}"
            );
        }
    }
}
