//! The command line: what it prints, and the exit codes that scripts and service managers see.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::daemon::Folder;

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn what_is_asked_for_is_printed_to_standard_output() {
    let folder = Folder::new();
    let (code, out, err) = run(folder.program().arg("--version"));
    let expected = format!("thingway {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Some(0), expected.as_str(), "")
    );

    let (code, out, err) = run(folder.program().arg("--help"));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for word in [
        "--config",
        "--listen",
        "--log",
        "--version",
        "check",
        "fingerprint",
        "ports",
    ] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let (code, out, err) = run(folder.program().args(["fingerprint", "--own"]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(
        out.starts_with("sha-256 ") && out.len() == "sha-256 ".len() + 32 * 3,
        "{out}"
    );
    assert_eq!(
        run(folder.program().args(["fingerprint", "--own"])).1,
        out,
        "it is kept"
    );
}

#[test]
fn a_command_line_that_makes_no_sense_is_2_and_says_why() {
    let folder = Folder::new();
    for (arguments, word) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["--listen"], "--listen"),
        (&["--listen", "nonsense"], "nonsense"),
        (&["--listen", "0.0.0.0"], "0.0.0.0"),
        (&["--log", "loud"], "loud"),
        (&["fly"], "fly"),
        (&["check"], "--config"),
    ] {
        let (code, out, err) = run(folder.program().args(arguments));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains(word), "{arguments:?}: {err}");
        assert!(!err.contains("panicked"), "{err}");
    }
    let (_, _, err) = run(folder.program().arg("--nonsense"));
    assert!(err.contains("--help"), "where to read more: {err}");
    assert!(!folder.join("state").exists(), "nothing was done");
}

#[test]
fn all_faults_of_a_config_are_told_with_their_lines_and_78() {
    let folder = Folder::new();
    let path = folder.write(
        "bad.toml",
        "[http]\nlisten = [\"0.0.0.0\"]\nhots = []\n\n[[endpoint]]\nname = \"x\"\nkind = \"serial\"\nbaud = 0\n",
    );
    let shown = path.display();
    for arguments in [&["check", "--config"][..], &["--config"]] {
        let (code, out, err) = run(folder.program().args(arguments).arg(&path));
        assert_eq!((code, out.as_str()), (Some(78), ""), "{err}");
        let lines: Vec<&str> = err.lines().collect();
        assert!(lines.len() >= 4, "{err}");
        for (line, start) in [
            ("2", "http.listen"),
            ("3", "unknown key http.hots"),
            ("8", "endpoint.baud"),
        ] {
            let wanted = format!("{shown}:{line}: {start}");
            assert!(
                lines.iter().any(|line| line.starts_with(&wanted)),
                "{wanted}: {err}"
            );
        }
    }
    let good = folder.write(
        "good.toml",
        "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n",
    );
    let (code, out, err) = run(folder.program().args(["check", "--config"]).arg(&good));
    assert_eq!(
        (code, out, err),
        (
            Some(0),
            format!("{}: good\n", good.display()),
            String::new()
        )
    );
    // Files and endpoints that do not exist.
    let hollow = folder.write(
        "hollow.toml",
        "[http.tls]\ncertificate = \"/nowhere/cert.pem\"\nkey = \"/nowhere/key.pem\"\n\
         [[peer]]\nid = \"arm\"\nendpoint = \"arm\"\n",
    );
    let (code, out, err) = run(folder.program().args(["check", "--config"]).arg(&hollow));
    assert_eq!((code, out.as_str()), (Some(78), ""), "{err}");
    for told in [
        "http.tls: /nowhere/cert.pem: No such file",
        "peer \"arm\": there is no endpoint \"arm\"",
    ] {
        assert!(err.contains(told), "{err}");
    }
    let (code, _, err) = run(folder
        .program()
        .args(["check", "--config"])
        .arg(folder.join("none")));
    assert_eq!(code, Some(78), "{err}");
    assert!(err.contains("No such file"), "{err}");
    assert!(
        !folder.join("state").exists(),
        "a check leaves nothing behind"
    );
}

#[test]
fn a_port_that_is_taken_is_1_and_named() {
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("its address").to_string();
    let (code, _, err) = run(folder.program().args(["--listen", &addr]));
    assert_eq!(code, Some(1), "{err}");
    let last = err.lines().last().expect("a reason");
    assert!(last.contains(&addr) && last.contains("in use"), "{err}");

    let socket = std::net::UdpSocket::bind("[::]:0").expect("a port");
    let port = socket.local_addr().expect("its address").port();
    let path = folder.write("ice.toml", &format!("[ice]\nport = {port}\n"));
    let both = std::net::UdpSocket::bind(("0.0.0.0", port));
    let arguments = ["--listen", "127.0.0.1:0", "--config"];
    let (code, _, err) = run(folder.program().args(arguments).arg(path));
    drop(both);
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.contains(&port.to_string()) && err.contains("in use"),
        "{err}"
    );
}

#[test]
fn the_self_test_passes_here_and_says_what_it_has_seen() {
    let folder = Folder::new();
    let (code, out, err) = run(folder.program().arg("selftest"));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for step in [
        "AES-128-GCM",
        "ChaCha20-Poly1305",
        "a tty",
        "a session",
        "a panic",
        "the end",
    ] {
        assert!(out.contains(&format!("ok     {step}: ")), "{step}: {out}");
    }
    assert!(!out.contains("FAILED"), "{out}");
}

#[test]
fn shells_complete_what_there_is() {
    let folder = Folder::new();
    for (shell, how) in [("bash", "bash -n"), ("zsh", ""), ("fish", "")] {
        let (code, out, err) = run(folder.program().args(["completions", shell]));
        assert_eq!((code, err.as_str()), (Some(0), ""));
        for word in ["setup", "revoke", "--config"] {
            let word = if shell == "fish" {
                word.trim_start_matches('-')
            } else {
                word
            };
            assert!(out.contains(word), "{shell}: {word}: {out}");
        }
        if !how.is_empty() {
            let script = folder.write("script", &out);
            let (code, _, err) = run(Command::new("sh")
                .arg("-c")
                .arg(format!("{how} {}", script.display())));
            assert_eq!((code, err.as_str()), (Some(0), ""));
        }
    }
    let (code, _, err) = run(folder.program().args(["completions", "csh"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("not one of bash, zsh, fish"), "{err}");
}
