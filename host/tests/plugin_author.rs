//! From nothing to a running stage: what `plugin new` makes builds, passes its own test, and runs, in each
//! language.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod author;
mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use author::{Author, edit, has_toolchain};
use serde_json::{Value as Json, json};

/// Says that nothing was tested, where the toolchain is not there.
fn skipped(lang: &str) -> bool {
    use std::io::Write as _;
    let skipped = !has_toolchain(lang);
    if skipped {
        let _ = writeln!(std::io::stderr(), "skipped: no toolchain for {lang}");
    }
    skipped
}

/// What holds for a new task in any language.
fn task_works(author: &Author, folder: &std::path::Path, name: &str) {
    let built = author.document(folder, &["plugin", "build"]);
    assert_eq!((&built["$type"], &built["name"]), (&json!("plugin.built"), &json!(name)));
    let tested = author.document(folder, &["plugin", "test"]);
    assert_eq!((&tested["passed"], &tested["failed"]), (&json!(1), &json!(0)), "{tested:#}");
    let checked = author.document(folder, &["plugin", "check"]);
    assert_eq!(checked["ok"], true);
    let serious = |finding: &&Json| finding["weight"] != "note";
    assert_eq!(
        checked["findings"].as_array().unwrap().iter().filter(serious).count(),
        0,
        "{checked:#}"
    );
    author.document(folder, &["plugin", "push", "."]);
    let ident = name.replace('-', "_");
    let images = r#"images={"$tensor":"u8","data":[[10,20]]}"#;
    let ran = ["plugin", "run", name, &ident, "--input", images, "--args", r#"{"factor":2}"#];
    let ran = author.document(folder, &ran);
    assert_eq!(ran["outputs"]["images"], json!({ "$tensor": "f32", "data": [[20.0, 40.0]] }));
    let args = ["plugin", "run", name, &ident, "--input", images, "--args", r#"{"factor":-1}"#];
    author.run(folder, &args).refused(1, &["args.factor", "-1 is below 0", "(invalid)"]);
    let args =
        ["plugin", "run", name, &ident, "--input", r#"images={"$tensor":"f32","data":[[1]]}"#];
    author.run(folder, &args).refused(1, &["`images`", "of u8", "one of f32"]);
}

/// What holds for a new actor in any language.
fn actor_works(author: &Author, folder: &std::path::Path) {
    author.document(folder, &["plugin", "build"]);
    let tested = author.document(folder, &["plugin", "test"]);
    assert_eq!((&tested["passed"], &tested["failed"]), (&json!(1), &json!(0)), "{tested:#}");
}

#[test]
fn a_new_rust_task_builds_passes_its_test_and_runs() {
    let author = Author::new();
    let folder = author.begin("first-steps", "rust", "task");
    task_works(&author, &folder, "first-steps");
    // In a pipeline, on data.
    let synth = ["data", "synth", "--out", "data", "--train", "60", "--test", "20", "--json"];
    author.run(&folder, &synth);
    let report = author.document(&folder, &["run", "pipeline.toml"]);
    assert_eq!(report["status"], "succeeded", "{report:#}");
}

#[test]
fn a_new_rust_actor_needs_little_memory_for_a_large_input() {
    let author = Author::new();
    let folder = author.begin("large-inputs", "rust", "actor");
    actor_works(&author, &folder);
    // As many bytes as CIFAR-10 has pixels.
    let pixels = vec![3_u8; 50_000 * 3072];
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![50_000, 3072], &pixels);
    let file = folder.join("large.safetensors");
    safetensors::serialize_to_file([("images", view.unwrap())], None, &file).unwrap();
    let args = ["plugin", "run", ".", "LargeInputs.add", "--input", "images=large.safetensors"];
    let ran = author.document(&folder, &args);
    assert_eq!(ran["outputs"], json!({ "rows": 50_000, "sum": 3 * pixels.len() }));
    let peak = ran["memory_peak_bytes"].as_u64().unwrap();
    assert!(peak <= 4 << 20, "{peak} bytes of guest memory for {} bytes", pixels.len());
}

#[test]
fn new_python_plugins_build_pass_their_tests_and_run() {
    if skipped("python") {
        return;
    }
    let author = Author::new();
    let folder = author.begin_kept("python-steps", "python", "task");
    task_works(&author, &folder, "python-steps");
    let folder = author.begin_kept("python-sums", "python", "actor");
    actor_works(&author, &folder);
}

#[test]
fn new_javascript_plugins_build_pass_their_tests_and_run() {
    if skipped("js") {
        return;
    }
    let author = Author::new();
    let folder = author.begin_kept("js-steps", "js", "task");
    task_works(&author, &folder, "js-steps");
    let component = folder.join("dist/js-steps.wasm");
    let built = || fs::metadata(&component).unwrap().modified().unwrap();
    let before = built();
    author.document(&folder, &["plugin", "build"]);
    assert_eq!(built(), before, "what did not change is not built again");
    let folder = author.begin_kept("js-sums", "js", "actor");
    actor_works(&author, &folder);
}

#[test]
fn a_fixture_that_differs_is_told_by_field_and_place_until_it_is_blessed() {
    let author = Author::new();
    let folder = author.begin("judged", "rust", "task");
    author.document(&folder, &["plugin", "build"]);
    let expected = folder.join("fixtures/small/expected.json");
    edit(&expected, "[2.0, 2.5, 3.0]", "[2.0, 2.5, 3.25]");
    let ended = author.run(&folder, &["plugin", "test", "--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let report: Json = serde_json::from_str(&ended.stdout).unwrap();
    let problem = report["fixtures"][0]["problems"][0].as_str().unwrap();
    assert!(
        problem
            .contains("`images`: 1 of 6 elements differ; the first at [1, 2]: 3.0, expected 3.25")
    );
    let fixture = folder.join("fixtures/small/fixture.toml");
    edit(&fixture, "# tolerance = 1e-6", "tolerance = 0.1");
    author.document(&folder, &["plugin", "test"]);
    edit(&fixture, "tolerance = 0.1", "");
    author.document(&folder, &["plugin", "test", "--bless"]);
    author.document(&folder, &["plugin", "test"]);
    assert!(
        fs::read_to_string(&expected).unwrap().contains("3.0"),
        "what came out is expected now"
    );
    edit(&fixture, "factor = 0.5", "factor = -1");
    let fails = "fails = { kind = \"invalid\", words = \"below 0\" }\nargs";
    edit(&fixture, "args", fails);
    author.document(&folder, &["plugin", "test"]);
    edit(&fixture, "below 0", "above 9");
    author.run(&folder, &["plugin", "test"]).refused(1, &["1 of 1 fixtures failed"]);
    author.run(&folder, &["plugin", "test", "--only", "big"]).refused(4, &["named like `big`"]);
}

#[test]
fn a_watched_plugin_is_built_and_tested_after_each_change() {
    let author = Author::new();
    let folder = author.begin("watched", "rust", "task");
    let mut dev = author.command(&folder, &["plugin", "dev", "--json"]);
    let mut dev = dev.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut reports = BufReader::new(dev.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Json>(&reports.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!((&first["passed"], &first["failed"]), (&json!(1), &json!(0)), "{first:#}");
    edit(&folder.join("src/lib.rs"), "* args.factor", "* args.factor + 1.0");
    let second = next();
    assert_eq!((&second["passed"], &second["failed"]), (&json!(0), &json!(1)), "{second:#}");
    assert_ne!(first["digest"], second["digest"]);
    dev.kill().unwrap();
    dev.wait().unwrap();
}

#[test]
fn names_folders_and_toolchains_that_will_not_do_are_named() {
    let author = Author::new();
    let here = author.folder.path();
    for name in ["Big", "9lives", "a_b", "test", "while", "x-", ""] {
        let ended = author.run(here, &["plugin", "new", name]);
        ended.refused(2, &[&format!("`{name}` cannot be a plugin's name"), "class-balance"]);
    }
    let folder = author.begin("twice", "js", "task");
    author.run(here, &["plugin", "new", "twice"]).refused(2, &["twice is there already"]);
    author.run(here, &["plugin", "build", "."]).refused(4, &["Cargo.toml, plugin.py or plugin.js"]);
    author.run(&folder, &["plugin", "test"]).refused(4, &["was not built yet", "plugin build"]);
    let nothing = author.folder.path().join("nothing");
    let bare = |program: &[&str]| {
        fs::create_dir_all(&nothing).unwrap();
        let mut command = author.command(&folder, &["plugin", "build"]);
        for program in program {
            let _ = std::os::unix::fs::symlink("/bin/true", nothing.join(program));
        }
        command.env("PATH", &nothing).env("MOBULA_TOOLCHAINS", nothing.join("none"));
        common::Ended::from_output(&command.output().unwrap())
    };
    bare(&[]).refused(1, &["Node 18 or later with npm", "install nodejs"]);
    bare(&["npm"])
        .refused(1, &["componentize-qjs, which is not there: `npm install --prefix", "--install"]);
    fs::rename(folder.join("plugin.js"), folder.join("plugin.py")).unwrap();
    bare(&[]).refused(1, &["Python 3.10", "install python3"]);
    bare(&["python3"])
        .refused(1, &["python3 -m venv", "pip install --quiet componentize-py==", "--install"]);
    fs::rename(folder.join("plugin.py"), folder.join("Cargo.toml")).unwrap();
    bare(&[]).refused(1, &["cargo, which is not there"]);
    bare(&["cargo", "rustc"]).refused(1, &["wasm32-wasip2, which is not there", "with rustup"]);
    bare(&["rustup"]).refused(1, &["`rustup target add wasm32-wasip2` installs it"]);
}

#[test]
fn the_doctor_says_for_each_language_whether_its_plugins_can_be_built_and_what_is_to_be_done() {
    let author = Author::new();
    let path = author.folder.path().join("path");
    let own = author.folder.path().join("toolchains");
    let link = |to: &str, at: std::path::PathBuf| {
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&at);
        std::os::unix::fs::symlink(to, at).unwrap();
    };
    // The text of a check, and whether it found what it looks for.
    let check = |name: &str| {
        let mut command = author.command(author.folder.path(), &["doctor", "--json"]);
        command.env("PATH", &path).env("MOBULA_TOOLCHAINS", &own);
        let document = common::Ended::from_output(&command.output().unwrap()).json();
        assert_eq!(document["healthy"], true, "runs need no toolchain: {document:#}");
        let checks = document["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["name"] == name).unwrap();
        (found["ok"].as_bool().unwrap(), found["text"].as_str().unwrap().to_owned())
    };
    let lacks = |name: &str, parts: &[&str]| {
        let (ok, text) = check(name);
        assert!(!ok && parts.iter().all(|part| text.contains(part)), "{name}: {text}");
    };
    lacks("guest target", &["cargo, which is not there", "install Rust with rustup"]);
    lacks("componentize-py", &["Python 3.10", "install python3"]);
    lacks("componentize-qjs", &["Node 18 or later with npm", "install nodejs"]);
    for starter in ["cargo", "rustc", "rustup", "python3", "npm"] {
        link("/bin/true", path.join(starter));
    }
    lacks("guest target", &["`rustup target add wasm32-wasip2` installs it"]);
    lacks("componentize-py", &["pip install --quiet componentize-py==", "build --install"]);
    lacks("componentize-qjs", &["`npm install --prefix", "build --install"]);
    let [python, js] = ["python/bin/componentize-py", "js/node_modules/.bin/componentize-qjs"];
    for (name, tool) in [("componentize-py", python), ("componentize-qjs", js)] {
        link("/bin/false", own.join(tool));
        lacks(name, &["does not start", &format!("remove {}", own.display())]);
        link("/bin/true", own.join(tool));
        assert_eq!(check(name), (true, own.join(tool).display().to_string()));
    }
}
