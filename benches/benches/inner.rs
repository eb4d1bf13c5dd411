//! How long the inner paths take: `cargo bench` in `benches/`.
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use thingway_benches::{PATHS, path};

fn inner(criterion: &mut Criterion) {
    for (name, _) in PATHS {
        let mut path = path(name).expect("its name");
        criterion.bench_function(path.name, |bencher| {
            bencher
                .iter_custom(|times| Duration::from_nanos((0..times).map(|_| (path.step)()).sum()));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = inner
}
criterion_main!(benches);
