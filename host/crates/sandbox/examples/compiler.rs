//! A program that compiles in processes of its own: what stands at the beginning of its `main`.
//!
//! ```text
//! let own = std::env::current_exe()?;
//! let compiler = Compiler::new(own, vec!["--compile-component".into()]);
//! let sandbox = Sandbox::with_compiler(SandboxConfig::default(), compiler)?;
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|first| first == "--compile-component") {
        return mobula_sandbox::compile_child();
    }
    ExitCode::SUCCESS
}
