//! Tests of the contents that a file may have, and of the messages about faults.

use super::*;

fn faults(text: &str) -> Vec<String> {
    Config::parse(text)
        .expect_err("faults")
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn an_empty_file_listens_on_loopback_and_has_no_endpoint() {
    let config = Config::parse("").expect("nothing wrong");
    assert_eq!(
        config,
        Config {
            endpoints: Vec::new(),
            ..Config::default()
        }
    );
}

#[test]
fn the_example_of_the_readme_is_understood() {
    let config = Config::parse(
        r#"
        [http]
        listen = ["127.0.0.1:8000", "[::1]:8000"]
        hosts = ["Board.Example"]
        allowed_origins = ["https://panel.example:8443"]
        [ice]
        port = 40_000
        [limits]
        sessions = 2
        connect_timeout_s = 5
        [[endpoint]]
        name = "arm"
        kind = "serial"
        path = "/dev/serial/by-id/usb-x"
        baud = 115200
        [[endpoint]]
        name = "rover"
        kind = "udp"
        remote = "[::1]:14550"
        messages = "text"
        "#,
    )
    .expect("nothing wrong");
    assert_eq!(config.http.listen.len(), 2);
    assert_eq!(config.http.hosts, ["board.example"]);
    assert_eq!(config.ice.port, 40_000);
    assert_eq!(config.limits.sessions, 2);
    assert_eq!(config.limits.connect_timeout, Duration::from_secs(5));
    let [arm, rover] = config.endpoints.as_slice() else {
        panic!("two endpoints")
    };
    let kind = EndpointKind::Serial {
        path: "/dev/serial/by-id/usb-x".into(),
        line: Box::new(LineSettings::at(115_200)),
    };
    assert_eq!((arm.name.as_str(), &arm.kind), ("arm", &kind));
    assert_eq!(rover.messages, MessageType::Text);
}

#[test]
fn all_faults_come_at_once_with_their_lines() {
    let text = "[http]\n\
                listen = [\"0.0.0.0:8000\", \"nonsense\"]\n\
                hots = []\n\
                tls = { key = \"k\" }\n\
                allowed_origins = [\"*\", \"https://a.example/path\"]\n\
                [ice]\n\
                port = 70000\n\
                [[endpoint]]\n\
                name = \"thingway\"\n\
                kind = \"serial\"\n\
                path = \"ttyUSB0\"\n\
                baud = \"fast\"\n\
                [[endpoint]]\n\
                name = \"a b\"\n\
                kind = \"telepathy\"\n\
                [[endpoint]]\n\
                kind = \"udp\"\n\
                remote = \"localhost:1\"\n";
    let faults = faults(text);
    let expected = [
        "2: http.listen: \"nonsense\" is not an address",
        "3: unknown key http.hots; did you mean http.hosts?",
        "4: http.tls without certificate",
        "4: http.tls.key \"k\" must begin with /",
        "5: http.allowed_origins: \"*\" is not an origin",
        "5: http.allowed_origins: \"https://a.example/path\"",
        "7: ice.port must be from 0 to 65535, not 70000",
        "9: endpoint.name \"thingway\" is reserved",
        "11: endpoint.path \"ttyUSB0\" must begin with /",
        "12: endpoint.baud must be a whole number, not string",
        "14: endpoint.name \"a b\" may have letters",
        "15: endpoint.kind must be serial, tcp, unix, udp, rtp, demo, echo, sink or source, not \"telepathy\"",
        "16: endpoint without name",
        "18: endpoint.remote \"localhost:1\" is not an address",
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, start) in faults.iter().zip(expected) {
        assert!(
            fault.starts_with(start),
            "{fault} should start with {start}"
        );
    }
}

#[test]
fn syntax_errors_and_wrong_shapes_have_lines_too() {
    assert!(
        faults("[http\nlisten = []")
            .first()
            .unwrap()
            .starts_with("1: ")
    );
    assert_eq!(
        faults("\nendpoint = 3"),
        ["2: endpoint must be a list of tables, as in [[endpoint]], not integer"]
    );
    assert_eq!(
        faults("http = []"),
        ["1: http must be a table, as in [http], not array"]
    );
}

#[test]
fn a_list_of_the_wrong_type_is_one_fault() {
    for listen in ["\"127.0.0.1:1\"", "[7]"] {
        let found = faults(&format!("[http]\nlisten = {listen}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("2: http.listen must be a list of strings"));
    }
}

#[test]
fn a_name_may_be_there_once() {
    let one = "[[endpoint]]\nname = \"x\"\nkind = \"demo\"\n";
    assert_eq!(
        faults(&one.repeat(2)),
        ["4: endpoint \"x\" is there twice, first at line 1"]
    );
}

#[test]
fn hosts_and_origins_that_could_never_match_are_faults() {
    let faults = faults(
        "[http]\nlisten = []\nhosts = [\"board:80\", \"http://x\"]\n\
         allowed_origins = [\"https://a.example:443\"]\n",
    );
    let starts = [
        "1: http.listen is empty",
        "3: http.hosts: \"board:80\"",
        "3: http.hosts: \"http://x\"",
        "4: http.allowed_origins",
    ];
    assert_eq!(faults.len(), starts.len(), "{faults:?}");
    for (fault, start) in faults.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault}");
    }
    let good = "[http]\nhosts = [\"192.0.2.1\", \"[2001:db8::1]\", \"a.example\"]\n";
    assert!(Config::parse(good).is_ok());
    let twice = "[http]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:1\"]\n";
    assert!(Config::parse(twice).is_err());
}

#[test]
fn a_program_can_be_made_to_wait_and_a_line_cannot() {
    let lag = |keys: &str| {
        let text = format!("[[endpoint]]\nname = \"arm\"\n{keys}");
        let config = Config::parse(&text).map_err(|faults| faults[0].to_string())?;
        Ok::<_, String>(config.endpoints[0].traffic.lag)
    };
    let tcp = "kind = \"tcp\"\nremote = \"192.0.2.7:22\"\n";
    let tty = "kind = \"serial\"\npath = \"/dev/x\"\n";
    let udp = "kind = \"udp\"\nremote = \"192.0.2.7:9\"\n";
    let wait = "lag = \"wait\"\n";
    assert_eq!(lag(tcp), Ok(LagPolicy::Close));
    assert_eq!(lag(&format!("{tcp}{wait}")), Ok(LagPolicy::Wait));
    let own = format!("{tcp}connection = \"channel\"\n");
    assert_eq!(lag(&own), Ok(LagPolicy::Wait));
    assert_eq!(lag(&format!("{own}lag = \"skip\"\n")), Ok(LagPolicy::Skip));
    let deadman = "deadman = { timeout_ms = 500, send = \"stop\" }\n";
    assert_eq!(lag(&format!("{own}{deadman}")), Ok(LagPolicy::Close));
    let refused = lag(&format!("{own}{wait}{deadman}")).expect_err("it would not read the stop");
    assert!(refused.contains("goes with no deadman"), "{refused}");
    for kind in [tty, udp] {
        let refused = lag(&format!("{kind}{wait}")).expect_err("nothing holds it up");
        assert!(refused.contains("lag must be close or skip"), "{refused}");
    }
}
