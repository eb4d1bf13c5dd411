//! The addresses of an RTP track: where the local program's RTP and RTCP arrive, and where those of browsers go.

use std::net::SocketAddr;

use crate::config::claims::{Claim, overlap};
use crate::config::reader::{Document, Section};
use crate::config::sockets::{address, remote};
use crate::config::{Prefix, RtcpPlace, TrackConfig};

/// Reads where RTP and RTCP of the local program arrive, and from whom. Notes the ports as claims.
pub(super) fn read_source<'a>(
    track: &mut TrackConfig,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
    claims: &mut Vec<Claim>,
) {
    let before = document.fault_count();
    let path = section.path().to_owned();
    let rtcp_line = section.line_of("rtcp", document);
    let from_line = section.line_of("from", document);
    let listen = read_address("listen", address, section, document);
    let rtcp = read_rtcp(section, document);
    if let Some(given) = section.strings("from", document) {
        track.from = read_networks(&given, section, document);
        if let (true, Some(line)) = (given.is_empty(), from_line) {
            document.fault_at(line, format!("{path}.from is empty: no program could send"));
        }
    }
    let Some((line, listen)) = listen else {
        if let Some(line) = rtcp_line.or(from_line)
            && document.fault_count() == before
        {
            let message = format!("{path} has rtcp or from without listen: nothing arrives there");
            document.fault_at(line, message);
        }
        return;
    };
    track.listen = Some(listen);
    let mut own = vec![Claim {
        key: format!("{path}.listen"),
        line,
        address: listen,
    }];
    match rtcp {
        Some((line, given)) => {
            track.rtcp = given;
            own.extend(claim_rtcp((line, given), listen, section, document));
        }
        // Its fault is reported already.
        None if rtcp_line.is_some() => {}
        None => {
            if let Some(address) = port_after((line, listen), "listen", "rtcp", section, document) {
                track.rtcp = RtcpPlace::At(address);
                let key = format!("{path}.rtcp (the port after listen)");
                own.push(Claim { key, line, address });
            }
        }
    }
    check_reach(&own, from_line.is_some(), section, document);
    claims.extend(own);
}

fn read_rtcp<'a>(
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<(usize, RtcpPlace)> {
    let (line, text) = section.string("rtcp", document)?;
    if text == "mux" {
        return Some((line, RtcpPlace::Mux));
    }
    let addr = address(&key_of(section, "rtcp"), (line, text), document)?;
    Some((line, RtcpPlace::At(addr)))
}

/// Returns the claim of a configured port of RTCP, if that is a port of its own.
fn claim_rtcp(
    (line, place): (usize, RtcpPlace),
    listen: SocketAddr,
    section: &Section<'_>,
    document: &mut Document<'_>,
) -> Option<Claim> {
    let path = section.path();
    let RtcpPlace::At(address) = place else {
        return None;
    };
    if overlap(address, listen) {
        let message = format!(
            "{path}.rtcp {address} is the port of {path}.listen: rtcp = \"mux\" receives both there"
        );
        document.fault_at(line, message);
        return None;
    }
    let key = format!("{path}.rtcp");
    Some(Claim { key, line, address })
}

/// Checks that only configured programs may send to what other machines reach.
fn check_reach(
    claims: &[Claim],
    has_networks: bool,
    section: &Section<'_>,
    document: &mut Document<'_>,
) {
    let path = section.path();
    let is_group = |claim: &&Claim| claim.address.ip().is_multicast();
    let is_open = |claim: &&Claim| !claim.address.ip().to_canonical().is_loopback();
    if let Some(Claim { key, line, address }) = claims.iter().find(is_group) {
        let message = format!("{key} {address} is a group: name an address of this machine");
        document.fault_at(*line, message);
    } else if let Some(Claim { key, line, address }) = claims.iter().find(is_open)
        && !has_networks
    {
        let message = format!(
            "{key} {address} is open to other machines: {path}.from must name those that may send, like \
             [\"192.0.2.7\"]"
        );
        document.fault_at(*line, message);
    }
}

fn read_networks<'a>(
    given: &[(usize, String)],
    section: &Section<'a>,
    document: &mut Document<'a>,
) -> Vec<Prefix> {
    let path = section.path();
    let mut networks = Vec::new();
    for (line, text) in given {
        match Prefix::parse(text) {
            Some(network) => networks.push(network),
            None => document.fault_at(
                *line,
                format!(
                    "{path}.from: {text:?} is neither an address like \"192.0.2.7\" nor a network like \
                     \"192.0.2.0/24\""
                ),
            ),
        }
    }
    networks
}

/// Reads where RTP and RTCP of browsers go.
pub(super) fn read_destination<'a>(
    track: &mut TrackConfig,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) {
    let before = document.fault_count();
    let to = read_address("send_to", remote, section, document);
    let rtcp = read_address("send_rtcp", remote, section, document);
    let is_faulty = document.fault_count() > before;
    let Some((line, to)) = to else {
        if let (Some((line, _)), false) = (rtcp, is_faulty) {
            let message = format!("{0}.send_rtcp without {0}.send_to", section.path());
            document.fault_at(line, message);
        }
        return;
    };
    track.send_to = Some(to);
    track.send_rtcp = match rtcp {
        Some((_, addr)) => Some(addr),
        None if is_faulty => None,
        None => port_after((line, to), "send_to", "send_rtcp", section, document),
    };
}

/// Takes an address with its line. `parse` says which addresses are right.
fn read_address<'a>(
    key: &str,
    parse: fn(&str, (usize, String), &mut Document<'_>) -> Option<SocketAddr>,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<(usize, SocketAddr)> {
    let given = section.string(key, document)?;
    let line = given.0;
    parse(&key_of(section, key), given, document).map(|addr| (line, addr))
}

/// Returns a key as the functions of `sockets` name it: without `endpoint.`.
fn key_of(section: &Section<'_>, key: &str) -> String {
    let path = section.path();
    let track = path.strip_prefix("endpoint.").unwrap_or(path);
    format!("{track}.{key}")
}

/// Returns the address with the next port, where RTCP is by custom (RFC 3550 §11).
fn port_after<'a>(
    (line, addr): (usize, SocketAddr),
    key: &str,
    other: &str,
    section: &Section<'a>,
    document: &mut Document<'a>,
) -> Option<SocketAddr> {
    let Some(port) = addr.port().checked_add(1) else {
        let path = section.path();
        let message =
            format!("{path}.{key} {addr} leaves no port after it for RTCP: set {path}.{other}");
        document.fault_at(line, message);
        return None;
    };
    let mut after = addr;
    after.set_port(port);
    Some(after)
}
