//! The daemon sets no cookie, and a cookie gives no rights.

use serde_json::json;

use crate::access::with_token;
use crate::routes::{self, request};
use crate::sessions::ARM;
use crate::world::World;

#[test]
fn no_answer_sets_a_cookie_and_no_cookie_gives_rights() {
    let mut world = World::new(1, ARM);
    let token = with_token(&mut world, &json!({"name": "boss", "admin": true}));
    world.token = None;
    for (method, path) in routes::own().into_iter().chain(routes::hub()) {
        // A request of root on this machine, of an administrator, and of a page.
        for lines in [
            "Host: board\r\n".to_owned(),
            format!("Host: board\r\nAuthorization: Bearer {token}\r\n"),
            "Host: board\r\nOrigin: http://board\r\nCookie: a=b\r\n".to_owned(),
        ] {
            let answer = world.request(request(method, &path, &lines).as_bytes());
            let head = answer.split("\r\n\r\n").next().unwrap_or_default();
            assert!(
                !head.to_ascii_lowercase().contains("set-cookie"),
                "{method} {path}: {head}"
            );
        }
    }
    let lines = format!("Host: board\r\nCookie: token={token}; Authorization={token}\r\n");
    let head = request("GET", "/endpoints", &lines);
    let answer = world.request_from("198.51.100.9:40000", head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}
