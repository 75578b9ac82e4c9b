//! `mobula data`: make, download and look at data sets.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mobula_data::{
    CLASS_NAMES, Digests, FetchOptions, LabelledImages, Progress, SheetOptions, SynthOptions,
    contact_sheet, describe, read_class_names,
};
use serde_json::json;

use crate::args::DataCommand;
use crate::dataset::{Dataset, Part};
use crate::exit::{Ended, Exit};
use crate::home;
use crate::live::bar;
use crate::output::{Output, bytes, table};
use crate::plugins::Catalogue;

pub(crate) fn perform(
    command: &DataCommand,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    match command {
        DataCommand::Synth { out, train, test, seed } => {
            let options = SynthOptions {
                out: out.clone(),
                train: u64::from(*train),
                test: u64::from(*test),
                seed: *seed,
            };
            synth(&options, output)
        }
        DataCommand::Fetch { out, url } => fetch(out, url.as_deref(), output),
        DataCommand::Inspect { dir, sheet, plugin_dir } => {
            let store = home::store(home)?;
            let catalogue = Catalogue::open(&store, plugin_dir.as_deref())?;
            inspect(&catalogue, dir, sheet.as_deref(), output)
        }
    }
}

fn invalid(error: impl std::error::Error) -> anyhow::Error {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    Ended::error(Exit::Failed, text)
}

/// Shows progress, and never breaks off: what is half done is thrown away at the next start.
fn shown(output: Output) -> impl FnMut(Progress) -> ControlFlow<()> {
    let bar = bar(output.json);
    move |seen: Progress| {
        if let Some(total) = seen.total {
            bar.set_length(total);
        }
        bar.set_position(seen.done);
        ControlFlow::Continue(())
    }
}

fn synth(options: &SynthOptions, output: Output) -> anyhow::Result<()> {
    let made = mobula_data::synth(options, &mut shown(output)).map_err(|e| match e {
        mobula_data::SynthError::Rows { .. } => Ended::error(Exit::Invalid, e.to_string()),
        other => invalid(other),
    })?;
    let document = json!({ "$type": "data.made", "out": made.out, "files": made.files,
        "train": made.train, "test": made.test, "seed": made.seed });
    output.result(&document, || {
        format!(
            "{}: {} images to train on, {} to test on, in the CIFAR-10 layout (synthetic: \
             textured shapes, not CIFAR-10)",
            made.out.display(),
            made.train,
            made.test
        )
    })
}

fn fetch(out: &Path, url: Option<&str>, output: Output) -> anyhow::Result<()> {
    let archive = out.with_extension("tar.gz");
    let mut options = FetchOptions::cifar10(archive);
    if let Some(url) = url {
        output.note("another address: its checksum is not known and not checked");
        options.url = url.to_owned();
        options.digests = Digests::default();
    }
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder).map_err(invalid)?;
    }
    let fetched = mobula_data::fetch(&options, &mut shown(output)).map_err(invalid)?;
    mobula_data::unpack(&fetched.path, out).map_err(invalid)?;
    std::fs::remove_file(&fetched.path).map_err(invalid)?;
    let document = json!({ "$type": "data.fetched", "out": out, "url": options.url,
        "bytes": fetched.bytes, "sha256": fetched.sha256 });
    output.result(&document, || format!("{}: {} downloaded", out.display(), bytes(fetched.bytes)))
}

fn labelled<'a>(part: &Part<'a>, names: &'a [String]) -> anyhow::Result<LabelledImages<'a>> {
    LabelledImages::new(part.pixels, part.labels, names).map_err(invalid)
}

fn inspect(
    catalogue: &Catalogue,
    dir: &Path,
    sheet: Option<&Path>,
    output: Output,
) -> anyhow::Result<()> {
    let data = Dataset::read(catalogue, dir, output)?;
    let listed = read_class_names(&dir.join("batches.meta.txt"));
    let names = listed.unwrap_or_else(|_| CLASS_NAMES.map(|_| String::new()).to_vec());
    let numbered = |(i, name): (usize, &String)| match name.is_empty() {
        true => format!("class {i}"),
        false => name.clone(),
    };
    let names: Vec<String> = names.iter().enumerate().map(numbered).collect();
    let (train, test) =
        (describe(labelled(&data.train()?, &names)?), describe(labelled(&data.test()?, &names)?));
    if let Some(file) = sheet {
        let png = contact_sheet(labelled(&data.train()?, &names)?, SheetOptions::default())
            .map_err(invalid)?;
        super::write_file(file, &png)?;
    }
    let document = json!({ "$type": "data.inspected", "dir": dir, "train": train, "test": test,
        "sheet": sheet });
    output.result(&document, || {
        let mut rows = vec![["class", "train", "test"].map(str::to_owned).to_vec()];
        for (a, b) in train.classes.iter().zip(&test.classes) {
            rows.push(vec![a.name.clone(), a.count.to_string(), b.count.to_string()]);
        }
        rows.push(vec!["all".to_owned(), train.rows.to_string(), test.rows.to_string()]);
        let mut text = table(&rows);
        for channel in &train.channels {
            text += &format!(
                "\n{}: mean {:.3}, standard deviation {:.3}",
                channel.name, channel.mean, channel.std
            );
        }
        sheet.map_or(text.clone(), |file| format!("{text}\ncontact sheet: {}", file.display()))
    })
}
