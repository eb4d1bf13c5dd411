//! A program that uses the crate: JSON commands go in, their results and the events come out.

use std::net::SocketAddr;

use serde_json::{Value, json};
use skyway_webrtc_gateway_caller::prelude::response_parser::ResponseResult;
use skyway_webrtc_gateway_caller::run;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::{SOON, text};

pub struct Program {
    commands: mpsc::Sender<(oneshot::Sender<String>, String)>,
    events: mpsc::Receiver<String>,
    /// Those that came while another one was waited for.
    early: Vec<Value>,
}

impl Program {
    pub async fn new(url: &str) -> Self {
        let (commands, events) = run(url).await;
        Self {
            commands,
            events,
            early: Vec::new(),
        }
    }

    /// What the crate answers to a command, whether that is a success or not.
    async fn command(&self, kind: &str, command: &str, params: Value) -> Value {
        let message = json!({ "type": kind, "command": command, "params": params }).to_string();
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send((answer, message.clone())).await;
        sent.expect("the crate works");
        let answer = timeout(SOON, answered).await.expect("an answer in time");
        let answer = answer.expect("an answer");
        ResponseResult::from_str(&answer).expect("what the crate itself can read");
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{message}: {answer}"))
    }

    /// The result of a command that is done.
    pub async fn ask(&self, kind: &str, command: &str, params: Value) -> Value {
        let answer = self.command(kind, command, params).await;
        assert_eq!(answer["is_success"], true, "{kind} {command}: {answer}");
        answer["result"].clone()
    }

    /// Why a command is not done.
    pub async fn refused(&self, kind: &str, command: &str, params: Value) -> String {
        let answer = self.command(kind, command, params).await;
        assert_eq!(answer["is_success"], false, "{kind} {command}: {answer}");
        text(&answer, "result")
    }

    /// A peer that is there; its token.
    pub async fn peer(&mut self, name: &str) -> String {
        let params = json!({ "key": "any", "domain": "localhost", "peer_id": name, "turn": true });
        // The crate itself waits for OPEN before it answers.
        let created = self.ask("PEER", "CREATE", params).await;
        assert_eq!(created["peer_id"], name);
        text(&created, "token")
    }

    /// A port, and its id.
    pub async fn port(&self) -> (String, SocketAddr) {
        let created = self.ask("DATA", "CREATE", json!("")).await;
        let ip = text(&created, "ip_v4").parse().expect("an address");
        let port = created["port"].as_u64().expect("a port");
        let at = SocketAddr::new(ip, u16::try_from(port).expect("a port"));
        (text(&created, "data_id"), at)
    }

    /// The next event of this name.
    pub async fn event(&mut self, name: &str) -> Value {
        self.find(|event| event["event"] == name).await
    }

    /// Waits until these connections are open.
    pub async fn opened(&mut self, connections: &[&str]) {
        self.happened("OPEN", connections).await;
    }

    /// Waits until they have ended.
    pub async fn closed(&mut self, connections: &[&str]) {
        self.happened("CLOSE", connections).await;
    }

    async fn happened(&mut self, name: &str, connections: &[&str]) {
        for id in connections {
            self.find(|event| event["event"] == name && event["data_connection_id"] == *id)
                .await;
        }
    }

    async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.early.iter().position(&wanted) {
            return self.early.remove(at);
        }
        loop {
            let message = timeout(SOON, self.events.recv()).await;
            let message = message.unwrap_or_else(|_| panic!("only {:?}", self.early));
            let message: Value = serde_json::from_str(&message.expect("events")).expect("JSON");
            assert_eq!(message["is_success"], true, "{message}");
            let event = message["result"].clone();
            if wanted(&event) {
                return event;
            }
            self.early.push(event);
        }
    }
}
