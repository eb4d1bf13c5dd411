//! Environment variables such as `THINGWAY_HTTP_LISTEN`, which have priority over the files.

/// The way in which a variable's text becomes a TOML value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A list of strings, separated by commas.
    List,
    /// A number, or `true` or `false`, which is copied unchanged.
    Plain,
}

/// Each variable with the table and key that it stands for.
pub const VARIABLES: &[(&str, &str, &str)] = &[
    ("THINGWAY_HTTP_LISTEN", "http", "listen"),
    ("THINGWAY_HTTP_HOSTS", "http", "hosts"),
    ("THINGWAY_HTTP_ALLOWED_ORIGINS", "http", "allowed_origins"),
    ("THINGWAY_HTTP_PLAIN", "http", "plain"),
    ("THINGWAY_ACCESS_BOOT_FILE", "access", "boot_file"),
    ("THINGWAY_ACCESS_TRUST_LOOPBACK", "access", "trust_loopback"),
    ("THINGWAY_ICE_PORT", "ice", "port"),
    ("THINGWAY_LIMITS_SESSIONS", "limits", "sessions"),
    ("THINGWAY_LIMITS_PEERS", "limits", "peers"),
    ("THINGWAY_LIMITS_CONNECTIONS", "limits", "connections"),
    ("THINGWAY_LIMITS_VIEWERS", "limits", "viewers"),
    ("THINGWAY_CONTENT_LISTEN", "content", "listen"),
    ("THINGWAY_CONTENT_FIRST_PORT", "content", "first_port"),
    ("THINGWAY_CONTENT_PORTS", "content", "ports"),
    ("THINGWAY_SKYWAY_EXPOSE", "skyway", "expose"),
    ("THINGWAY_SKYWAY_REDIRECT", "skyway", "redirect"),
    ("THINGWAY_GENERAL_API_PORT", "general", "api_port"),
    ("THINGWAY_GENERAL_LOG_LEVEL", "general", "log_level"),
    (
        "THINGWAY_LIMITS_CHANNELS_PER_SESSION",
        "limits",
        "channels_per_session",
    ),
    ("THINGWAY_LIMITS_ROUTE_QUEUE", "limits", "route_queue"),
    (
        "THINGWAY_LIMITS_CONNECT_TIMEOUT_S",
        "limits",
        "connect_timeout_s",
    ),
    (
        "THINGWAY_LIMITS_DISCONNECTED_TIMEOUT_S",
        "limits",
        "disconnected_timeout_s",
    ),
    ("THINGWAY_SERIAL_DISCOVER", "serial", "discover"),
    ("THINGWAY_API_CONFIGURE", "api", "configure"),
];

/// Returns the text of a configuration file that says the same as a variable.
pub(super) fn as_toml(name: &str, value: &str) -> Result<String, String> {
    let known = VARIABLES.iter().find(|(variable, ..)| *variable == name);
    let Some((_, table, key)) = known else {
        return Err("there is no such key; docs/config.md lists those there are".to_owned());
    };
    let shape = if matches!(*key, "listen" | "hosts" | "allowed_origins") {
        Shape::List
    } else {
        Shape::Plain
    };
    // A JSON string is also a TOML string.
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let value = match shape {
        Shape::List => {
            let parts = value.split(',').map(str::trim).filter(|p| !p.is_empty());
            format!("[{}]", parts.map(quote).collect::<Vec<_>>().join(", "))
        }
        Shape::Plain => {
            let value = value.trim();
            let is_plain = matches!(value, "true" | "false")
                || (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()));
            if is_plain {
                value.to_owned()
            } else {
                quote(value)
            }
        }
    };
    Ok(format!("[{table}]\n{key} = {value}\n"))
}
