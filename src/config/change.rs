//! The difference between two configurations: the keys that a reload changes, and those that only a restart
//! changes.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Config, ContentConfig};

/// The settings that are fixed when the daemon starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedConfig {
    listen: Vec<SocketAddr>,
    plain: bool,
    ice_port: u16,
    content: ContentConfig,
}

impl ServedConfig {
    /// Returns the keys whose values differ.
    pub fn differences(&self, new: &Self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        if self.listen != new.listen {
            keys.push("http.listen");
        }
        if self.plain != new.plain {
            keys.push("http.plain");
        }
        if self.ice_port != new.ice_port {
            keys.push("ice.port");
        }
        if self.content != new.content {
            keys.push("content");
        }
        keys
    }
}

impl Config {
    /// Returns the settings that only a restart changes.
    pub fn served(&self) -> ServedConfig {
        ServedConfig {
            listen: self.http.listen.clone(),
            plain: self.http.plain,
            ice_port: self.ice.port,
            content: self.hub.content.clone(),
        }
    }
}

/// Returns the file to which the API writes an endpoint, relative to the configuration's directory.
pub fn endpoint_file(name: &str) -> String {
    format!("conf.d/{name}.toml")
}

/// Returns the text of an endpoint's file from the endpoint as JSON, with the same keys.
pub fn endpoint_toml(name: &str, value: &Value) -> Result<String, String> {
    let Value::Object(given) = value else {
        return Err("an endpoint is a JSON object with the keys of [[endpoint]]".to_owned());
    };
    if given.get("name").is_some_and(|given| given != name) {
        return Err("name differs from the one in the path".to_owned());
    }
    let mut fields = given.clone();
    fields.insert("name".to_owned(), Value::from(name));
    toml::to_string(&json!({"endpoint": [fields]})).map_err(|error| error.to_string())
}

/// Returns the endpoint of a file as JSON with the same keys, without its name. Returns `None` unless the
/// file holds only one endpoint of this name.
pub fn endpoint_json(text: &str, name: &str) -> Option<Value> {
    if !holds_only(text, name) {
        return None;
    }
    let mut root: toml::Table = text.parse().ok()?;
    let endpoints: Vec<toml::Table> = root.remove("endpoint")?.try_into().ok()?;
    let mut endpoint = endpoints.into_iter().next()?;
    endpoint.remove("name");
    serde_json::to_value(endpoint).ok()
}

/// Returns whether a file's text is one endpoint of this name and nothing else. Only then may the API rewrite
/// the file, because a rewrite must not lose what an operator put there.
pub fn holds_only(text: &str, name: &str) -> bool {
    let Ok(mut root) = text.parse::<toml::Table>() else {
        return false;
    };
    let endpoints = root.remove("endpoint");
    let Some([only]) = endpoints
        .as_ref()
        .and_then(|v| v.as_array())
        .map(Vec::as_slice)
    else {
        return false;
    };
    root.is_empty() && only.get("name").and_then(toml::Value::as_str) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EndpointKind;

    #[test]
    fn a_file_of_ones_own_is_one_endpoint() {
        let one = "[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n";
        assert!(holds_only(one, "arm"));
        assert!(holds_only(
            &endpoint_toml("leg", &json!({"kind": "sink"})).unwrap(),
            "leg"
        ));
        for other in ["", "endpoint = 1", "nonsense", "[limits]\n", &one.repeat(2)] {
            assert!(!holds_only(other, "arm"), "{other}");
        }
        assert!(!holds_only(one, "leg"));
        assert!(!holds_only(&format!("{one}[limits]\n"), "arm"));
    }

    #[test]
    fn an_endpoint_of_json_is_one_of_toml() {
        let value = json!({
            "kind": "serial", "path": "/dev/tty \"x\"", "baud": 9600, "exclusive": false,
            "deadman": {"timeout_ms": 500, "send": "stop\r\n"},
        });
        let text = endpoint_toml("arm", &value).expect("TOML");
        let config = Config::parse(&text).expect(&text);
        let [arm] = config.endpoints.as_slice() else {
            panic!("one endpoint")
        };
        assert_eq!(arm.name, "arm");
        let EndpointKind::Serial { path, line } = &arm.kind else {
            panic!("a serial line")
        };
        assert_eq!((path.to_str(), line.baud), (Some("/dev/tty \"x\""), 9600));
        let deadman = arm.traffic.deadman.as_ref().expect("a dead man");
        assert_eq!(deadman.send, b"stop\r\n");
        let mut named = value.clone();
        named["name"] = json!("arm");
        let named = endpoint_toml("arm", &named).expect("TOML");
        assert_eq!(endpoint_json(&named, "arm"), Some(value));
        assert_eq!(endpoint_json(&named, "leg"), None);
        for wrong in [json!([]), json!({"name": "leg"}), json!({"path": null})] {
            assert!(endpoint_toml("arm", &wrong).is_err(), "{wrong}");
        }
    }
}
