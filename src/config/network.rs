//! Networks by their prefix (RFC 4632 §3.1), as several tables name them.

use std::net::IpAddr;

/// An address with its prefix length: all addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// Returns the network of an address. A prefix longer than the address counts as the whole address.
    pub const fn new(address: IpAddr, bits: u8) -> Self {
        Self { address, bits }
    }

    /// Parses `192.0.2.0/24`, `2001:db8::/32`, or a single address.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = if bits.is_empty() {
            most
        } else {
            bits.parse().ok()?
        };
        // Unwrap an IPv4-mapped network, because compared addresses are unwrapped too.
        let mapped = match (address.to_canonical(), bits.checked_sub(96)) {
            (v4 @ IpAddr::V4(_), Some(bits)) if address.is_ipv6() => Some(Self::new(v4, bits)),
            _ => None,
        };
        (bits <= most).then_some(mapped.unwrap_or(Self { address, bits }))
    }

    /// Returns whether an address is in the network. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        // A shift by all bits gives `None` on both sides, so every address is in the network.
        match (address.to_canonical(), self.address) {
            (IpAddr::V4(a), IpAddr::V4(n)) => {
                let shift = 32 - u32::from(self.bits.min(32));
                a.to_bits().checked_shr(shift) == n.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(a), IpAddr::V6(n)) => {
                let shift = 128 - u32::from(self.bits.min(128));
                a.to_bits().checked_shr(shift) == n.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// A network of `skyway.redirect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Every address on a link of this machine, except loopback.
    Local,
    /// The addresses with a prefix.
    Prefix(Prefix),
}

impl Network {
    /// Parses `local`, or a prefix.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "local" {
            return Some(Self::Local);
        }
        Prefix::parse(text).map(Self::Prefix)
    }

    /// Returns whether an address is in the network. `links` are this machine's own addresses with the prefix
    /// lengths of their networks.
    pub fn contains(self, address: IpAddr, links: &[(IpAddr, u8)]) -> bool {
        match self {
            Self::Local => {
                let mut links = links.iter().filter(|(own, _)| !own.is_loopback());
                links.any(|(own, bits)| Prefix::new(*own, *bits).contains(address))
            }
            Self::Prefix(prefix) => prefix.contains(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_the_addresses_that_begin_with_it() {
        for (prefix, address, is_in) in [
            ("0.0.0.0/0", "8.8.8.8", true),
            ("::/0", "2001:db8::1", true),
            ("::/0", "8.8.8.8", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.0/120", "192.0.2.1", true),
            ("::ffff:192.0.2.0/120", "192.0.3.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let network = Prefix::parse(prefix).expect(prefix);
            let address = address.parse().expect(address);
            assert_eq!(network.contains(address), is_in, "{prefix} {address}");
        }
        for wrong in ["", "192.0.2.0/33", "::/129", "192.0.2/24", "local", "x/8"] {
            assert_eq!(Prefix::parse(wrong), None, "{wrong}");
        }
    }
}
