//! The tutorial works as it stands: its files are written and its commands run, in order.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod author;
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use author::Author;
use mobula_sandbox as sandbox;

const TUTORIAL: &str = include_str!("../../guest-sdk/TUTORIAL.md");
const REFERENCE: &str = include_str!("../../guest-sdk/REFERENCE.md");

/// A fenced block: the words after the fence, and what is in it.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut parts = page.split("```");
    parts.next();
    let mut blocks = Vec::new();
    while let Some(block) = parts.next() {
        let (info, body) = block.split_once('\n').unwrap();
        blocks.push((info.trim(), body));
        parts.next();
    }
    blocks
}

/// Runs one line as a shell would, with the program in its path.
fn shell(author: &Author, folder: &Path, line: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_mobula")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(program.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let ours = author.command(folder, &[]);
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder);
    command.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = command.env("PATH", path.unwrap()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "`{line}` failed: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_tutorial_works_as_it_stands() {
    let author = Author::new();
    let mut folder = author.folder.path().to_owned();
    let (mut said, mut commands, mut held) = (String::new(), 0, 0);
    for (info, body) in blocks(TUTORIAL) {
        match info.split_once(' ') {
            Some((_, file)) => {
                let file = folder.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, body).unwrap();
            }
            None if info == "sh" => {
                for line in body.lines() {
                    commands += 1;
                    match line.strip_prefix("cd ") {
                        Some(to) => folder = folder.join(to),
                        None => said = shell(&author, &folder, line),
                    }
                }
            }
            None if info == "text" => {
                for line in body.lines() {
                    held += 1;
                    assert!(said.contains(line), "`{line}` is not in: {said}");
                }
            }
            None => assert_eq!(info, "console", "a block of another kind: {body}"),
        }
    }
    assert!(commands >= 12 && held >= 4, "{commands} commands, {held} lines held");
}

#[test]
fn the_reference_tells_the_limits_as_they_are() {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let wanted = [
        ("memory", mib(sandbox::MEMORY_BYTES)),
        ("time", format!("{} s", sandbox::WALL.as_secs())),
        ("output", mib(sandbox::OUTPUT_BYTES)),
        ("log", format!("{} KiB", sandbox::LOG_BYTES >> 10)),
        ("tensor bytes", format!("{} GiB", sandbox::TENSOR_BYTES >> 30)),
        ("handles", sandbox::HANDLES.to_string()),
        ("files", sandbox::FILES.to_string()),
        ("reports", sandbox::REPORTS.to_string()),
        ("stack", format!("{} KiB", sandbox::STACK_BYTES >> 10)),
        ("json", mib(sandbox::JSON_BYTES)),
        ("component", mib(sandbox::COMPONENT_BYTES_MAX as u64)),
    ];
    for (name, size) in wanted {
        let row = format!("| {name} | {size} |");
        assert!(REFERENCE.contains(&row), "the reference has no row `{row}`");
    }
    let wit = include_str!("../../guest-sdk/wit/plugin.wit");
    let interfaces = wit.lines().filter_map(|line| line.strip_prefix("interface "));
    for name in interfaces.map(|rest| rest.trim_end_matches(" {").trim_start_matches('%')) {
        assert!(REFERENCE.contains(&format!("`{name}`")), "the reference does not name `{name}`");
    }
}
