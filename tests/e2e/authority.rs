//! Certificates that devices trust: this machine's own authority, and the operator's files, which other programs renew.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use data_encoding::BASE64_MIME;

use crate::daemon::{Folder, SOON};
use crate::stranger::{
    BOARD, CONFIG, STRANGER, bearer, host, on_a_network, set_up, start, thingway,
};

/// Returns what curl prints of a page, or why curl does not trust it.
fn open(root: &Path, url: &str, more: &[&str]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--fail", "--max-time", "60"])
        .args(["--interface", STRANGER, "--noproxy", "*"])
        .args(["--resolve", &format!("{}:8443:{BOARD}", host())])
        .arg("--cacert")
        .arg(root)
        .args(more)
        .arg(url);
    let output = command.output().expect("curl runs");
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8(output.stderr).expect("text"))
    }
}

fn line_with<'a>(text: &'a str, part: &str) -> &'a str {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("{part}: {text}")).trim()
}

#[test]
fn a_device_that_has_added_the_authority_opens_the_board_by_name_and_address() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let mut daemon = start(&folder, CONFIG);
        let (good, text) = thingway(&folder, &["setup", "--ca", "--host", "Board.Example"]);
        assert!(good, "{text}");
        let fingerprint = text.lines().find(|line| line.matches(':').count() == 31);
        let fingerprint = fingerprint.expect("a fingerprint").trim();
        let page = line_with(&text, &format!("https://{BOARD}:8443/ca"));
        let (_, token) = line_with(&text, "#token=")
            .split_once("#token=")
            .expect("a token");

        // At first no authority vouches for the page, so a person compares fingerprints.
        let none = folder.write("none.pem", "");
        let shown = open(&none, page, &["--insecure"]).expect("the page");
        let shown = String::from_utf8(shown).expect("text");
        assert!(
            shown.contains(fingerprint) && shown.contains("board.example"),
            "{shown}"
        );
        let profile = open(
            &none,
            &format!("{page}/thingway.mobileconfig"),
            &["--insecure"],
        );
        let profile = String::from_utf8(profile.expect("the profile")).expect("text");
        let der = open(&none, &format!("{page}/thingway.crt"), &["--insecure"]).expect("DER");
        assert!(profile.contains(BASE64_MIME.encode(&der).replace("\r\n", "").as_str()));
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n",
            BASE64_MIME.encode(&der)
        );
        let root = folder.write("root.pem", &pem);

        let header = bearer(token);
        let trusted = |host: &str| {
            let url = format!("https://{host}:8443/access");
            open(&root, &url, &["-H", &header]).map(|_| ())
        };
        for known in [host().as_str(), BOARD] {
            trusted(known).unwrap_or_else(|why| panic!("{known}: {why}"));
        }
        // The address is the board's, but the name is not in the certificate.
        let url = "https://other.local:8443/access";
        let other = open(
            &root,
            url,
            &["--resolve", &format!("other.local:8443:{BOARD}")],
        );
        assert!(other.is_err_and(|why| why.contains("other.local") || why.contains("subject")));

        // With another set-up the authority that devices have added stays, also over a restart.
        let (good, again) = thingway(&folder, &["setup", "--ca"]);
        assert!(good && again.contains(fingerprint), "{again}");
        daemon.signal(rustix::process::Signal::TERM);
        daemon.ended_within(SOON).expect("an end");
        let _daemon = start(&folder, CONFIG);
        trusted(BOARD).expect("as before");
        let kept = folder.join("state/thingway/authority.json");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(kept).expect("kept").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);

        // A name that the authority does not sign for requires another authority, which devices have to add.
        let (good, other) = thingway(&folder, &["setup", "--ca", "--host", "198.51.100.7"]);
        assert!(good && !other.contains(fingerprint), "{other}");
        let (good, why) = thingway(&folder, &["setup", "--ca", "--host", "no spaces"]);
        assert!(!good && why.contains("no spaces"), "{why}");
        let (good, why) = thingway(&folder, &["setup", "--host", "x.example"]);
        assert!(!good && why.contains("--ca"), "{why}");
    });
}

#[test]
fn without_an_authority_its_page_says_how_to_make_one() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let _daemon = start(&folder, CONFIG);
        let (port, ..) = set_up(&folder);
        let none = folder.write("none.pem", "");
        let url = format!("https://{BOARD}:{port}/ca");
        let page = Command::new("curl")
            .args([
                "--silent",
                "--insecure",
                "--interface",
                STRANGER,
                "--cacert",
            ])
            .arg(none)
            .arg(url)
            .output()
            .expect("curl runs");
        let page = String::from_utf8(page.stdout).expect("text");
        assert!(page.contains("thingway setup --ca"), "{page}");
    });
}

/// Writes a self-signed certificate, as a program that renews certificates would.
fn write_pair(folder: &Folder, certificate: &Path, key: &Path) {
    let made = rcgen::generate_simple_self_signed(vec![BOARD.to_owned()]).expect("made");
    fs::write(folder.join("key.new"), made.signing_key.serialize_pem()).expect("written");
    fs::write(folder.join("certificate.new"), made.cert.pem()).expect("written");
    fs::rename(folder.join("key.new"), key).expect("renamed");
    fs::rename(folder.join("certificate.new"), certificate).expect("renamed");
}

#[test]
fn a_certificate_that_was_renewed_is_shown_without_a_restart() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        // As ACME clients do it: the configured names are links, and the files behind them change.
        let real = folder.join("live");
        fs::create_dir(&real).expect("a folder");
        let (certificate, key) = (real.join("board.pem"), real.join("board.key"));
        write_pair(&folder, &certificate, &key);
        let links = ["a.pem", "a.key"].map(|name| folder.join(name));
        std::os::unix::fs::symlink(&certificate, &links[0]).expect("a link");
        std::os::unix::fs::symlink(&key, &links[1]).expect("a link");
        let config = format!(
            "[http]\nlisten = [\"127.0.0.1:0\", \"{BOARD}:8443\"]\ntls = {{ certificate = {:?}, key = {:?} }}\n",
            links[0], links[1]
        );
        let daemon = start(&folder, &config);
        let url = format!("https://{BOARD}:8443/healthz");
        open(&certificate, &url, &[]).expect("the first");
        let first = folder.join("first.pem");
        fs::copy(&certificate, &first).expect("copied");

        write_pair(&folder, &certificate, &key);
        let fingerprints = || daemon.log().matches("TLS certificate sha-256").count();
        daemon.until("the second is read", |_| fingerprints() == 2);
        open(&certificate, &url, &[]).expect("the second");
        open(&first, &url, &[]).expect_err("the first is no longer shown");

        // An incomplete renewal changes nothing.
        fs::write(&key, "no key").expect("written");
        daemon.until("it is refused", |daemon| {
            daemon.log().contains("the certificate stays as it was")
        });
        open(&certificate, &url, &[]).expect("still the second");
    });
}
