//! The binary `mobula`.

fn main() -> std::process::ExitCode {
    mobula::main()
}
