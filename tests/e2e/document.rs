//! `docs/serial.md`, followed line by line: each of its devices is configured as printed, with a pseudo
//! terminal in place of the hardware, and each of its commands is run.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use crate::daemon::{Daemon, Folder};
use crate::missing;
use crate::pty::Pty;

/// Returns the blocks of one language, each with the heading above it.
fn blocks(text: &str) -> Vec<(String, String, String)> {
    let mut blocks = Vec::new();
    let mut heading = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("## ") {
            text.clone_into(&mut heading);
        } else if let Some(language) = line.strip_prefix("```").filter(|l| !l.is_empty()) {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((heading.clone(), language.to_owned(), block.join("\n")));
        }
    }
    blocks
}

/// Runs shell commands as a reader would, and returns their output.
fn shell(folder: &Folder, commands: &str) -> String {
    let output = Command::new("sh")
        .arg("-ec")
        .arg(commands)
        .current_dir(folder.path())
        .env_remove(missing::ALL)
        .env("PATH", path_with_thingway())
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}\n{text}\n{errors}");
    text
}

fn path_with_thingway() -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_thingway"));
    let folder = program.parent().expect("a folder").display();
    format!("{folder}:{}", std::env::var("PATH").unwrap_or_default())
}

#[test]
fn each_device_of_serial_md_works_as_it_says() {
    let text = fs::read_to_string("docs/serial.md").expect("the document");
    let mut daemon: Option<(Daemon, Pty)> = None;
    let (mut devices, mut commands) = (0, 0);
    for (heading, language, block) in blocks(&text) {
        match language.as_str() {
            "toml" => {
                let path = block
                    .lines()
                    .find_map(|line| line.strip_prefix("path = \""));
                let (path, _) = path.expect("a path").split_once('"').expect("its end");
                let folder = Arc::new(Folder::new());
                let (line, log) = (folder.join("line"), folder.join("capture.log"));
                let config = block
                    .replace(path, &line.display().to_string())
                    .replace("/var/log/thingway/router.log", &log.display().to_string());
                let pty = Pty::plug(&line);
                let listen = ["--listen", "127.0.0.1:0"];
                daemon = Some((Daemon::start_in(folder, &config, &listen), pty));
                devices += 1;
                let (daemon, _) = daemon.as_ref().expect("just made");
                let name = name_of(&block);
                // A pseudo terminal has no transmitter to switch, and the daemon says so.
                let expected = if block.contains("rs485") {
                    "failed"
                } else {
                    "open"
                };
                daemon.until("its state", |d| {
                    d.get(&format!("/endpoints/{name}"))["state"] == expected
                });
            }
            "sh" if block.contains("/line ") && daemon.is_some() => {
                let (daemon, pty) = daemon.as_ref().expect("a device");
                commands += run(daemon, pty, &heading, &block);
            }
            _ => {}
        }
    }
    assert_eq!(
        (devices, commands),
        (4, 3),
        "devices and commands of the document"
    );
}

fn name_of(block: &str) -> &str {
    let name = block
        .lines()
        .find_map(|line| line.strip_prefix("name = \""));
    name.and_then(|name| name.strip_suffix('"'))
        .expect("a name")
}

/// Runs each `curl` of a block. Returns how many there were.
fn run(daemon: &Daemon, pty: &Pty, heading: &str, block: &str) -> usize {
    let joined = block.replace("\\\n", " ");
    let mut count = 0;
    for command in joined.lines().filter(|line| line.starts_with("curl ")) {
        let command = command
            .replace("127.0.0.1:8000", &daemon.addr.to_string())
            .replace("curl ", "curl -sS ");
        if command.contains("\"after\":1234") {
            send_1234_bytes(daemon, pty);
        }
        let answer = shell(&daemon.folder, &command);
        let answer: Value = serde_json::from_str(&answer).expect(&answer);
        if command.contains("\"dtr\"") {
            // A pseudo terminal has no modem lines, so the request is refused and the error names the step.
            assert_eq!(
                (&answer["status"], &answer["where"]),
                (&422.into(), &"do[0]".into())
            );
        } else {
            assert!(answer["line"]["baud"].is_u64(), "{heading}: {answer}");
        }
        count += 1;
    }
    count
}

fn send_1234_bytes(daemon: &Daemon, pty: &Pty) {
    let mut page = crate::page::Page::connect(
        daemon,
        &[
            crate::peer::reliable("thingway"),
            crate::peer::reliable("router"),
        ],
    );
    page.until("credit", |page| {
        page.peer.channels["router"].credit.is_some()
    });
    page.until("sent", |page| {
        let now = std::time::Instant::now();
        page.peer.send_within_credit(now, "router", &[b'x'; 1234])
    });
    let mut read = 0;
    page.until("on the line", |_| {
        read += pty.read_all().len();
        read == 1234
    });
}

#[test]
fn the_stand_in_of_serial_md_works_as_it_says() {
    let text = fs::read_to_string("docs/serial.md").expect("the document");
    let stand_in: Vec<String> = blocks(&text)
        .into_iter()
        .filter(|(heading, language, _)| heading == "Without hardware" && language == "sh")
        .map(|(.., block)| block)
        .collect();
    let [socat, start, curls] = stand_in.as_slice() else {
        panic!("three terminals: {stand_in:?}")
    };
    let folder = Arc::new(Folder::new());
    let link = folder.join("standin").display().to_string();
    let place = |text: &str| text.replace("/tmp/standin", &link);

    let mut device = Command::new("sh")
        .arg("-c")
        .arg(format!("exec {}", place(socat)))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("socat");
    // The last line starts the daemon, which the test starts in another way.
    let (before, last) = start.rsplit_once('\n').expect("lines");
    assert_eq!(last, "thingway --config board.toml");
    let checked = shell(&folder, &place(before));
    assert!(checked.ends_with("good\n"), "{checked}");
    let config = fs::read_to_string(folder.join("board.toml")).expect("written");
    let daemon = Daemon::start_in(folder, &config, &["--listen", "127.0.0.1:0"]);
    daemon.until("open", |d| d.get("/endpoints/board")["state"] == "open");
    let address = daemon.addr.to_string();
    let joined = curls
        .replace("\\\n", " ")
        .replace("127.0.0.1:8000", &address);
    let shown = shell(&daemon.folder, &joined.replace("curl ", "curl -sS "));
    assert!(
        shown.contains("\"baud\":115200") && shown.contains("\"baud\":57600"),
        "{shown}"
    );
    device.kill().expect("ended");
    device.wait().expect("gone");
}
