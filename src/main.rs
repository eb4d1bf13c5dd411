//! The program.

fn main() -> std::process::ExitCode {
    thingway::main()
}
