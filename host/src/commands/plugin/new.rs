//! `mobula plugin new`: a folder that builds, with a test, a pipeline and a README.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{Kind, Language};
use super::sdk::{self, write_text};
use crate::exit::{Ended, Exit};
use crate::output::Output;

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("templates/", $path))
    };
}

/// Makes the folder `name` in `parent`.
pub(crate) fn new(
    parent: &Path,
    name: &str,
    language: Language,
    kind: Kind,
    output: Output,
) -> anyhow::Result<()> {
    check_name(name)?;
    let folder = if parent == Path::new(".") { PathBuf::from(name) } else { parent.join(name) };
    if folder.exists() {
        let message = format!("{} is there already: choose another name", folder.display());
        return Err(Ended::error(Exit::Invalid, message));
    }
    for (path, text) in files(language, kind) {
        write_text(&folder.join(path), &fill(text, name, language, kind))?;
    }
    if language == Language::Rust {
        write_text(&folder.join("Cargo.lock"), sdk::lock())?;
    }
    sdk::write(language, &folder.join("sdk"))?;
    let shown = folder.display();
    let document = json!({ "$type": "plugin.made", "name": name, "folder": folder });
    output.result(&document, || {
        format!(
            "{shown} is there; next:\n  cd {shown}\n  mobula plugin build\n  mobula plugin test"
        )
    })
}

/// A name that is good for a crate, a folder and a pipeline.
fn check_name(name: &str) -> anyhow::Result<()> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let taken =
        ["test", "core", "std", "alloc", "proc-macro", "mobula", "mobula-guest", "plugin", "app"];
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(letters)
        && !name.ends_with('-')
        && !taken.contains(&name)
        && !KEYWORDS.contains(&name);
    if good {
        return Ok(());
    }
    let message = format!(
        "`{name}` cannot be a plugin's name: write small letters, digits and `-`, a letter first, and no \
         word of a language, such as `class-balance`"
    );
    Err(Ended::error(Exit::Invalid, message))
}

/// Words that a task cannot be named in one of the languages.
const KEYWORDS: [&str; 62] = [
    "abstract", "and", "as", "assert", "async", "await", "become", "box", "break", "case", "catch",
    "class", "const", "continue", "crate", "debugger", "def", "default", "del", "delete", "do",
    "dyn", "elif", "else", "enum", "except", "export", "extern", "final", "finally", "fn", "for",
    "from", "function", "global", "if", "impl", "import", "in", "is", "lambda", "let", "loop",
    "match", "mod", "move", "new", "not", "or", "pass", "pub", "raise", "ref", "return", "self",
    "static", "struct", "switch", "trait", "type", "use", "while",
];

fn files(language: Language, kind: Kind) -> Vec<(&'static str, &'static str)> {
    let task = kind == Kind::Task;
    let choose = |of_task, of_actor| if task { of_task } else { of_actor };
    let mut files = match language {
        Language::Rust => vec![
            ("Cargo.toml", template!("rust/Cargo.toml.in")),
            (".cargo/config.toml", template!("rust/config.toml")),
            ("src/lib.rs", choose(template!("rust/task.rs"), template!("rust/actor.rs"))),
        ],
        Language::Python => {
            vec![("plugin.py", choose(template!("python/task.py"), template!("python/actor.py")))]
        }
        Language::JavaScript => {
            vec![("plugin.js", choose(template!("js/task.js"), template!("js/actor.js")))]
        }
    };
    files.extend([
        ("README.md", template!("common/README.md")),
        (".gitignore", template!("common/gitignore")),
        (
            "pipeline.toml",
            choose(template!("common/task.pipeline.toml"), template!("common/actor.pipeline.toml")),
        ),
        (
            "fixtures/small/fixture.toml",
            choose(template!("common/task.fixture.toml"), template!("common/actor.fixture.toml")),
        ),
    ]);
    if task {
        files.extend([
            ("fixtures/small/inputs.json", template!("common/task.inputs.json")),
            ("fixtures/small/expected.json", template!("common/task.expected.json")),
        ]);
    } else {
        files.extend([
            ("fixtures/small/call0.inputs.json", template!("common/call.inputs.json")),
            ("fixtures/small/call0.expected.json", template!("common/call0.expected.json")),
            ("fixtures/small/call1.inputs.json", template!("common/call.inputs.json")),
            ("fixtures/small/call1.expected.json", template!("common/call1.expected.json")),
            ("fixtures/small/call2.expected.json", template!("common/call2.expected.json")),
        ]);
    }
    files
}

fn fill(text: &str, name: &str, language: Language, kind: Kind) -> String {
    let ident = name.replace('-', "_");
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map_or(String::new(), |first| first.to_ascii_uppercase().to_string())
            + letters.as_str()
    };
    let class: String = name.split('-').map(capital).collect();
    let (language, source) = match language {
        Language::Rust => ("Rust", "src/lib.rs"),
        Language::Python => ("Python", "plugin.py"),
        Language::JavaScript => ("JavaScript", "plugin.js"),
    };
    let (export, inputs) = match kind {
        Kind::Task => (ident.clone(), "inputs.json"),
        Kind::Actor => (format!("{class}.add"), "call0.inputs.json"),
    };
    text.replace("{{name}}", name)
        .replace("{{ident}}", &ident)
        .replace("{{class}}", &class)
        .replace("{{language}}", language)
        .replace("{{source}}", source)
        .replace("{{export}}", &export)
        .replace("{{inputs}}", inputs)
}
