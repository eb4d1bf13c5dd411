//! `[http]`: the addresses of the API and the page, and the clients that may use them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::reader::{Document, Section};
use super::values::{absolute_of, is_origin, required};
use super::{HttpConfig, TlsFiles};

/// Reads the section into the settings made so far.
pub(super) fn read<'a>(
    mut section: Section<'a>,
    document: &mut Document<'a>,
    http: &mut HttpConfig,
) {
    if let Some(given) = section.strings("listen", document) {
        http.listen = read_listen(&given, section.line(), document);
    }
    if let Some(given) = section.strings("hosts", document) {
        http.hosts.clear();
        for (line, host) in given {
            if is_host(&host) {
                http.hosts.push(host.to_ascii_lowercase());
                continue;
            }
            let message = format!(
                "http.hosts: {host:?} is not a host like \"board.example\", \"192.0.2.1\" or \
                 \"[2001:db8::1]\" (without scheme and port)"
            );
            document.fault_at(line, message);
        }
    }
    if let Some(given) = section.strings("allowed_origins", document) {
        http.allowed_origins.clear();
        for (line, origin) in given {
            if is_origin(&origin) {
                http.allowed_origins.push(origin.to_ascii_lowercase());
                continue;
            }
            let message = format!(
                "http.allowed_origins: {origin:?} is not an origin like \
                 \"https://example.org:8443\" (scheme, host and port only)"
            );
            document.fault_at(line, message);
        }
    }
    if let Some(tls) = section.table("tls", document) {
        http.tls = read_tls(tls, document);
    }
    http.plain = section.boolean("plain", document).unwrap_or(http.plain);
    if http.plain && http.tls.is_some() {
        let message = "http.plain switches TLS off, so http.tls would mean nothing".to_owned();
        document.fault_at(section.line(), message);
    }
    section.finish(document);
}

fn read_tls<'a>(mut section: Section<'a>, document: &mut Document<'a>) -> Option<TlsFiles> {
    let path = |section: &mut Section<'a>, key: &str, document: &mut Document<'a>| {
        let given = required(section, key, document);
        let name = format!("http.tls.{key}");
        given.and_then(|path| absolute_of(&name, path, document))
    };
    let certificate = path(&mut section, "certificate", document);
    let key = path(&mut section, "key", document);
    section.finish(document);
    Some(TlsFiles {
        certificate: certificate?,
        key: key?,
    })
}

fn read_listen(
    given: &[(usize, String)],
    line: usize,
    document: &mut Document<'_>,
) -> Vec<SocketAddr> {
    let mut listen = Vec::new();
    for (line, text) in given {
        let parsed = text
            .parse::<SocketAddr>()
            .map_err(|_| format!("{text:?} is not an address like \"127.0.0.1:8000\""));
        match parsed {
            Ok(addr) => listen.push(addr),
            Err(message) => document.fault_at(*line, format!("http.listen: {message}")),
        }
    }
    if given.is_empty() {
        let message = "http.listen is empty: nothing could reach the gateway".to_owned();
        document.fault_at(line, message);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = listen.iter().find(|a| a.port() != 0 && !seen.insert(**a)) {
        document.fault_at(line, format!("http.listen: {twice} is there twice"));
    }
    listen
}

/// Returns whether the text is a name, an IPv4 address or an IPv6 address in brackets.
pub fn is_host(text: &str) -> bool {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = bracketed {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
        for good in [
            "https://panel.example",
            "http://[2001:db8::1]:8080",
            "https://panel.example:80",
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "http://tauri.localhost",
            "app://-",
            "app://obsidian.md",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "moz-extension://2a1c0b54-1111-4222-8333-444455556666",
            "vscode-webview://1abc",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "*",
            "null",
            "panel.example",
            "https://",
            "://panel.example",
            "1app://x",
            "https://panel.example/",
            "https://panel.example:443",
            "http://panel.example:80",
            "file:///home/me",
            "https://*.example",
            "HTTPS://panel.example:443",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
