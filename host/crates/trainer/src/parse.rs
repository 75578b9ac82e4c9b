//! Reads the text of a network file by hand, so that each mistake is named with the number of its
//! layer; whether the shapes fit each other is `network`'s business.

use toml::{Table, Value};

use crate::error::TrainError;
use crate::model::{Layer, Model};

/// Every kind of layer with the keys that it takes beside `kind`.
const KINDS: [(&str, &[&str]); 9] = [
    ("conv", &["filters", "stride"]),
    ("batch_norm", &[]),
    ("relu", &[]),
    ("leaky_relu", &[]),
    ("max_pool", &[]),
    ("dropout", &["rate"]),
    ("flatten", &[]),
    ("dense", &["units"]),
    ("global_avg_pool", &[]),
];

/// Bounds far above any network's, so that a file that is none ends early.
const TEXT_BYTES_MAX: usize = 1 << 20;
const LAYERS_MAX: usize = 512;
/// Characters of a value that a message quotes.
const QUOTED_MAX: usize = 40;
/// Characters of the TOML reader's own message, which may quote a key.
const MESSAGE_MAX: usize = 200;

/// Reads a network file.
pub(crate) fn model(text: &str) -> Result<Model, TrainError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(TrainError::File(format!(
            "it has {} bytes; at most {TEXT_BYTES_MAX}",
            text.len()
        )));
    }
    let file: Table = toml::from_str(text).map_err(|e| syntax(text, &e))?;
    for key in file.keys() {
        if !["name", "input", "layer"].contains(&key.as_str()) {
            let hint = hint(key, ["name", "input", "layer"].into_iter());
            return Err(TrainError::File(format!(
                "unknown key `{}`; a file has name, input and layer{hint}",
                quote(key)
            )));
        }
    }
    let name = match file.get("name") {
        Some(Value::String(name)) => name.clone(),
        other => return Err(TrainError::File(wrong("name", other, "a text, like \"small\""))),
    };
    let fail = |reason: String| TrainError::Network { network: quote(&name), reason };
    let input = input(file.get("input")).map_err(fail)?;
    let layers = match file.get("layer") {
        Some(Value::Array(layers)) => layers,
        other => return Err(fail(wrong("layer", other, "layers, each as [[layer]]"))),
    };
    if layers.len() > LAYERS_MAX {
        return Err(fail(format!("{} layers; at most {LAYERS_MAX}", layers.len())));
    }
    let layers = layers.iter().enumerate().map(|(i, written)| {
        let Value::Table(table) = written else {
            let reason = wrong(&format!("layer {}", i + 1), Some(written), "a table with its kind");
            return Err(fail(reason));
        };
        let kind =
            kind(table).map_err(|reason| fail(format!("layer {}: {reason}", i + 1)))?.to_owned();
        layer(&kind, table).map_err(|reason| TrainError::Layer {
            network: quote(&name),
            index: i + 1,
            kind: quote(&kind),
            reason,
        })
    });
    let layers = layers.collect::<Result<_, _>>()?;
    Ok(Model { name: quote(&name), input, layers })
}

/// Where and why the text is no TOML; the library's own display quotes whole lines.
fn syntax(text: &str, error: &toml::de::Error) -> TrainError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = &text.as_bytes()[..at];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    let message = cut(error.message(), MESSAGE_MAX);
    TrainError::File(format!("line {line}, column {column}: {message}"))
}

fn input(value: Option<&Value>) -> Result<[usize; 3], String> {
    let want = "height, width and channels, like [32, 32, 3]";
    let Some(Value::Array(axes)) = value else { return Err(wrong("input", value, want)) };
    let axes: Option<Vec<usize>> = axes.iter().map(number).collect();
    axes.and_then(|axes| axes.try_into().ok()).ok_or_else(|| wrong("input", value, want))
}

fn kind(table: &Table) -> Result<&str, String> {
    match table.get("kind") {
        Some(Value::String(kind)) => Ok(kind),
        other => Err(wrong("kind", other, &format!("one of {}", kinds()))),
    }
}

/// A layer from its table.
fn layer(kind: &str, table: &Table) -> Result<Layer, String> {
    let Some((_, keys)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        let hint = hint(kind, KINDS.iter().map(|(known, _)| *known));
        return Err(format!("there is no such kind of layer{hint}; there are {}", kinds()));
    };
    if let Some(key) = table.keys().find(|key| *key != "kind" && !keys.contains(&key.as_str())) {
        let takes = match keys {
            [] => "takes nothing but its kind".to_owned(),
            keys => format!("takes {}{}", keys.join(" and "), hint(key, keys.iter().copied())),
        };
        return Err(format!("unknown key `{}`; {kind} {takes}", quote(key)));
    }
    let size = |key: &str, example: &str| {
        let value = table.get(key);
        value.and_then(number).ok_or_else(|| wrong(key, value, &format!("a number, {example}")))
    };
    Ok(match kind {
        "conv" => {
            let stride = if table.contains_key("stride") { size("stride", "1 or 2")? } else { 1 };
            Layer::Conv { filters: size("filters", "like 32")?, stride }
        }
        "dense" => Layer::Dense { units: size("units", "like 128")? },
        "dropout" => Layer::Dropout { rate: rate(table.get("rate"))? },
        "batch_norm" => Layer::BatchNorm {},
        "relu" => Layer::Relu {},
        "leaky_relu" => Layer::LeakyRelu {},
        "max_pool" => Layer::MaxPool {},
        "global_avg_pool" => Layer::GlobalAvgPool {},
        "flatten" => Layer::Flatten {},
        _ => unreachable!("every kind of the list has its arm"),
    })
}

/// A whole number from 0 on.
fn number(value: &Value) -> Option<usize> {
    value.as_integer().and_then(|number| usize::try_from(number).ok())
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked after the rounding")]
#[expect(clippy::cast_precision_loss, reason = "whole rates other than 0 are refused anyway")]
fn rate(value: Option<&Value>) -> Result<f32, String> {
    match value {
        Some(Value::Float(rate)) => Ok(*rate as f32),
        Some(Value::Integer(rate)) => Ok(*rate as f32),
        other => Err(wrong("rate", other, "a share, like 0.25")),
    }
}

/// What is wrong with a value that is missing or of another kind.
fn wrong(key: &str, value: Option<&Value>, want: &str) -> String {
    match value {
        None => format!("`{key}` is missing; give {want}"),
        Some(value) => format!("`{key}` is {}; give {want}", quote(&value.to_string())),
    }
}

fn kinds() -> String {
    KINDS.map(|(kind, _)| kind).join(", ")
}

/// A user's word, as a message quotes it.
pub(crate) fn quote(text: &str) -> String {
    cut(text, QUOTED_MAX)
}

/// At most so much of a user's text as a message needs.
fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `: did you mean …?` where a known word is near.
fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let word: Vec<char> = word.chars().take(QUOTED_MAX).collect();
    let near = known.map(|known| (distance(&word, known), known)).min();
    match near {
        // Half of the letters wrong is another word.
        Some((far, known)) if 2 * far <= known.chars().count() => {
            format!(" (did you mean `{known}`?)")
        }
        _ => String::new(),
    }
}

/// Letters to insert, drop or exchange (Levenshtein), written `max_pool`, `MaxPool` or `maxpool`.
fn distance(word: &[char], known: &str) -> usize {
    let plain = |c: &char| c.to_ascii_lowercase();
    let word: Vec<char> = word.iter().map(plain).filter(|c| c.is_alphanumeric()).collect();
    let known: Vec<char> = known.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (i, letter) in word.iter().enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, other) in known.iter().enumerate() {
            let exchanged = before + usize::from(letter != other);
            before = row[j + 1];
            row[j + 1] = exchanged.min(before + 1).min(row[j] + 1);
        }
    }
    row[known.len()]
}
