//! Requests of programs and operators over HTTP in a scenario: lists, scripts, leases, endpoints, tokens,
//! events.

use serde_json::{Value, json};

use super::acts::place;
use super::config;
use super::http::{From, request};
use super::scenario::Scenario;

impl Scenario {
    /// Sends a request that changes nothing, or two of them on one connection.
    pub fn look(&mut self) {
        let paths = [
            "/endpoints",
            "/endpoints/arm",
            "/endpoints/nope",
            "/sessions",
            "/sessions/nobody",
            "/healthz",
            "/readyz",
            "/ports",
            "/access",
            "/endpoints/arm/config",
            "/nowhere",
            "/ca",
        ];
        let token = self.a_token();
        let methods = ["GET", "GET", "GET", "HEAD", "OPTIONS", "PATCH"];
        let method = self.pick(&methods).expect("a method");
        let path = self.pick(&paths).expect("a path");
        let mut all = vec![request(method, path, &token, &Value::Null)];
        if method == "GET" && self.flip() {
            let path = self.pick(&paths).expect("a path");
            all.push(request(method, path, &token, &Value::Null));
        }
        let from = if self.draw.below(8) == 0 {
            From::Network
        } else {
            place(&token)
        };
        self.send(from, &all);
    }

    /// Sends a request from a page of another site, or to another name.
    pub fn trespass(&mut self) {
        let lines = [
            "Origin: https://evil.example\r\n",
            "Sec-Fetch-Site: cross-site\r\n",
            "Authorization: Bearer tw_1_2\r\n",
        ];
        let lines = self.pick(&lines).expect("a line");
        let paths = [
            "/endpoints",
            "/sessions",
            "/peers/x/status?token=y",
            "/peerjs/peers",
        ];
        let path = self.pick(&paths).expect("a path");
        let from = if self.flip() {
            From::Local
        } else {
            From::Network
        };
        self.send(from, &[request("GET", path, lines, &Value::Null)]);
    }

    /// Runs a script or changes a lease, over HTTP.
    pub fn operate(&mut self) {
        let (token, flip) = (self.a_token(), self.flip());
        let name = self.pick(&["arm", "arm", "rover", "nope"]).expect("a name");
        let session = self.peers.last().copied();
        let session = session.map(|n| self.world.clients[n].session.clone());
        let (what, body) = match self.draw.below(5) {
            0 => ("line", json!({"do": [{"dtr": flip}, {"wait_ms": 600}]})),
            1 => ("line", json!({"do": [{"dtr": 7}]})),
            2 => ("line", json!({"do": [], "overtake": flip})),
            3 => ("lease", json!({"do": "release"})),
            _ => ("lease", json!({"do": "give", "to": session})),
        };
        let path = format!("/endpoints/{name}/{what}");
        self.send(place(&token), &[request("POST", &path, &token, &body)]);
    }

    /// Reloads the configuration, or adds or removes an endpoint over the API.
    pub fn configure(&mut self) {
        let leg = json!({"kind": "serial", "path": "/dev/leg"});
        match self.draw.below(6) {
            0 => {
                let text = config::draw(&mut self.draw);
                self.reload(&text);
            }
            1 => {
                let text = config::change(&mut self.draw, &self.config);
                self.reload(&text);
            }
            2 => self.reload("[http]\nallowed_origins = 7\n"),
            3 => {
                let name = self.pick(&["leg", "arm", "a b"]).expect("a name");
                self.ask(
                    "PUT",
                    &format!("/endpoints/{name}").replace(' ', "%20"),
                    &leg,
                );
            }
            _ => {
                let name = self.pick(&["leg", "arm", "nope"]).expect("a name");
                self.ask("DELETE", &format!("/endpoints/{name}"), &Value::Null);
            }
        }
    }

    /// Makes, uses and revokes tokens, shares and tickets.
    pub fn authorize(&mut self) {
        let name = format!("t{}", self.tokens.len());
        let verbs = self.pick(&[&["read"][..], &["read", "write"], &["read", "lines"]]);
        let endpoint = self.pick(&["arm", "*"]).expect("a pattern");
        let scopes = json!([{"endpoints": [endpoint], "verbs": verbs}]);
        match self.draw.below(8) {
            0..=2 => {
                let made = self.ask("POST", "/tokens", &json!({"name": name, "scopes": scopes}));
                self.keep_token(&made);
            }
            3 => {
                let made = self.ask("POST", "/tokens", &json!({"name": name, "admin": true}));
                self.keep_token(&made);
            }
            4 => {
                let body = json!({"name": name, "scopes": scopes});
                let made = self.ask("POST", "/shares", &body);
                let share = json!({"share": made["share"]});
                let made = self.ask("POST", "/shares/redeem", &share);
                self.keep_token(&made);
                self.ask("POST", "/shares/redeem", &share);
            }
            5 => {
                let token = self.a_token();
                let head = request("POST", "/tickets", &token, &Value::Null);
                self.send(place(&token), &[head]);
            }
            _ => {
                let name = self.pick(&self.tokens.clone()).map(|(name, _)| name);
                let name = name.unwrap_or_else(|| "nobody".to_owned());
                self.ask("DELETE", &format!("/tokens/{name}"), &Value::Null);
            }
        }
    }

    fn keep_token(&mut self, made: &Value) {
        if let (Some(name), Some(token)) = (made["name"].as_str(), made["token"].as_str()) {
            self.tokens.push((name.to_owned(), token.to_owned()));
        }
    }

    /// Returns the header of one of the tokens, which may have been revoked, or nothing.
    pub fn a_token(&mut self) -> String {
        if self.draw.below(3) != 0 {
            return String::new();
        }
        let token = self.pick(&self.tokens.clone());
        token.map_or_else(String::new, |(_, token)| {
            format!("Authorization: Bearer {token}\r\n")
        })
    }

    /// Opens a reader of events.
    pub fn listen(&mut self) {
        let token = self.a_token();
        let head = request("GET", "/events", &token, &Value::Null);
        self.send(place(&token), &[head]);
    }
}
