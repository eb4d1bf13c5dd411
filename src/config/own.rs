//! Endpoints that would lead back into this daemon. A `tcp` or `unix` endpoint at one of the daemon's own
//! listeners would make every writer of the endpoint an administrator, because the daemon would see a client
//! on this machine.

use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path, PathBuf};

use super::{EndpointKind, Meeting, RtpConfig, UdpConfig};

/// The addresses at which this daemon itself can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnPlaces {
    /// The HTTP listeners.
    pub listeners: Vec<SocketAddr>,
    /// The known addresses of this machine. Loopback always belongs to this machine.
    pub addresses: Vec<IpAddr>,
    /// The paths of the control sockets.
    pub control: Vec<PathBuf>,
    /// The UDP ports of sessions.
    pub ice: Vec<u16>,
}

impl OwnPlaces {
    /// Returns why an endpoint of this kind may not exist, or `None` if it may.
    pub fn fault(&self, kind: &EndpointKind) -> Option<String> {
        match kind {
            EndpointKind::Tcp(Meeting::Remote(to) | Meeting::PerChannel(to)) => {
                let found = self.listeners.iter().find(|own| self.reaches(*to, **own))?;
                Some(format!(
                    "remote {to} is this gateway itself, which listens at {found}: whoever may write to the endpoint \
                     would be an administrator"
                ))
            }
            EndpointKind::Unix(Meeting::Remote(to) | Meeting::PerChannel(to)) => {
                let to = plain(to);
                self.control.iter().find(|own| plain(own) == to)?;
                Some(format!(
                    "remote {:?} is this gateway's control socket: whoever may write to the endpoint would be an \
                     administrator",
                    to.display().to_string()
                ))
            }
            EndpointKind::Udp(UdpConfig {
                remote: Some(to),
                bind,
                ..
            }) => {
                let is_own = bind.is_some_and(|bind| self.reaches(*to, bind))
                    || (self.is_here(to.ip()) && self.ice.contains(&to.port()));
                is_own.then(|| format!("remote {to} is a port of this gateway itself"))
            }
            EndpointKind::Rtp(rtp) => self.rtp_fault(rtp),
            EndpointKind::Tcp(Meeting::Listen(_))
            | EndpointKind::Unix(Meeting::Listen(_))
            | EndpointKind::Udp(_)
            | EndpointKind::Serial { .. }
            | EndpointKind::Demo
            | EndpointKind::Echo
            | EndpointKind::Sink
            | EndpointKind::Source => None,
        }
    }

    fn rtp_fault(&self, rtp: &RtpConfig) -> Option<String> {
        let mut local = rtp.local_addresses();
        if let Some(addr) = local.find(|addr| self.ice.contains(&addr.port())) {
            return Some(format!(
                "the port of {addr} is that of this gateway's sessions (ice.port)"
            ));
        }
        // Media of browsers would return as if the local program had sent them.
        let is_own = |to: &SocketAddr| {
            rtp.local_addresses().any(|own| self.reaches(*to, own))
                || (self.is_here(to.ip()) && self.ice.contains(&to.port()))
        };
        let mut sent = rtp
            .tracks()
            .flat_map(|track| [track.send_to, track.send_rtcp])
            .flatten();
        let to = sent.find(is_own)?;
        Some(format!(
            "media of browsers would go to {to}, which is a port of this gateway itself"
        ))
    }

    /// Returns whether data sent to an address arrives at a socket that is bound to `own`.
    fn reaches(&self, to: SocketAddr, own: SocketAddr) -> bool {
        let (to_ip, own_ip) = (to.ip().to_canonical(), own.ip().to_canonical());
        to.port() == own.port()
            && (to_ip == own_ip || to_ip.is_unspecified() || own_ip.is_unspecified())
            && (to_ip == own_ip || self.is_here(to_ip))
    }

    fn is_here(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified() || self.addresses.contains(&address)
    }
}

/// Returns a path without its `.` and `..`, computed from the text alone. Links are followed where the path
/// is opened.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) | Component::Normal(_) => {
                plain.push(component);
            }
        }
    }
    // On Debian /var/run is a link to /run.
    plain
        .strip_prefix("/var/run")
        .map(|rest| Path::new("/run").join(rest))
        .unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn kind(text: &str) -> EndpointKind {
        let config = Config::parse(&format!("[[endpoint]]\nname = \"x\"\n{text}"));
        config.expect(text).endpoints.remove(0).kind
    }

    #[test]
    fn endpoints_at_the_daemon_itself_are_faults() {
        let own = OwnPlaces {
            listeners: ["127.0.0.1:8000", "[::]:8443"]
                .map(|addr| addr.parse().expect("an address"))
                .to_vec(),
            addresses: vec!["192.0.2.7".parse().expect("an address")],
            control: vec!["/run/thingway/control.sock".into()],
            ice: vec![40_000],
        };
        let video =
            |keys: &str| format!("kind = \"rtp\"\n[endpoint.video]\ncodec = \"VP8\"\n{keys}");
        for (text, is_fault) in [
            ("kind = \"tcp\"\nremote = \"127.0.0.1:8000\"", true),
            (
                "kind = \"tcp\"\nremote = \"127.0.0.1:8000\"\nconnection = \"channel\"",
                true,
            ),
            ("kind = \"tcp\"\nremote = \"[::ffff:127.0.0.1]:8000\"", true),
            ("kind = \"tcp\"\nremote = \"127.0.0.1:8443\"", true),
            ("kind = \"tcp\"\nremote = \"[::1]:8443\"", true),
            ("kind = \"tcp\"\nremote = \"192.0.2.7:8443\"", true),
            ("kind = \"tcp\"\nremote = \"192.0.2.7:8000\"", false),
            ("kind = \"tcp\"\nremote = \"127.0.0.2:8000\"", false),
            ("kind = \"tcp\"\nremote = \"192.0.2.9:8443\"", false),
            ("kind = \"tcp\"\nremote = \"127.0.0.1:8001\"", false),
            ("kind = \"tcp\"\nlisten = \"127.0.0.1:8001\"", false),
            (
                "kind = \"unix\"\nremote = \"/run/thingway/control.sock\"",
                true,
            ),
            (
                "kind = \"unix\"\nremote = \"/var/run/x/../thingway/./control.sock\"",
                true,
            ),
            (
                "kind = \"unix\"\nremote = \"/run/other/control.sock\"",
                false,
            ),
            ("kind = \"udp\"\nremote = \"127.0.0.1:40000\"", true),
            ("kind = \"udp\"\nremote = \"127.0.0.1:40001\"", false),
            (
                "kind = \"udp\"\nremote = \"127.0.0.1:9\"\nbind = \"0.0.0.0:9\"",
                true,
            ),
            ("kind = \"udp\"\nremote = \"192.0.2.9:40000\"", false),
            ("kind = \"demo\"", false),
            (&video("listen = \"127.0.0.1:5004\""), false),
            (&video("listen = \"127.0.0.1:40000\""), true),
            // RTCP is at the next port.
            (&video("listen = \"127.0.0.1:39999\""), true),
            (
                &video("listen = \"127.0.0.1:39999\"\nrtcp = \"mux\""),
                false,
            ),
            (&video("send_to = \"127.0.0.1:40000\""), true),
            (&video("send_to = \"192.0.2.7:39999\""), true),
            (&video("send_to = \"192.0.2.9:40000\""), false),
            (
                &video("listen = \"127.0.0.1:5004\"\nsend_to = \"127.0.0.1:5006\""),
                false,
            ),
            (
                &video("listen = \"127.0.0.1:5004\"\nsend_to = \"127.0.0.1:5003\""),
                true,
            ),
        ] {
            assert_eq!(own.fault(&kind(text)).is_some(), is_fault, "{text}");
        }
    }
}
