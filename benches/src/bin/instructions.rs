//! `instructions PATH TIMES`: takes a path so often, for callgrind to count. Without arguments: the names of all paths.
use thingway_benches::{PATHS, path};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = words.as_slice() else {
        for (name, _) in PATHS {
            println!("{name}");
        }
        return;
    };
    let mut path = path(name).expect("one of the names");
    for _ in 0..times.parse().expect("a number") {
        (path.step)();
    }
}
