//! `mobula pipeline`: a file checked without running it, and bound to the plugins that there are.

use std::path::PathBuf;

use anyhow::Context as _;
use mobula_contract::PluginPin;
use serde_json::json;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::run::read;
use super::write_file;
use crate::args::{PipelineArgs, PipelineCommand};
use crate::check::check;
use crate::home;
use crate::output::Output;
use crate::plugins::Catalogue;

pub(crate) fn perform(
    command: &PipelineCommand,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    match command {
        PipelineCommand::Check { which } => check_file(which, home, output),
        PipelineCommand::Lock { which } => lock(which, home, output),
    }
}

fn check_file(which: &PipelineArgs, home: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let pipeline = read(&which.file, &which.sets)?;
    let store = home::store(home)?;
    let mut catalogue = Catalogue::open(&store, which.plugin_dir.as_deref())?;
    catalogue.pin(&pipeline.plugins);
    check(&pipeline, &catalogue)?;
    let pins = catalogue.pins_of(&pipeline)?;
    let bound = pins.iter().filter(|pin| pipeline.plugins.contains(pin)).count();
    let document = json!({
        "$type": "pipeline.checked", "file": which.file, "pipeline": pipeline.name,
        "stages": pipeline.stages.len(), "actors": pipeline.actors.len(), "plugins": pins, "pinned": bound,
    });
    output.result(&document, || {
        format!(
            "{} is fine: {} stages, {} actors, {} plugins, {bound} of them pinned",
            which.file.display(),
            pipeline.stages.len(),
            pipeline.actors.len(),
            pins.len()
        )
    })
}

/// Writes `[[plugin]]` for each plugin; everything else in the file stays as it is, comments too.
fn lock(which: &PipelineArgs, home: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let pipeline = read(&which.file, &which.sets)?;
    let store = home::store(home)?;
    let catalogue = Catalogue::open(&store, which.plugin_dir.as_deref())?;
    let pins = catalogue.pins_of(&pipeline)?;
    let shown = which.file.display();
    let text =
        std::fs::read_to_string(&which.file).with_context(|| format!("cannot read {shown}"))?;
    let locked = with_pins(&text, &pins).with_context(|| format!("cannot change {shown}"))?;
    if locked != text {
        write_file(&which.file, locked.as_bytes())?;
    }
    let document = json!({ "$type": "pipeline.locked", "file": which.file, "plugins": pins,
        "changed": locked != text });
    output.result(&document, || {
        let lines = pins.iter().map(|pin| format!("{} {} {}", pin.name, pin.version, pin.digest));
        lines.collect::<Vec<_>>().join("\n")
    })
}

fn with_pins(text: &str, pins: &[PluginPin]) -> anyhow::Result<String> {
    let mut document: DocumentMut = text.parse()?;
    let mut tables = ArrayOfTables::new();
    for pin in pins {
        let mut table = Table::new();
        table["name"] = value(&pin.name);
        table["version"] = value(&pin.version);
        table["digest"] = value(&pin.digest);
        tables.push(table);
    }
    document.remove("plugin");
    if !pins.is_empty() {
        document.insert("plugin", Item::ArrayOfTables(tables));
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use mobula_contract::PluginPin;

    use super::with_pins;

    #[test]
    fn pins_are_replaced_and_everything_else_stays() {
        let text =
            "# mine\n[pipeline]\nname = \"x\" # short\n\n[[stage]]\nname='a'\ntask = \"p/t\"\n";
        let pin = |digest: &str| {
            let (name, version) = ("p".to_owned(), "0.1.0".to_owned());
            vec![PluginPin { name, version, digest: format!("blake3:{digest}") }]
        };
        let once = with_pins(text, &pin("aa")).unwrap();
        assert!(once.starts_with(text), "{once}");
        let wanted = "[[plugin]]\nname = \"p\"\nversion = \"0.1.0\"\ndigest = \"blake3:aa\"\n";
        assert!(once.ends_with(wanted), "{once}");
        assert_eq!(with_pins(&once, &pin("aa")).unwrap(), once);
        let twice = with_pins(&once, &pin("bb")).unwrap();
        assert_eq!(twice, once.replace(":aa", ":bb"));
        assert_eq!(with_pins(&once, &[]).unwrap().trim_end(), text.trim_end());
    }
}
