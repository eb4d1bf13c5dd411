//! Invalid paths and labels.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::daemon::{Daemon, Folder};
use crate::page::Page;
use crate::peer::reliable;
use crate::pty::Pty;

#[test]
fn one_device_under_two_names_has_one_reader() {
    let folder = Arc::new(Folder::new());
    let pty = Pty::plug(&folder.join("one"));
    let line = |name: &str, path: &Path| {
        let path = path.display();
        format!("[[endpoint]]\nname = \"{name}\"\nkind = \"serial\"\npath = \"{path}\"\n")
    };
    let config = line("one", &folder.join("one")) + &line("two", &pty.line());
    let daemon = Daemon::start_in(folder, &config, &["--listen", "127.0.0.1:0"]);
    daemon.until("settled", |d| d.get("/endpoints/two")["state"] == "failed");
    assert_eq!(daemon.get("/endpoints/one")["state"], "open");
    let detail = daemon.get("/endpoints/two")["detail"].clone();
    assert!(
        detail
            .as_str()
            .is_some_and(|text| text.contains("another endpoint has it")),
        "{detail}"
    );
}

#[test]
fn what_is_no_line_is_not_opened_as_one() {
    let folder = Arc::new(Folder::new());
    let file = folder.write("file", "not a tty");
    let line = |name: &str, path: &Path| {
        let path = path.display();
        format!("[[endpoint]]\nname = \"{name}\"\nkind = \"serial\"\npath = \"{path}\"\n")
    };
    let config = line("folder", folder.path()) + &line("file", &file);
    let daemon = Daemon::start_in(folder, &config, &["--listen", "127.0.0.1:0"]);
    for (name, word) in [
        ("folder", "is a directory"),
        ("file", "is a file and not a tty"),
    ] {
        let shown = daemon.get(&format!("/endpoints/{name}"));
        assert_eq!(shown["state"], "failed", "{shown}");
        let detail = shown["detail"].as_str().expect("text");
        assert!(detail.contains(word), "{detail}");
    }
    let text = fs::read_to_string(&file).expect("the file");
    assert_eq!(text, "not a tty");
}

#[test]
fn a_label_is_a_name_and_never_a_path() {
    let folder = Arc::new(Folder::new());
    let pty = Pty::plug(&folder.join("arm"));
    let config = crate::serial::config(&folder.join("arm"));
    let daemon = Daemon::start_in(folder, &config, &["--listen", "127.0.0.1:0"]);
    let path = pty.line().display().to_string();
    let labels = [path.as_str(), "../arm", "./arm", "arm/", "arm\0", "ARM"];
    let mut page = Page::connect(&daemon, &[reliable("thingway")]);
    page.until("hello", |page| !page.peer.told("hello").is_empty());
    for label in labels {
        page.peer.open(Instant::now(), reliable(label));
    }
    page.until("refused", |page| {
        page.peer.told("refused").len() == labels.len()
    });
    for told in page.peer.told("refused") {
        assert_eq!(told["reason"], "unknown-endpoint", "{told}");
    }
    assert_eq!(daemon.get("/endpoints/arm")["routes"], 0);
}
