//! Tests that need the whole gateway, because they cover events between components.

mod bench;
mod parts;
mod peers;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use bench::Bench;

const STRANGER: &str = "192.0.2.9";
const HERE: &str = "127.0.0.1";
