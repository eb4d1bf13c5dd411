//! The names and addresses of this machine.

use std::io;
use std::net::IpAddr;

/// Returns all addresses of interfaces that are up, loopback included.
pub(crate) fn list() -> io::Result<Vec<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs()?;
    Ok(interfaces
        .iter()
        .filter(|interface| interface.is_oper_up())
        .map(|i| i.ip())
        .collect())
}

/// Returns all addresses, those of interfaces that are down included, with the bits of their networks (RFC
/// 4632 §3.1): an address belongs to this machine even while its cable is unplugged.
pub(crate) fn networks() -> Vec<(IpAddr, u8)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let all = interfaces.iter();
    all.map(|interface| match &interface.addr {
        if_addrs::IfAddr::V4(v4) => (IpAddr::V4(v4.ip), v4.prefixlen),
        if_addrs::IfAddr::V6(v6) => (IpAddr::V6(v6.ip), v6.prefixlen),
    })
    .collect()
}

/// Returns the host name, plain and with `.local` for mDNS (RFC 6762), in lower case.
pub(crate) fn host_names() -> Vec<String> {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .to_ascii_lowercase();
    let local = format!("{name}.local");
    if name.is_empty() {
        Vec::new()
    } else {
        vec![name, local]
    }
}
