//! Candidates of peers (RFC 8839 §5.1): candidates to check, well-formed candidates to ignore, and malformed
//! ones.

/// Returns whether an attribute `candidate:…` (RFC 8839 §5.1, without `a=`) names an address that ICE here
/// would check. Returns false for candidates that are well-formed but useless here: mDNS and other host names
/// (RFC 8828), which are not resolved, while the peer's own checks reach us; TCP, which no candidate of ours
/// can pair with; addresses with a zone, which is valid only on the peer's machine; unknown types; the
/// component of RTCP.
///
/// # Errors
/// The fault of an attribute that is not a candidate at all.
pub(in crate::session) fn is_usable(attribute: &str) -> Result<bool, &'static str> {
    let mut words = attribute
        .trim_start_matches("candidate:")
        .split_ascii_whitespace();
    let mut word = || words.next().ok_or("a candidate has at least eight parts");
    let _foundation = word()?;
    let component: u16 = (word()?.parse()).map_err(|_| "the candidate's component is no number")?;
    let transport = word()?;
    let _: u32 = (word()?.parse()).map_err(|_| "the candidate's priority is no number")?;
    let address = word()?;
    let port: u16 = (word()?.parse()).map_err(|_| "the candidate's port is no port number")?;
    if word()? != "typ" {
        return Err("the seventh part of a candidate is the word typ");
    }
    let kind = word()?;
    let is_known = ["host", "srflx", "prflx", "relay"].contains(&kind);
    let is_address = address
        .parse()
        .is_ok_and(|address: std::net::IpAddr| !address.is_unspecified());
    Ok(component == 1
        && transport.eq_ignore_ascii_case("udp")
        && is_address
        && is_known
        && port != 0
        // Anything else that str0m refuses, such as a name in `raddr`, would make the whole description fail.
        && str0m::Candidate::from_sdp_string(attribute).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_checked_is_passed_over() {
        for usable in [
            "candidate:1 1 udp 1 192.0.2.1 5 typ host",
            "candidate:1 1 UDP 2130706431 2001:db8::1 5 typ srflx raddr 0.0.0.0 rport 0",
            "candidate:a+/b 1 udp 1 192.0.2.1 5 typ relay generation 0 ufrag x network-id 1",
        ] {
            assert_eq!(is_usable(usable), Ok(true), "{usable}");
        }
        for passed_over in [
            "candidate:1 1 udp 1 4a1e.local 5 typ host",
            "candidate:1 1 udp 1 4A1E.LOCAL 5 typ host",
            "candidate:1 1 udp 1 host.example 5 typ host",
            "candidate:1 1 udp 1 fe80::1%eth0 5 typ host",
            "candidate:1 1 udp 1 192.0.2.1 5 typ future",
            "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            "candidate:1 1 ssltcp 1 192.0.2.1 443 typ host",
            "candidate:1 2 udp 1 192.0.2.1 5 typ host",
            "candidate:1 1 udp 1 192.0.2.1 5 typ srflx raddr 4a1e.local rport 5",
            "candidate:1 1 udp 1 0.0.0.0 5 typ host",
            "candidate:1 1 udp 1 192.0.2.1 0 typ host",
        ] {
            assert_eq!(is_usable(passed_over), Ok(false), "{passed_over}");
        }
    }

    #[test]
    fn what_is_no_candidate_is_told_why() {
        for (candidate, why) in [
            ("candidate:", "eight parts"),
            ("candidate:1 1 udp 1 192.0.2.1 5 typ", "eight parts"),
            ("candidate:1 x udp 1 192.0.2.1 5 typ host", "component"),
            ("candidate:1 1 udp x 192.0.2.1 5 typ host", "priority"),
            ("candidate:1 1 udp 1 192.0.2.1 70000 typ host", "port"),
            ("candidate:1 1 udp 1 192.0.2.1 5 type host", "word typ"),
        ] {
            assert!(
                is_usable(candidate).is_err_and(|told| told.contains(why)),
                "{candidate}"
            );
        }
    }
}
