//! `GET /endpoints/NAME/sdp`: what a program must know to play the packets that it gets (RFC 8866).

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::Media;
use crate::api::problem::Problem;
use crate::codec::Codec;
use crate::config::TrackConfig;
use crate::ids::EndpointId;

impl Media {
    /// Returns the description of what an endpoint sends to `send_to`, or an error if it sends nothing.
    pub(crate) fn describe(&self, name: &str, endpoint: EndpointId) -> Result<String, Problem> {
        let tracks = self
            .tracks_of(endpoint)
            .filter_map(|id| self.tracks.get(id));
        let outputs: Vec<(SocketAddr, &TrackConfig)> = tracks
            .filter_map(|track| Some((track.config.send_to?, &track.config)))
            .collect();
        let Some((first, _)) = outputs.first() else {
            let detail =
                format!("endpoint {name} has no send_to: it gives no packets to a program");
            return Err(Problem::new(404, &detail).at("path"));
        };
        let mut text = format!(
            "v=0\r\no=- 0 0 IN {0}\r\ns={name}\r\nc=IN {0}\r\nt=0 0\r\n",
            connection(*first)
        );
        for (to, config) in &outputs {
            write_track(*to, config, &mut text);
        }
        Ok(text)
    }
}

fn connection(to: SocketAddr) -> String {
    let family = if to.is_ipv4() { "IP4" } else { "IP6" };
    format!("{family} {}", to.ip())
}

fn write_track(to: SocketAddr, config: &TrackConfig, text: &mut String) {
    let (kind, port, payload_type) = (
        config.codec.kind().as_str(),
        to.port(),
        config.send_payload_type,
    );
    let channels = config.channels.filter(|channels| *channels > 1);
    let channels = channels.map(|n| format!("/{n}")).unwrap_or_default();
    let _never_fails = write!(
        text,
        "m={kind} {port} RTP/AVP {payload_type}\r\nc=IN {}\r\na=rtpmap:{payload_type} {}/{}{channels}\r\n",
        connection(to),
        config.codec.as_str(),
        config.clock_rate
    );
    let parameters = parameters(config);
    if !parameters.is_empty() {
        let _never_fails = write!(text, "a=fmtp:{payload_type} {parameters}\r\n");
    }
    // Without the line the port after that of RTP is meant (RFC 3605 §2.1).
    if let Some(rtcp) = config.send_rtcp.filter(|rtcp| rtcp.port() != port + 1) {
        let _never_fails = write!(text, "a=rtcp:{} IN {}\r\n", rtcp.port(), connection(rtcp));
    }
    text.push_str("a=recvonly\r\n");
}

/// Returns the parameters of the packets. Browsers send H.264 in packetization mode 1, unless the configuration says
/// otherwise.
fn parameters(config: &TrackConfig) -> String {
    let own = config.fmtp.clone().unwrap_or_default();
    match config.codec {
        Codec::H264 if own.is_empty() => "packetization-mode=1".to_owned(),
        Codec::H264 if !own.contains("packetization-mode") => format!("packetization-mode=1;{own}"),
        Codec::H264
        | Codec::H265
        | Codec::Vp8
        | Codec::Vp9
        | Codec::Av1
        | Codec::Opus
        | Codec::Pcmu
        | Codec::Pcma
        | Codec::G722 => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_described_as_players_read_it() {
        let to = SocketAddr::from(([127, 0, 0, 1], 5006));
        let mut config = TrackConfig::new(Codec::H264);
        (config.send_payload_type, config.send_rtcp) =
            (96, Some(SocketAddr::from(([127, 0, 0, 1], 5007))));
        let mut text = String::new();
        write_track(to, &config, &mut text);
        let expected = "m=video 5006 RTP/AVP 96\r\nc=IN IP4 127.0.0.1\r\na=rtpmap:96 H264/90000\r\n\
            a=fmtp:96 packetization-mode=1\r\na=recvonly\r\n";
        assert_eq!(text, expected);
        let mut config = TrackConfig::new(Codec::Opus);
        config.fmtp = Some("sprop-stereo=1".to_owned());
        config.send_payload_type = 111;
        config.send_rtcp = Some(SocketAddr::from(([127, 0, 0, 1], 7000)));
        let mut text = String::new();
        write_track(to, &config, &mut text);
        for line in [
            "m=audio 5006 RTP/AVP 111\r\n",
            "a=rtpmap:111 opus/48000/2\r\n",
            "a=fmtp:111 sprop-stereo=1\r\n",
            "a=rtcp:7000 IN IP4 127.0.0.1\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
