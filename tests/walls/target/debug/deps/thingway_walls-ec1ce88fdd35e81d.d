/work/main/tests/walls/target/debug/deps/thingway_walls-ec1ce88fdd35e81d.d: src/main.rs src/calls.rs src/circles.rs src/names.rs src/rules.rs src/source.rs

/work/main/tests/walls/target/debug/deps/thingway_walls-ec1ce88fdd35e81d: src/main.rs src/calls.rs src/circles.rs src/names.rs src/rules.rs src/source.rs

src/main.rs:
src/calls.rs:
src/circles.rs:
src/names.rs:
src/rules.rs:
src/source.rs:
