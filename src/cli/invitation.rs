//! Output for operators who open this machine's pages on another device: addresses, QR codes, and how to
//! verify that the page comes from this machine.

use std::net::IpAddr;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::Value;

/// The addresses at which other machines reach the daemon.
#[derive(Debug)]
pub(crate) struct Reachability {
    /// The addresses, in the order in which they are printed.
    hosts: Vec<String>,
    /// The port. `None`: the daemon listens on loopback only.
    port: Option<u64>,
    /// Whether the output is a terminal, whose colours can be set for a QR code.
    is_terminal: bool,
}

impl Reachability {
    /// Returns the place for an answer of `/access` or `/setup`, with this machine's addresses.
    pub(crate) fn new(answer: &Value, addresses: &[IpAddr], is_terminal: bool) -> Self {
        // An IPv4 address first, because it makes the smallest code and old phones do not resolve `.local`
        // names.
        let v4 = addresses.iter().filter(|a| a.is_ipv4() && !a.is_loopback());
        let mut hosts: Vec<String> = v4.map(ToString::to_string).collect();
        let known = answer.get("hosts").and_then(Value::as_array);
        let known = known.into_iter().flatten().filter_map(Value::as_str);
        for name in known.filter(|host| host.contains('.') && host.parse::<IpAddr>().is_err()) {
            hosts.push(name.to_owned());
        }
        Self {
            hosts,
            port: answer.get("port").and_then(Value::as_u64),
            is_terminal,
        }
    }

    fn urls(&self, path: &str) -> Vec<String> {
        let port = self.port.unwrap_or_default();
        let hosts = self.hosts.iter();
        hosts
            .map(|host| format!("https://{host}:{port}/{path}"))
            .collect()
    }

    /// Returns the addresses, one a line, and a QR code of the first.
    fn shown(&self, path: &str) -> String {
        let urls = self.urls(path);
        let mut all: String = urls.iter().map(|url| format!("  {url}\n")).collect();
        match urls.first() {
            Some(first) => all.push_str(&self.picture(first)),
            None => all.push_str("  This machine has no address on a network yet.\n"),
        }
        all
    }

    /// Returns a QR code as text. Readers need dark modules on a light background. On a terminal both colours
    /// are set, because its own may be either way round. For other output (a log, a file) a dark background
    /// is assumed.
    fn picture(&self, url: &str) -> String {
        let Ok(code) = QrCode::new(url) else {
            return String::new();
        };
        let mut renderer = code.render::<Dense1x2>();
        if !self.is_terminal {
            renderer
                .dark_color(Dense1x2::Light)
                .light_color(Dense1x2::Dark);
            return format!("\n{}\n", renderer.build());
        }
        renderer
            .dark_color(Dense1x2::Dark)
            .light_color(Dense1x2::Light);
        let picture = renderer.build();
        let lines = picture.lines();
        let coloured = lines.map(|line| format!("\x1b[38;5;16;48;5;231m{line}\x1b[0m\n"));
        format!("\n{}\n", coloured.collect::<String>())
    }
}

/// How to find a certificate's fingerprint in each browser.
const WHERE: &str = "Chrome, Edge: \"Not secure\" in the address bar, then the certificate. Firefox: Advanced, then View\n\
                     Certificate. Safari: Show Details, then view the certificate.\n";

/// Returns the output of `thingway setup`.
pub(crate) fn setup_text(answer: &Value, place: &Reachability) -> String {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let (name, token) = (text("name"), text("token"));
    let console = place.shown(&format!("#token={token}"));
    let authority = answer.get("authority").filter(|found| found.is_object());
    let mut all = match authority {
        Some(authority) => {
            let of = |key: &str| authority.get(key).and_then(Value::as_str);
            let fingerprint = of("fingerprint").unwrap_or_default();
            let page = place.shown("ca");
            format!(
                "1. Once on each device, open this page and follow its steps:\n\n{page}\n\
                 The browser warns this one time. The page must show this SHA-256 fingerprint of the\n\
                 certificate authority \"{}\":\n\n  {fingerprint}\n\n\
                 2. From then on open the console without a warning:\n\n{console}",
                of("name").unwrap_or_default()
            )
        }
        None => format!(
            "Open one of these from another machine on the network:\n\n{console}\n\
             The browser warns, because this machine signed its certificate itself. Go on only if\n\
             the certificate has this SHA-256 fingerprint:\n\n  {}\n\n{WHERE}\
             To have no warning: thingway setup --ca\n",
            text("fingerprint")
        ),
    };
    all.push_str(&format!(
        "\nAnyone who has the console's address has every right. It is shown only this once; revoke it with\n\
         thingway token revoke {name}\n"
    ));
    all
}

/// Returns the output of `thingway token add` below the token.
pub(crate) fn token_text(token: &str, place: &Reachability) -> String {
    if place.port.is_none() {
        return closed();
    }
    format!(
        "\nOpen the console with this token at\n\n{}",
        place.shown(&format!("#token={token}"))
    )
}

/// Returns the output of `thingway token share`.
pub(crate) fn share_text(answer: &Value, place: &Reachability) -> String {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let (code, expires) = (text("share"), text("expires"));
    if place.port.is_none() {
        return format!("#share={code}\n{}", closed());
    }
    format!(
        "The first person who opens this link gets a token of their own:\n\n{}\n\
         The link works once, until {expires}.\n",
        place.shown(&format!("#share={code}"))
    )
}

fn closed() -> String {
    "\nThe daemon listens on this machine only. thingway setup opens it to your network; put this behind the address that it prints.\n"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(answer: &Value, is_terminal: bool) -> Reachability {
        let addresses = ["127.0.0.1", "192.0.2.7", "2001:db8::1"].map(|a| a.parse().unwrap());
        Reachability::new(answer, &addresses, is_terminal)
    }

    fn answer() -> Value {
        json!({
            "name": "owner", "token": "tw_0123_abc", "port": 8443, "fingerprint": "AB:CD",
            "hosts": ["board", "board.local", "192.0.2.7", "board.example"],
        })
    }

    #[test]
    fn what_setup_prints_has_everything_to_come_in_with() {
        let text = setup_text(&answer(), &place(&answer(), false));
        let places = ["192.0.2.7", "board.local", "board.example"].map(|host| {
            let url = format!("https://{host}:8443/#token=tw_0123_abc");
            text.find(&url).unwrap_or_else(|| panic!("{url}: {text}"))
        });
        assert!(places.is_sorted(), "the address first: {text}");
        assert!(text.contains("AB:CD") && text.contains("revoke owner"));
        assert!(
            text.contains('\u{2580}') || text.contains('\u{2584}'),
            "a QR code"
        );
        assert!(!text.contains("127.0.0.1") && !text.contains("localhost"));
    }

    #[test]
    fn an_authority_comes_before_the_token() {
        let mut answer = answer();
        answer["authority"] = json!({"name": "thingway on board", "fingerprint": "12:34"});
        let text = setup_text(&answer, &place(&answer, false));
        let page = text.find("https://192.0.2.7:8443/ca\n").expect("its page");
        let console = text.find("#token=").expect("the console");
        assert!(
            page < console && text.contains("12:34") && !text.contains("AB:CD"),
            "{text}"
        );
    }

    #[test]
    fn a_code_on_a_terminal_is_dark_on_light_whatever_its_colours() {
        let text = setup_text(&answer(), &place(&answer(), true));
        let lines = text.lines().filter(|line| line.contains('\u{2588}'));
        let lines: Vec<_> = lines.collect();
        assert!(lines.len() > 10, "{text}");
        let all = lines.iter();
        assert!(
            all.clone()
                .all(|line| line.starts_with("\x1b[38;5;16;48;5;231m"))
        );
        // The quiet zone at the left is background.
        assert!(all.clone().all(|line| line.contains("m    ")), "{text}");
        let plain = setup_text(&answer(), &place(&answer(), false));
        assert!(!plain.contains('\x1b'));
    }

    #[test]
    fn nobody_is_sent_to_a_port_that_is_closed() {
        let closed = place(&json!({"hosts": ["board.local"], "port": null}), false);
        let share = json!({"share": "xyz", "expires": "2030-01-01T00:00:00Z"});
        for text in [share_text(&share, &closed), token_text("tw_1", &closed)] {
            assert!(
                text.contains("thingway setup") && !text.contains("https://"),
                "{text}"
            );
        }
        let open = place(&json!({"hosts": ["board.local"], "port": 8443}), false);
        assert!(share_text(&share, &open).contains("https://board.local:8443/#share=xyz\n"));
    }
}
