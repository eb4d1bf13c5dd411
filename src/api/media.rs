//! What the media sections of an offer are to carry: `POST /whep/NAME`, `POST /whip/NAME`, and
//! `POST /sessions?media=camera,talk`.

use super::Resource;

/// What the media sections of an offer are to carry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MediaWish {
    /// The endpoints whose tracks they carry, in the order of the sections.
    pub(crate) endpoints: Vec<String>,
    /// Whether the client watches them, sends to them, or does what its sections say.
    pub(crate) purpose: MediaPurpose,
    /// Whether the client waits for a source that is silent (WHEP).
    pub(crate) may_wait: bool,
}

/// What a client wants of a track.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaPurpose {
    /// What the directions of its sections say.
    #[default]
    AsOffered,
    /// To watch and hear it (WHEP).
    Watch,
    /// To send to it (WHIP).
    Publish,
}

impl MediaWish {
    /// Returns what a request for this resource, with this query, wants.
    pub(crate) fn of(resource: &Resource, query: Option<&str>) -> Self {
        let pairs = || query.unwrap_or_default().split('&');
        let (endpoints, purpose) = if let Resource::Whep(name) = resource {
            (vec![name.clone()], MediaPurpose::Watch)
        } else if let Resource::Whip(name) = resource {
            (vec![name.clone()], MediaPurpose::Publish)
        } else {
            let values = pairs().filter_map(|pair| pair.strip_prefix("media="));
            let names = values.flat_map(|value| value.split(','));
            let names = names.filter(|name| !name.is_empty()).map(str::to_owned);
            let mut once: Vec<String> = Vec::new();
            for name in names {
                if !once.contains(&name) {
                    once.push(name);
                }
            }
            (once, MediaPurpose::AsOffered)
        };
        Self {
            endpoints,
            purpose,
            may_wait: pairs().any(|pair| pair == "wait=true"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_endpoints_in_the_order_of_the_sections() {
        let wish = |query| MediaWish::of(&Resource::Sessions, query);
        assert_eq!(wish(None), MediaWish::default());
        assert_eq!(wish(Some("media=")), MediaWish::default());
        let named = wish(Some("a=b&media=camera,talk&media=more,camera"));
        assert_eq!(named.endpoints, ["camera", "talk", "more"]);
        assert_eq!(named.purpose, MediaPurpose::AsOffered);
    }

    #[test]
    fn whep_watches_and_whip_publishes() {
        let name = "camera".to_owned();
        let whep = MediaWish::of(&Resource::Whep(name.clone()), Some("wait=true&media=x"));
        assert_eq!((whep.purpose, whep.may_wait), (MediaPurpose::Watch, true));
        assert_eq!(whep.endpoints, ["camera"]);
        let whip = MediaWish::of(&Resource::Whip(name), None);
        assert_eq!(
            (whip.purpose, whip.may_wait),
            (MediaPurpose::Publish, false)
        );
    }
}
