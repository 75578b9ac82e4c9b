//! The kernels' tests on 64-bit ARM, in an emulator: that NEON gives the bits that all others give.

use std::process::Command;

use anyhow::Result;

use crate::run::{found, install, run, say};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";
/// Debian's packages of both, and of the C library that tests are linked to.
const PACKAGES: [&str; 3] = ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user"];
/// Random shapes of each property: the emulator is some thirty times slower.
const CASES: &str = "16";

/// The command that runs them, where linker and emulator are or can be installed; elsewhere it is
/// said how to get them.
pub(crate) fn tests() -> Result<Option<Command>> {
    let ready = found(LINKER) && found(EMULATOR);
    if !ready && !install(&PACKAGES) {
        say(&format!(
            "NEON is not tested: `apt-get install {}` brings linker and emulator",
            PACKAGES.join(" ")
        ));
        return Ok(None);
    }
    run("rustup", &["target", "add", TARGET])?;
    let mut tests = Command::new("cargo");
    tests
        .args(["test", "--release", "--no-fail-fast", "-p", "mobula-kernels", "--target", TARGET])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            format!("{EMULATOR} -L /usr/aarch64-linux-gnu"),
        )
        .env("PROPTEST_CASES", CASES);
    Ok(Some(tests))
}
