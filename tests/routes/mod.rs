//! Every route that the daemon has, its own and those of the hub, as requests.
#![allow(dead_code, reason = "each test binary uses its part")]

use thingway::testing::api::{ROUTES, skyway};

/// A method and a path.
pub type Route = (&'static str, String);

/// What the API lists, with HEAD where there is GET, without OPTIONS. Names in paths are `demo`.
pub fn own() -> Vec<Route> {
    let mut all = Vec::new();
    for (template, methods) in ROUTES {
        let path = template.replace("{id}", "0").replace("{name}", "demo");
        for method in *methods {
            all.push((*method, path.clone()));
            if *method == "GET" {
                all.push(("HEAD", path.clone()));
            }
        }
    }
    all
}

/// What the clients of other servers ask for. Names in paths are `demo`, keys are `k`.
pub fn hub() -> Vec<Route> {
    let mut all: Vec<Route> = skyway::routes()
        .map(|(method, template)| (method, filled(template)))
        .collect();
    for (method, path) in [
        ("GET", "/socket.io/?EIO=3&transport=polling&apiKey=k"),
        ("POST", "/socket.io/?EIO=3&transport=polling&sid=demo"),
        ("GET", "/api/apikeys/k/clients/"),
        ("GET", "/api/apikeys/k/peers/demo/exists"),
        ("GET", "/peerjs?key=k&id=demo&token=t"),
        ("GET", "/k/id"),
        ("GET", "/k/peers"),
    ] {
        all.push((method, path.to_owned()));
    }
    all
}

/// A template of a path with `demo` in place of each name.
fn filled(template: &str) -> String {
    let segments = template.split('/').map(|segment| {
        if segment.starts_with('{') {
            "demo"
        } else {
            segment
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// A request without a body that ends with its head.
pub fn request(method: &str, path: &str, lines: &str) -> String {
    let length = if matches!(method, "GET" | "HEAD" | "OPTIONS") {
        ""
    } else {
        "Content-Length: 0\r\n"
    };
    format!("{method} {path} HTTP/1.1\r\n{lines}{length}\r\n")
}

#[test]
fn the_list_has_the_routes_of_all_dialects() {
    let hub = hub();
    for wanted in [
        ("POST", "/peers"),
        ("DELETE", "/peers/demo"),
        ("PUT", "/data/connections/demo"),
        ("POST", "/media"),
        ("GET", "/k/id"),
    ] {
        let found = hub
            .iter()
            .any(|(method, path)| (*method, path.as_str()) == wanted);
        assert!(found, "{wanted:?} is not among {hub:?}");
    }
    assert!(own().len() > 30);
}
