//! The endpoints without a device: data is echoed, counted or generated.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::daemon::Daemon;
use crate::page::Page;
use crate::peer::reliable;

const TOTAL: usize = 4 * 1024 * 1024;
const PIECE: usize = 16 * 1024;

fn probe(kind: &str) -> (Daemon, Page) {
    let daemon = Daemon::start(&format!(
        "[[endpoint]]\nname = \"arm\"\nkind = \"{kind}\"\n"
    ));
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    (daemon, page)
}

fn random() -> Vec<u8> {
    let mut bytes = vec![0; TOTAL];
    StdRng::seed_from_u64(4).fill_bytes(&mut bytes);
    bytes
}

fn say(page: &mut Page, text: &str) {
    page.until("room", |page| {
        page.peer
            .send(Instant::now(), "arm", false, text.as_bytes())
    });
}

#[test]
fn echo_sends_four_megabytes_back_message_by_message() {
    let (_daemon, mut page) = probe("echo");
    let bytes = random();
    for piece in bytes.chunks(PIECE) {
        page.send("arm", piece);
    }
    page.until("all back", |page| {
        page.peer.channels["arm"].bytes.len() >= TOTAL
    });
    let arm = &page.peer.channels["arm"];
    assert!(arm.bytes == bytes);
    assert_eq!(arm.received.len(), TOTAL / PIECE);
    assert!(
        arm.received
            .iter()
            .all(|(binary, piece)| *binary && piece.len() == PIECE)
    );
}

#[test]
fn sink_counts_four_megabytes() {
    let (_daemon, mut page) = probe("sink");
    for piece in random().chunks(PIECE) {
        page.send("arm", piece);
    }
    say(&mut page, "end");
    page.until("counted", |page| {
        !page.peer.channels["arm"].received.is_empty()
    });
    assert_eq!(page.peer.text("arm"), format!("done:{TOTAL}"));
    say(&mut page, "end");
    page.until("counted", |page| {
        page.peer.channels["arm"].received.len() == 2
    });
    assert!(page.peer.text("arm").ends_with("done:0"));
}

#[test]
fn source_sends_four_megabytes() {
    let (_daemon, mut page) = probe("source");
    let count = TOTAL / PIECE;
    say(&mut page, &format!("send {PIECE} {count}"));
    page.until("all there", |page| {
        page.peer.channels["arm"].received.len() >= count
    });
    page.run(Duration::from_millis(100));
    let arm = &page.peer.channels["arm"];
    assert_eq!((arm.received.len(), arm.bytes.len()), (count, TOTAL));
    let pattern: Vec<u8> = (0..=255).cycle().take(PIECE).collect();
    assert!(arm.received.iter().all(|(_, piece)| *piece == pattern));
}
