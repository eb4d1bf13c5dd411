//! `kind = "tcp"`, `"unix"` and `"udp"`: programs that are reached over sockets.

use std::net::{IpAddr, SocketAddr};

use super::reader::{Document, Section};
use super::values::absolute;
use super::{EndpointKind, Meeting, UdpConfig};

/// Parses an address with a port; both must be given.
pub(super) fn address(
    key: &str,
    (line, text): (usize, String),
    document: &mut Document<'_>,
) -> Option<SocketAddr> {
    match text.parse::<SocketAddr>() {
        Ok(addr) if addr.port() != 0 => Some(addr),
        Ok(_) | Err(_) => {
            let message = format!(
                "endpoint.{key} {text:?} is not an address like \"127.0.0.1:14550\" or \
                 \"[::1]:14550\" (names are not looked up)"
            );
            document.fault_at(line, message);
            None
        }
    }
}

/// Parses an address that data can be sent to.
pub(super) fn remote(
    key: &str,
    given: (usize, String),
    document: &mut Document<'_>,
) -> Option<SocketAddr> {
    let line = given.0;
    let addr = address(key, given, document)?;
    if addr.ip().is_unspecified() {
        let message = format!("endpoint.{key} {addr} is nowhere: name the address of the program");
        document.fault_at(line, message);
        return None;
    }
    if let SocketAddr::V6(v6) = addr
        && v6.ip().is_unicast_link_local()
        && v6.scope_id() == 0
    {
        let port = addr.port();
        let message = format!(
            "endpoint.{key} {addr} is on every interface: add the number of one, as `ip link` shows it, like \
             \"[{}%2]:{port}\"",
            v6.ip()
        );
        document.fault_at(line, message);
        return None;
    }
    Some(addr)
}

/// Reads `remote` or `listen`, of which exactly one must be given.
fn meeting<'a>(
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<Meeting<(usize, String)>> {
    let line = section.line();
    let before = document.fault_count();
    let to = section.string("remote", document);
    let at = section.string("listen", document);
    let shared = section.choice(
        "connection",
        &[("shared", true), ("channel", false)],
        document,
    );
    match (to, at) {
        (Some(to), None) if shared == Some(false) => Some(Meeting::PerChannel(to)),
        (Some(to), None) => Some(Meeting::Remote(to)),
        (None, Some(_)) if shared == Some(false) => {
            let message = "endpoint.connection \"channel\" is for remote: we cannot make a program \
                           connect to us";
            document.fault_at(line, message.to_owned());
            None
        }
        (None, Some(at)) => Some(Meeting::Listen(at)),
        (Some(_), Some(_)) => {
            let message = "endpoint has remote and listen: it either connects or is connected to";
            document.fault_at(line, message.to_owned());
            None
        }
        (None, None) => {
            if document.fault_count() == before {
                let message = "endpoint without remote (to connect to) or listen (to wait at)";
                document.fault_at(line, message.to_owned());
            }
            None
        }
    }
}

pub(super) fn read_tcp<'a>(
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<EndpointKind> {
    match meeting(section, document)? {
        Meeting::Remote(to) => remote("remote", to, document).map(Meeting::Remote),
        Meeting::PerChannel(to) => remote("remote", to, document).map(Meeting::PerChannel),
        Meeting::Listen(at) => address("listen", at, document).map(Meeting::Listen),
    }
    .map(EndpointKind::Tcp)
}

pub(super) fn read_unix<'a>(
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<EndpointKind> {
    match meeting(section, document)? {
        Meeting::Remote(to) => unix_path("remote", to, document).map(Meeting::Remote),
        Meeting::PerChannel(to) => unix_path("remote", to, document).map(Meeting::PerChannel),
        Meeting::Listen(at) => unix_path("listen", at, document).map(Meeting::Listen),
    }
    .map(EndpointKind::Unix)
}

/// Checks the path of a Unix socket. `sun_path` of unix(7) has 108 bytes, the last of them zero.
fn unix_path(
    key: &str,
    given: (usize, String),
    document: &mut Document<'_>,
) -> Option<std::path::PathBuf> {
    let (line, len) = (given.0, given.1.len());
    let path = absolute(key, given, document)?;
    if len > 107 {
        document.fault_at(line, format!("endpoint.{key} may have at most 107 bytes"));
        return None;
    }
    Some(path)
}

pub(super) fn read_udp<'a>(
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<EndpointKind> {
    let (begin, before) = (section.line(), document.fault_count());
    let to = section.string("remote", document);
    let to = to.and_then(|to| remote("remote", to, document));
    let bind = section.string("bind", document);
    let bind = bind.and_then(|at| address("bind", at, document));
    let mut multicast = Vec::new();
    for (line, text) in section.strings("multicast", document).unwrap_or_default() {
        match text.parse::<IpAddr>() {
            Ok(group) if group.is_multicast() => multicast.push(group),
            Ok(_) | Err(_) => {
                let message = format!(
                    "endpoint.multicast: {text:?} is not a group like \"239.1.2.3\" or \"ff02::1\""
                );
                document.fault_at(line, message);
            }
        }
    }
    let mut families = [to, bind]
        .into_iter()
        .flatten()
        .map(|addr| addr.is_ipv4())
        .chain(multicast.iter().map(IpAddr::is_ipv4));
    if let Some(first) = families.next()
        && families.any(|other| other != first)
    {
        let message = "endpoint mixes IPv4 and IPv6 addresses".to_owned();
        document.fault_at(begin, message);
    }
    if bind.is_none() && (to.is_none() || !multicast.is_empty()) {
        if document.fault_count() == before {
            let message = if multicast.is_empty() {
                "endpoint without remote (whom to talk to) or bind (where to be talked to)"
            } else {
                "endpoint with multicast needs bind: the port that the groups are sent to"
            };
            document.fault_at(begin, message.to_owned());
        }
        return None;
    }
    Some(EndpointKind::Udp(UdpConfig {
        remote: to,
        bind,
        multicast,
    }))
}
