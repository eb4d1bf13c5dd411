//! Programs in a scenario that use the REST API of SkyWay's gateway.

use serde_json::{Value, json};

use super::http::{From, request};
use super::scenario::{RECEIVER, Scenario};

impl Scenario {
    /// Makes a peer, looks at one, or ends one.
    pub fn program(&mut self) {
        let name = format!("prog-{}", self.draw.below(3));
        match self.draw.below(5) {
            0..=2 => {
                let body = json!({"key": "k", "domain": "d", "peer_id": name});
                let made = self.ask("POST", "/peers", &body);
                if let Some(token) = made["params"]["token"].as_str() {
                    self.programs.push((name, token.to_owned()));
                }
            }
            3 => {
                let (name, token) = self.a_program();
                self.ask(
                    "GET",
                    &format!("/peers/{name}/status?token={token}"),
                    &Value::Null,
                );
            }
            _ => {
                let (name, token) = self.a_program();
                self.ask(
                    "DELETE",
                    &format!("/peers/{name}?token={token}"),
                    &Value::Null,
                );
            }
        }
    }

    /// Picks a peer that was made, or a name and token that the gateway does not know.
    fn a_program(&mut self) -> (String, String) {
        let known = self.pick(&self.programs.clone());
        known.unwrap_or_else(|| ("nobody".to_owned(), "pt-1".to_owned()))
    }

    /// Sends one or two requests that wait for the events of a peer or of a connection, on one HTTP
    /// connection or on two.
    pub fn poll(&mut self) {
        let path = match self.pick(&self.connections.clone()) {
            Some(id) if self.flip() => format!("/data/connections/{id}/events"),
            _ => {
                let (name, token) = self.a_program();
                format!("/peers/{name}/events?token={token}")
            }
        };
        let head = request("GET", &path, "", &Value::Null);
        match self.draw.below(4) {
            0 => {
                self.poll_once(std::slice::from_ref(&head));
                self.poll_once(&[head]);
            }
            1 => self.poll_once(&[head.clone(), head]),
            _ => self.poll_once(&[head]),
        }
    }

    fn poll_once(&mut self, requests: &[String]) {
        let text = self.send(From::Local, requests);
        self.find_connection(&text);
    }

    /// Remembers the connection that an event names, because the program behind the called peer may use it.
    fn find_connection(&mut self, text: &str) {
        let key = "\"data_connection_id\":\"";
        if let Some((_, rest)) = text.split_once(key)
            && let Some((id, _)) = rest.split_once('"')
            && !self.connections.iter().any(|known| known == id)
        {
            self.connections.push(id.to_owned());
        }
    }

    /// Makes a connection to a peer that may or may not exist.
    pub fn call(&mut self) {
        let (name, token) = self.a_program();
        let mut targets = vec!["robot-1".to_owned(), "nobody".to_owned()];
        targets.extend(self.programs.iter().map(|(name, _)| name.clone()));
        targets.extend((0..4).map(|n| format!("page-{n}")));
        let target = self.pick(&targets).expect("a name");
        let port = self.pick(&self.ports.clone()).map(|(id, _)| id);
        let params = match (self.draw.below(4), port) {
            (0, _) => json!({"endpoint": "arm"}),
            (1, _) => json!({"endpoint": "nope"}),
            (_, Some(id)) => json!({"data_id": id}),
            (_, None) => json!({}),
        };
        let mut body = json!({
            "peer_id": name, "token": token, "target_id": target, "params": params,
            "options": {"serialization": "NONE", "metadata": "hello"},
        });
        if self.draw.below(3) != 0 {
            body["redirect_params"] = redirect();
        }
        let text = self.send(
            From::Local,
            &[request("POST", "/data/connections", "", &body)],
        );
        self.find_connection(&text);
        self.rest(1);
    }

    /// Opens a content port, sends it a datagram, or closes it.
    pub fn port(&mut self) {
        let port = self.pick(&self.ports.clone());
        match (self.draw.below(4), port) {
            (0, _) | (_, None) => {
                let made = self.ask("POST", "/data", &json!({}));
                let address = format!("127.0.0.1:{}", made["port"]);
                if let Some(id) = made["data_id"].as_str() {
                    self.ports.push((id.to_owned(), address));
                }
            }
            (1, Some((id, address))) => {
                self.ask("DELETE", &format!("/data/{id}"), &Value::Null);
                self.ports.retain(|(_, other)| *other != address);
            }
            (_, Some((_, address))) => {
                let len = 1 + self.draw.below(1_000);
                let bytes = self.draw.bytes(len);
                self.world
                    .udp_device_sends_from(&address, "127.0.0.1:9999", &bytes);
            }
        }
    }

    /// Looks at a connection, changes it, or ends it.
    pub fn connection(&mut self) {
        let Some(id) = self.pick(&self.connections.clone()) else {
            return;
        };
        let path = format!("/data/connections/{id}");
        match self.draw.below(5) {
            0 | 1 => {
                self.ask("GET", &format!("{path}/status"), &Value::Null);
            }
            2 | 3 => {
                let port = self.pick(&self.ports.clone()).map(|(id, _)| id);
                let mut body = json!({"redirect_params": redirect()});
                if let Some(id) = port {
                    body["feed_params"] = json!({"data_id": id});
                }
                self.ask("PUT", &path, &body);
            }
            _ => {
                self.ask("DELETE", &path, &Value::Null);
            }
        }
    }

    /// Sends a request for something that does not exist, or that exists only for media.
    pub fn stray_call(&mut self) {
        let calls = [
            ("POST", "/media", json!({"is_video": true})),
            ("PATCH", "/data", Value::Null),
            ("DELETE", "/data/da-1", Value::Null),
            ("GET", "/data/connections/dc-1/status", Value::Null),
            ("POST", "/peers", json!({"key": "k"})),
            ("GET", "/peerjs/id", Value::Null),
            ("GET", "/peerjs/peers", Value::Null),
            ("GET", "/api/apikeys/k/clients/", Value::Null),
            ("GET", "/api/apikeys/k/peers/robot-1/exists", Value::Null),
        ];
        let (method, path, body) = self.pick(&calls).expect("a call");
        self.ask(method, path, &body);
    }
}

fn redirect() -> Value {
    let port = RECEIVER
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok());
    json!({"ip_v4": "127.0.0.1", "port": port})
}
