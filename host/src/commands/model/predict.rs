//! `mobula model predict`: what a network makes of each test image. Trains nothing.

use std::path::{Path, PathBuf};

use mobula_data::read_class_names;
use serde::Serialize;

use crate::args::PredictOptions;
use crate::output::{Output, table};

/// Images that are listed on a terminal; a document has them all.
const LISTED_MAX: usize = 10;

/// The document. With `--out`, standard output has it without the predictions.
#[derive(Serialize)]
struct Predicted<'a> {
    #[serde(rename = "$type")]
    kind: &'static str,
    model: &'a str,
    images: usize,
    /// Names of the classes, by number.
    classes: &'a [String],
    /// Share of the images whose likeliest class is their label.
    accuracy: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predictions: Option<&'a [Prediction<'a>]>,
}

#[derive(Serialize)]
struct Prediction<'a> {
    /// Position among the test images, from 0.
    image: usize,
    label: u8,
    /// The likeliest class, and its name.
    class: usize,
    name: &'a str,
    probability: f32,
    probabilities: &'a [f32],
}

pub(crate) fn perform(
    model: &str,
    options: &PredictOptions,
    home: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    let common = &options.common;
    let mut trainer = super::trained(model, common, output)?;
    let data = super::dataset(common, home, output)?;
    let test = data.test()?;
    let found = trainer.predict(test.pixels).map_err(super::coded)?;
    let classes = found.len() / test.labels.len().max(1);
    let names = names(&common.data, classes);
    let rows = found.chunks_exact(classes.max(1)).zip(test.labels);
    let predictions: Vec<_> = rows
        .enumerate()
        .map(|(image, (row, label))| prediction(image, *label, row, &names))
        .collect();
    let right = predictions.iter().filter(|p| p.class == usize::from(p.label)).count();
    #[expect(clippy::cast_precision_loss, reason = "a share of far fewer than 2^52 images")]
    let accuracy = right as f64 / predictions.len().max(1) as f64;
    let whole = Predicted {
        kind: "model.predicted",
        model,
        images: predictions.len(),
        classes: &names,
        accuracy,
        out: None,
        predictions: Some(&predictions),
    };
    let Some(file) = options.out.as_deref() else {
        return output.result(&whole, || prose(&predictions, accuracy, None));
    };
    super::super::write_file(file, &serde_json::to_vec(&whole)?)?;
    let short = Predicted { out: Some(file), predictions: None, ..whole };
    output.result(&short, || prose(&predictions, accuracy, Some(file)))
}

/// The first of the largest probabilities decides, as in an evaluation.
fn prediction<'a>(
    image: usize,
    label: u8,
    probabilities: &'a [f32],
    names: &'a [String],
) -> Prediction<'a> {
    let better =
        |best: usize, i: usize| if probabilities[i] > probabilities[best] { i } else { best };
    let class = (0..probabilities.len()).fold(0, better);
    let probability = probabilities[class];
    Prediction { image, label, class, name: &names[class], probability, probabilities }
}

/// The folder's names of the classes, or their numbers if it has none that fit.
fn names(data: &Path, classes: usize) -> Vec<String> {
    let listed = read_class_names(&data.join("batches.meta.txt")).unwrap_or_default();
    if listed.len() == classes {
        return listed;
    }
    (0..classes).map(|class| format!("class {class}")).collect()
}

fn prose(predictions: &[Prediction<'_>], accuracy: f64, out: Option<&Path>) -> String {
    let mut rows = vec![["image", "label", "likeliest", "probability"].map(str::to_owned).to_vec()];
    for p in predictions.iter().take(LISTED_MAX) {
        let class = format!("{} ({})", p.class, p.name);
        let cells = [p.image.to_string(), p.label.to_string(), class];
        rows.push([&cells[..], &[format!("{:.4}", p.probability)]].concat());
    }
    let more = predictions.len().saturating_sub(LISTED_MAX);
    let more = match (more, out) {
        (0, _) => String::new(),
        (more, Some(_)) => format!("\n… and {more} more"),
        (more, None) => format!("\n… and {more} more; --json or --out FILE gives all"),
    };
    let out = out.map_or(String::new(), |file| format!("\npredictions: {}", file.display()));
    let images = predictions.len();
    format!("{}{more}\naccuracy {accuracy:.4} on {images} images{out}", table(&rows))
}
