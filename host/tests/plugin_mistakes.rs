//! What authors get wrong, and the message that each mistake gets: `guest-sdk/MISTAKES.md` is written from
//! here (with `BLESS=1`) and held against what the program says.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod author;
mod common;

use std::fs;
use std::path::{Path, PathBuf};

use author::{Author, edit};
use common::{Ended, data};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk/MISTAKES.md");
const HEAD: &str = "# What authors get wrong, and what they are told\n\n\
    Written and checked by `host/tests/plugin_mistakes.rs`: each row is a mistake that the test makes, with \
    the exit code and the message that it got. Paths are cut to `…`.\n\n\
    | mistake | where it is noticed | exit | message |\n|---|---|---|---|\n";

/// The table as it grows.
struct Table {
    author: Author,
    rows: Vec<String>,
}

impl Table {
    /// A mistake: what was done, where, how the command ended, and words that its message must have.
    #[track_caller]
    fn row(&mut self, mistake: &str, place: &str, ended: &Ended, code: i32, words: &[&str]) {
        let text = format!("{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(code), "{mistake}: {text}");
        assert!(!text.contains("panicked at host/src"), "{mistake}: {text}");
        for word in words {
            assert!(text.contains(word), "{mistake}: `{word}` is not in: {text}");
        }
        let said = self.said(&text, words);
        self.rows.push(format!("| {mistake} | `{place}` | {code} | {said} |\n"));
    }

    /// The lines that the words are in, without what differs from run to run.
    fn said(&self, text: &str, words: &[&str]) -> String {
        let mut lines: Vec<&str> = Vec::new();
        for line in text.lines().filter(|line| words.iter().any(|word| line.contains(word))) {
            if !lines.contains(&line.trim()) {
                lines.push(line.trim());
            }
        }
        let mut said = lines.join("<br>");
        let folders = [self.author.folder.path(), self.author.mobula.home.path(), data()];
        for folder in folders {
            said = said.replace(&folder.display().to_string(), "…");
        }
        let program = Path::new(env!("CARGO_BIN_EXE_mobula")).parent().unwrap();
        said = said.replace(&program.display().to_string(), "…");
        let mut plain = String::new();
        for part in said.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
            let hex = part.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
            plain += if hex.len() > 32 { "…" } else { hex };
            plain += &part[hex.len()..];
        }
        plain.replace('|', "\\|")
    }
}

fn wat(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    file.display().to_string()
}

fn pipeline(folder: &Path, stages: &str) {
    let load = format!(
        "[pipeline]\nname = \"p\"\n[[stage]]\nname = \"load\"\ntask = \"cifar10-load/load\"\n\
         mounts = {{ data = \"{}\" }}\n",
        data().display()
    );
    fs::write(folder.join("p.toml"), load + stages).unwrap();
}

#[test]
fn every_mistake_gets_a_message_that_says_what_to_change() {
    let author = Author::new();
    let folder = author.begin("mistaken", "rust", "task");
    let mut table = Table { author, rows: Vec::new() };
    in_the_source(&mut table, &folder);
    in_the_component(&mut table);
    in_a_call(&mut table, &folder);
    in_a_pipeline(&mut table, &folder);
    assert!(table.rows.len() >= 20);
    let page = format!("{HEAD}{}", table.rows.concat());
    if std::env::var_os("BLESS").is_some() {
        fs::write(PAGE, &page).unwrap();
    }
    let kept = fs::read_to_string(PAGE).unwrap_or_default();
    let differs = page.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
    assert!(page == kept, "BLESS=1 writes {PAGE} anew; the first line that differs: {differs:#?}");
}

/// Mistakes that the compiler or the build notices. The source is as before afterwards.
fn in_the_source(table: &mut Table, folder: &Path) {
    let source = folder.join("src/lib.rs");
    let good = fs::read_to_string(&source).unwrap();
    let mut broken = |mistake: &str, from: &str, to: &str, words: &[&str]| {
        edit(&source, from, to);
        let ended = table.author.run(folder, &["plugin", "build"]);
        table.row(mistake, "plugin build", &ended, 1, words);
        fs::write(&source, &good).unwrap();
    };
    let outputs = "/// What `mistaken` gives.\n#[outputs]";
    broken(
        "no `#[outputs]` on what a task returns",
        outputs,
        "",
        &["`Scaled` is not what a stage returns", "a struct with #[outputs] above it"],
    );
    broken(
        "a number as an input",
        "images: Tensor<u8>,",
        "images: Tensor<u8>, factor: f32,",
        &["`f32` cannot be an input of a stage", "go into `args`"],
    );
    broken(
        "an output of a type that cannot leave the plugin",
        "    images: Tensor<f32>,\n}",
        "    images: Tensor<f32>,\n    place: std::path::PathBuf,\n}",
        &["`PathBuf` cannot be an output of a stage", "Json<T> of anything with serde"],
    );
    broken(
        "a task that returns no `Result`",
        "-> Result<Scaled>",
        "-> Scaled",
        &["an export returns `Result<T>`, T with `#[outputs]`"],
    );
    broken(
        "a word that `#[arg]` does not know",
        "min = 0.0",
        "minimum = 0.0",
        &["an arg has default, min, max and one_of"],
    );
    broken(
        "an export that is not there in `plugin!`",
        "tasks: [mistaken]",
        "tasks: [mistake]",
        &["cannot find value `mistake` in this scope"],
    );
    let manifest = folder.join("Cargo.toml");
    edit(&manifest, "[\"cdylib\", \"rlib\"]", "[\"rlib\"]");
    let ended = table.author.run(folder, &["plugin", "build"]);
    table.row(
        "no `cdylib` in Cargo.toml",
        "plugin build",
        &ended,
        2,
        &["crate-type = [\"cdylib\"]"],
    );
    edit(&manifest, "[\"rlib\"]", "[\"cdylib\", \"rlib\"]");
    edit(&source, "tasks: [mistaken]", "");
    edit(&source, "#[task]", "#[task] #[expect(dead_code, reason = \"forgotten\")]");
    table.author.document(folder, &["plugin", "build"]);
    let ended = table.author.run(folder, &["plugin", "check"]);
    let words = ["exports no task and no actor", "name them"];
    table.row("nothing named in `plugin!`", "plugin check", &ended, 1, &words);
    fs::write(&source, &good).unwrap();
    table.author.document(folder, &["plugin", "build"]);
}

/// Mistakes that stand in the component, from whatever toolchain.
fn in_the_component(table: &mut Table) {
    let here = table.author.folder.path().to_owned();
    let mut check = |mistake: &str, file: &str, words: &[&str]| {
        let ended = table.author.run(&here, &["plugin", "check", file]);
        table.row(mistake, "plugin check", &ended, 1, words);
    };
    let file = here.join("notes.wasm");
    fs::write(&file, "not a component").unwrap();
    let file = file.display().to_string();
    check("a file that is no WebAssembly", &file, &["is no WebAssembly component", "plugin build"]);
    let file = wat(&here, "core.wasm", "(module)");
    check("built for another target", &file, &["is a core module", "--target wasm32-wasip2"]);
    let text = "(component (import \"mobula:plugin/tensors@0.2.0\" (instance)))";
    let file = wat(&here, "old.wasm", text);
    let words =
        ["tensors@0.2.0; this host has version 0.1.0", "SDK and this program differ in version"];
    check("built with the SDK of another version", &file, &words);
    let file = wat(&here, "empty.wasm", "(component)");
    let words =
        ["needs the export mobula:plugin/task@0.1.0, it has none", "export the whole world"];
    check("a missing export", &file, &words);
    let text = "(component (import \"wasi:http/types@0.2.0\" (instance)))";
    let file = wat(&here, "net.wasm", text);
    check(
        "a plugin that wants the network",
        &file,
        &["imports wasi:http/types@0.2.0", "no network here"],
    );
    let text = "(component (import \"acme:queue/send@1.0.0\" (instance)))";
    let file = wat(&here, "acme.wasm", text);
    check("an import that no host has", &file, &["imports acme:queue/send@1.0.0", "nothing else"]);
}

/// Mistakes that show when something is called.
fn in_a_call(table: &mut Table, folder: &Path) {
    let program = Path::new(env!("CARGO_BIN_EXE_mobula")).parent().unwrap();
    let hostile: PathBuf = program.join("test-plugins/hostile.wasm");
    let hostile = hostile.display().to_string();
    let mut run = |mistake: &str, export: &str, args: &str, words: &[&str]| {
        let call = ["plugin", "run", &hostile, export, "--args", args];
        let ended = table.author.run(folder, &call);
        let code = if export == "panic" { 4 } else { 1 };
        table.row(mistake, "plugin run", &ended, code, words);
    };
    run(
        "a panic",
        "panics",
        r#"{"amount":2}"#,
        &["trap in task panics: panic or abort", "deep_inside"],
    );
    run(
        "a recursion without an end",
        "overflows",
        "{}",
        &["trap in task overflows", "stack overflow"],
    );
    let words = ["limit memory (512 MiB) reached in task eats_memory"];
    run("a huge allocation", "eats_memory", r#"{"amount":4000000000}"#, &words);
    let words = ["limit handles (4096) reached"];
    run("builders that are never finished", "many_builders", r#"{"amount":10000}"#, &words);
    let words = ["args.amount", "invalid type"];
    run("an argument of another type", "panics", r#"{"amount":"two"}"#, &words);
    run("a call of a task that is not there", "panic", "{}", &["exports no `panic`: there is"]);

    // In a fixture.
    let fixture = folder.join("fixtures/loop");
    fs::create_dir_all(&fixture).unwrap();
    fs::write(fixture.join("fixture.toml"), "task = \"loops\"\ntimeout_s = 0.2\n").unwrap();
    let test = ["plugin", "test", "--plugin", &hostile, "--only", "loop"];
    let ended = table.author.run(folder, &test);
    table.row(
        "a loop without an end",
        "plugin test",
        &ended,
        1,
        &["limit time (0.2 s) reached in task loops"],
    );
    fs::remove_dir_all(&fixture).unwrap();
    let fixture = folder.join("fixtures/small/fixture.toml");
    edit(&fixture, "task =", "tesk =");
    let ended = table.author.run(folder, &["plugin", "test"]);
    table.row("a typing error in a fixture", "plugin test", &ended, 1, &["unknown field `tesk`"]);
    edit(&fixture, "tesk =", "task =");
    let expected = folder.join("fixtures/small/expected.json");
    fs::rename(&expected, expected.with_extension("away")).unwrap();
    let ended = table.author.run(folder, &["plugin", "test"]);
    table.row("a fixture that expects nothing", "plugin test", &ended, 1, &["plugin test --bless"]);
    fs::rename(expected.with_extension("away"), &expected).unwrap();
    let actor = table.author.begin("forgetful", "rust", "actor");
    edit(
        &actor.join("src/lib.rs"),
        "    rows: u64,\n    sum: u64,\n}\n\n/// What was seen so far.\n#[outputs]",
        "    rows: u64,\n    #[serde(skip)]\n    sum: u64,\n}\n\n/// What was seen so far.\n#[outputs]",
    );
    table.author.document(&actor, &["plugin", "build"]);
    let ended = table.author.run(&actor, &["plugin", "test"]);
    let words = ["after the actor was saved and restored: output `sum`", "is it in the state?"];
    table.row("a field that is not saved with the state", "plugin test", &ended, 1, &words);
}

/// Mistakes that are found before a pipeline runs.
fn in_a_pipeline(table: &mut Table, folder: &Path) {
    let push = |table: &Table| table.author.run(folder, &["plugin", "push", "."]);
    assert_eq!(push(table).code, Some(0));
    let source = folder.join("src/lib.rs");
    edit(&source, "* args.factor", "* args.factor * 2.0");
    table.author.document(folder, &["plugin", "build"]);
    let ended = push(table);
    table.row(
        "other content under the same version",
        "plugin push",
        &ended,
        2,
        &["raise its version"],
    );
    let mut check = |mistake: &str, stage: &str, code: i32, words: &[&str]| {
        pipeline(folder, &format!("[[stage]]\nname = \"s\"\n{stage}\n"));
        let ended = table.author.run(folder, &["pipeline", "check", "p.toml"]);
        table.row(mistake, "pipeline check", &ended, code, words);
    };
    let ours = "task = \"mistaken/mistaken\"\n";
    let images = "inputs = { images = \"load.x_train\" }\n";
    check(
        "a grant that was forgotten",
        "task = \"cifar10-load/load\"",
        3,
        &["add `mounts = { data ="],
    );
    check("a missing input", ours, 2, &["input `images` is missing"]);
    check(
        "a tensor of another type",
        &format!(
            "{ours}{images}[[stage]]\nname = \"again\"\n{ours}\
        inputs = {{ images = \"s.images\" }}"
        ),
        2,
        &["takes a tensor of u8; s.images is a tensor of f32"],
    );
    check(
        "an argument out of its bounds",
        &format!("{ours}{images}args = {{ factor = -1 }}"),
        2,
        &["args.factor"],
    );
    check(
        "an argument that is not there",
        &format!("{ours}{images}args = {{ faktor = 1 }}"),
        2,
        &["no argument is called `faktor`: there is factor"],
    );
    check(
        "an output that is not there",
        &format!("{ours}inputs = {{ images = \"load.x_tran\" }}"),
        2,
        &["x_tran"],
    );
    check(
        "a version that is not there",
        "task = \"mistaken@9/mistaken\"",
        4,
        &["no plugin `mistaken@9`"],
    );
    let pin = format!(
        "{ours}{images}[[plugin]]\nname = \"mistaken\"\nversion = \"0.1.0\"\n\
        digest = \"blake3:{}\"",
        "ab".repeat(32)
    );
    check("a component that is not the pinned one", &pin, 4, &["is pinned as version 0.1.0"]);
}
