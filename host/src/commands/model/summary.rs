//! `mobula model summary`: the table that Keras users know, with arithmetic and memory. Trains nothing.

use mobula_trainer::{Flops, LayerSummary, MemoryReport, Trainer, TrainerConfig};
use serde_json::json;

use crate::output::{Output, bytes, table};

pub(crate) fn perform(model: &str, batch_size: usize, output: Output) -> anyhow::Result<()> {
    let config =
        TrainerConfig { model: super::text(model)?, threads: Some(1), ..Default::default() };
    let trainer = Trainer::new(config).map_err(super::coded)?;
    let (layers, memory) = (trainer.summary(), trainer.memory(batch_size));
    let totals = Totals::of(layers);
    let document = json!({ "$type": "model", "model": model, "layers": layers,
        "parameters": totals.parameters, "trainable": totals.trainable,
        "non_trainable": totals.parameters - totals.trainable, "flops": totals.flops,
        "memory": memory, "memory_bytes": memory.total_bytes() });
    output.result(&document, || prose(layers, &totals, &memory))
}

#[derive(Default)]
struct Totals {
    parameters: usize,
    trainable: usize,
    flops: Flops,
}

impl Totals {
    fn of(layers: &[LayerSummary]) -> Self {
        let mut totals = Self::default();
        for layer in layers {
            totals.parameters += layer.parameters;
            totals.trainable += layer.trainable;
            totals.flops += layer.flops;
        }
        totals
    }
}

fn prose(layers: &[LayerSummary], totals: &Totals, memory: &MemoryReport) -> String {
    let heading = ["layer (kind)", "output shape", "parameters", "MFLOP an image"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for layer in layers {
        rows.push(vec![
            name(layer),
            shape(&layer.output),
            grouped(layer.parameters),
            million(layer.flops.forward),
        ]);
    }
    let layers = table(&rows);
    let size = |count: usize| vec![grouped(count), bytes(4 * count as u64)];
    let row = |name: &str, values: Vec<String>| [vec![name.to_owned()], values].concat();
    let fixed = totals.parameters - totals.trainable;
    let parameters = table(&[
        row("parameters", size(totals.parameters)),
        row("  trainable", size(totals.trainable)),
        row("  non-trainable", size(fixed)),
    ]);
    let Flops { forward, training } = totals.flops;
    let part = |name: &str, count: u64| row(name, vec![bytes(count)]);
    let memory = table(&[
        part(&format!("memory at batch size {}", memory.batch_size), memory.total_bytes()),
        part("  parameters", memory.parameters_bytes),
        part("  optimizer (Adam)", memory.optimizer_bytes),
        part("  activations", memory.activations_bytes),
        part("  gradients", memory.gradients_bytes),
        part("  workspace", memory.workspace_bytes),
    ]);
    format!(
        "{layers}\n\n{parameters}\n\nforward {} MFLOP an image, training step {} MFLOP an image\n\n\
         {memory}",
        million(forward),
        million(training)
    )
}

/// `conv1 (conv)`; layers without parameters have no name but their kind.
fn name(layer: &LayerSummary) -> String {
    if layer.layer == layer.kind {
        layer.layer.clone()
    } else {
        format!("{} ({})", layer.layer, layer.kind)
    }
}

/// As Keras writes it: `(None, 32, 32, 3)`, where None is the batch.
fn shape(output: &[usize]) -> String {
    let axes: Vec<String> = output.iter().map(usize::to_string).collect();
    format!("(None, {})", axes.join(", "))
}

/// `663,786`.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn million(flops: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three decimals are shown")]
    let millions = flops as f64 / 1e6;
    if flops == 0 { "0".to_owned() } else { format!("{millions:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 663_786, 1_234_567].map(grouped).join(" "),
            "0 999 1,000 663,786 1,234,567"
        );
        assert_eq!(
            (shape(&[32, 32, 3]), shape(&[10])),
            ("(None, 32, 32, 3)".into(), "(None, 10)".into())
        );
        assert_eq!((million(0), million(59_414_528)), ("0".into(), "59.415".into()));
    }
}
