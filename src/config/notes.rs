//! Notes about a configuration without a fault: settings that allow less than in an earlier version, and
//! names of endpoints that do not exist.

use super::{Config, EndpointKind, KeyConfig};

impl Config {
    /// Returns what this configuration no longer allows since version 0.2. Without a note the configuration
    /// means the same as before.
    pub fn notes(&self) -> Vec<String> {
        let hub = &self.hub;
        let mut notes = Vec::new();
        let offered: Vec<&String> = hub.peers.iter().flat_map(|peer| peer.endpoints()).collect();
        // Keys never opened an endpoint that carries media.
        let mut with_channels = self
            .endpoints
            .iter()
            .filter(|endpoint| !matches!(endpoint.kind, EndpointKind::Rtp(_)));
        if hub.expose && with_channels.any(|endpoint| !offered.contains(&&endpoint.name)) {
            for (number, key) in numbered(&hub.skyway_keys) {
                if key.endpoints.is_empty() {
                    notes.push(format!(
                        "[[skyway.key]] number {number} has no `endpoints`: REST programs on other machines can use \
                         only endpoints that a [[peer]] offers"
                    ));
                }
            }
        }
        if hub.expose && hub.redirect.is_none() {
            notes.push(
                "skyway.redirect is not set: programs on other machines cannot have messages sent to this machine itself"
                    .to_owned(),
            );
        }
        let all = hub.skyway_keys.iter().chain(&hub.peerjs_keys);
        let has_origins = all.clone().any(|key| !key.origins.is_empty());
        for (table, keys) in [("skyway", &hub.skyway_keys), ("peerjs", &hub.peerjs_keys)] {
            for (number, key) in numbered(keys) {
                if key.origins.is_empty() && has_origins {
                    notes.push(format!(
                        "[[{table}.key]] number {number} has no `origins`: pages of another key's origins cannot use it"
                    ));
                }
                if !key.origins.is_empty() && !self.http.allowed_origins.is_empty() {
                    notes.push(format!(
                        "[[{table}.key]] number {number} has `origins`: pages of http.allowed_origins cannot use it unless \
                         they are named there"
                    ));
                }
            }
        }
        if hub.skyway_keys.is_empty() && hub.peerjs_keys.iter().any(|key| !key.origins.is_empty()) {
            notes.push(
                "there is no [[skyway.key]]: pages of the origins of [[peerjs.key]] cannot use the API of SkyWay's gateway"
                    .to_owned(),
            );
        }
        notes
    }
}

impl Config {
    /// Returns the endpoints that are offered to callers but do not exist. If found serial ports become
    /// endpoints, a name may become known only when its device is plugged in.
    pub fn absences(&self) -> Vec<String> {
        let has = |name: &String| self.endpoints.iter().any(|endpoint| endpoint.name == *name);
        if self.serial.discover {
            return Vec::new();
        }
        let peers = self.hub.peers.iter();
        let offered = peers.flat_map(|peer| peer.endpoints().map(move |name| (&peer.id, name)));
        offered
            .filter(|(_, name)| !has(name))
            .map(|(id, name)| format!("peer {id:?}: there is no endpoint {name:?}"))
            .collect()
    }
}

fn numbered(keys: &[KeyConfig]) -> impl Iterator<Item = (usize, &KeyConfig)> {
    (1..).zip(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_allows_less_than_before_is_named() {
        let notes = |text: &str| Config::parse(text).expect(text).notes();
        let arm = "[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n";
        let expose = "[skyway]\nexpose = true\nredirect = [\"local\"]\n";
        for (text, wanted) in [
            ("", ""),
            ("[skyway]\nexpose = true\n", "skyway.redirect"),
            (
                &format!("{expose}[[skyway.key]]\nkey = \"k\"\n{arm}"),
                "no `endpoints`",
            ),
            (
                "[[skyway.key]]\nkey = \"k\"\n[[peerjs.key]]\nkey = \"p\"\norigins = [\"https://a.example\"]\n",
                "[[skyway.key]] number 1 has no `origins`",
            ),
            (
                "[http]\nallowed_origins = [\"https://b.example\"]\n[[skyway.key]]\nkey = \"k\"\n\
                 origins = [\"https://a.example\"]\n",
                "http.allowed_origins",
            ),
            (
                "[[peerjs.key]]\nkey = \"p\"\norigins = [\"https://a.example\"]\n",
                "there is no [[skyway.key]]",
            ),
        ] {
            let notes = notes(text);
            assert_eq!(
                notes.len(),
                usize::from(!wanted.is_empty()),
                "{text}: {notes:?}"
            );
            assert!(notes.iter().all(|note| note.contains(wanted)), "{notes:?}");
        }
        let offered = format!(
            "{expose}[[skyway.key]]\nkey = \"k\"\n{arm}[[peer]]\nid = \"a\"\nendpoint = \"arm\"\n"
        );
        assert!(notes(&offered).is_empty(), "what is offered may be used");
    }

    #[test]
    fn a_peer_whose_endpoint_is_not_there_is_named() {
        let absences = |text: &str| Config::parse(text).expect(text).absences();
        let peer = "[[peer]]\nid = \"a\"\nendpoint = \"arm\"\nlabels = { logs = \"log\" }\n";
        let arm = "[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n";
        assert_eq!(absences(peer).len(), 2);
        assert_eq!(
            absences(&(peer.to_owned() + arm)),
            ["peer \"a\": there is no endpoint \"log\""]
        );
        assert!(absences(&(peer.to_owned() + arm + &arm.replace("arm", "log"))).is_empty());
        assert!(absences(&(peer.to_owned() + "[serial]\ndiscover = true\n")).is_empty());
    }
}
