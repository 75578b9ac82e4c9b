//! Typed tensors, shapes and arguments, as the host calls them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use mobula_contract::Manifest;
use mobula_guest::export::{Call, Definition, Fields, Plugin as _, Value};
use mobula_guest::prelude::*;

#[args]
pub struct PickArgs {
    /// How many.
    #[arg(default = 2, min = 1, max = 8)]
    count: u32,
    /// Where from.
    #[arg(default = "front", one_of = ["front", "back"])]
    side: String,
    #[arg(min = 0.0)]
    weight: Option<f64>,
}

#[outputs]
pub struct Picked {
    values: Tensor<f32>,
    weight: Option<f64>,
}

/// Pick rows.
#[task]
fn pick(
    #[port(shape = "[N, 2]")] values: Tensor<f32>,
    #[port(dtype = "s64", shape = "[N]")] labels: Option<Tensor>,
    args: PickArgs,
) -> Result<Picked> {
    let _ = labels;
    let count = u64::from(args.count);
    let rows = values.rows();
    ensure!(count <= rows, "count {count} of only {rows} rows");
    let start = if args.side == "front" { 0 } else { rows - count };
    Ok(Picked { values: values.slice(start, count)?, weight: args.weight })
}

plugin! { tasks: [pick] }

fn values(rows: u64) -> (String, Value) {
    let all: Vec<f32> = (0..rows * 2).map(|i| i as f32).collect();
    let tensor = Tensor::of(&[rows, 2], &all).unwrap().into_any();
    ("values".to_owned(), Value::Tensor(tensor))
}

fn run(args: &str, inputs: Fields) -> Result<Fields> {
    let definition: Definition = ThisPlugin::definition();
    definition.run("pick", Call::new(args.to_owned(), inputs))
}

#[track_caller]
fn refused(result: Result<Fields>, words: &[&str]) {
    let Err(Error::Invalid(message)) = result else { panic!("{words:?} must be refused") };
    assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
}

#[test]
fn arguments_have_defaults_and_bounds_in_code_and_in_the_manifest() {
    let fields = run("{}", vec![values(3)]).unwrap();
    assert!(matches!(&fields[..], [(_, Value::Tensor(t))] if t.rows() == 2), "{fields:?}");
    let fields = run(r#"{"count":1,"side":"back","weight":0.5}"#, vec![values(3)]).unwrap();
    let [(_, Value::Tensor(picked)), (_, Value::Json(weight))] = &fields[..] else {
        panic!("{fields:?}");
    };
    assert_eq!((picked.to_vec::<f32>().unwrap(), weight.as_str()), (vec![4.0, 5.0], "0.5"));
    refused(run(r#"{"count":0}"#, vec![values(3)]), &["args.count", "0 is below 1"]);
    refused(run(r#"{"count":9}"#, vec![values(3)]), &["args.count", "9 is above 8"]);
    refused(run(r#"{"side":"top"}"#, vec![values(3)]), &["args.side", "`top`", "front, back"]);
    refused(run(r#"{"weight":-1}"#, vec![values(3)]), &["args.weight", "-1 is below 0"]);
    refused(run(r#"{"count":4}"#, vec![values(3)]), &["count 4 of only 3 rows"]);

    let manifest: Manifest = serde_json::from_value(ThisPlugin::definition().manifest()).unwrap();
    let task = manifest.task("pick").unwrap();
    let schema = task.args.as_ref().unwrap();
    let count = &schema["properties"]["count"];
    assert_eq!((count["default"].as_u64(), count["minimum"].as_u64()), (Some(2), Some(1)));
    assert_eq!(count["maximum"].as_u64(), Some(8));
    assert_eq!(schema["properties"]["side"]["enum"], serde_json::json!(["front", "back"]));
    assert!(schema.get("required").is_none(), "{schema}");
    assert_eq!(task.inputs[0].dtype.as_deref(), Some("f32"));
    assert_eq!(task.outputs[0].dtype.as_deref(), Some("f32"));
}

#[test]
fn elements_and_axes_are_held_against_what_a_port_says() {
    let labels = |dtype, shape: &[u64], bytes: &[u8]| {
        ("labels".to_owned(), Value::Tensor(Tensor::new(dtype, shape, bytes).unwrap()))
    };
    assert!(run("{}", vec![values(3), labels(DType::S64, &[3], &[0; 24])]).is_ok());
    let got = run("{}", vec![values(3), labels(DType::U8, &[3], &[0; 3])]);
    refused(got, &["task `pick`", "`labels`", "of s64", "one of u8"]);
    let got = run("{}", vec![values(3), labels(DType::S64, &[2], &[0; 16])]);
    refused(got, &["`labels`", "[2]", "N of [N] is 3"]);
    let bytes = Tensor::of(&[2, 2], &[1_u8, 2, 3, 4]).unwrap().into_any();
    let got = run("{}", vec![("values".to_owned(), Value::Tensor(bytes))]);
    refused(got, &["`values`", "of f32", "one of u8"]);
    let wide = Tensor::of(&[2, 3], &[0.0_f32; 6]).unwrap().into_any();
    let got = run("{}", vec![("values".to_owned(), Value::Tensor(wide))]);
    refused(got, &["`values`", "[N, 2]", "[2, 3]"]);
}

#[test]
fn a_tensor_is_read_in_parts_and_as_a_file() {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    let all: Vec<i32> = (0..300_000).collect();
    let tensor = Tensor::of(&[100_000, 3], &all).unwrap();
    let parts: Vec<_> = tensor.parts().collect::<Result<_>>().unwrap();
    assert!(parts.len() > 3 && parts.iter().all(|part| part.values.len() <= 65_536));
    assert_eq!(parts.concat_values(), all);
    assert_eq!(tensor.parts_of(40_000).map(|part| part.unwrap().rows).sum::<u64>(), 100_000);
    let mut reader = tensor.reader();
    let mut word = [0; 4];
    reader.seek(SeekFrom::Start(4 * 70_000)).unwrap();
    reader.read_exact(&mut word).unwrap();
    assert_eq!(i32::from_le_bytes(word), 70_000);
    let rest = reader.bytes().count();
    assert_eq!(rest, 4 * (300_000 - 70_001));
    let mut copy = TensorBuilder::<i32>::of(&[3], 100_000).unwrap();
    copy.write_all(&tensor.bytes().unwrap()).unwrap();
    let more = Error::from(copy.write_all(&[0; 4]).unwrap_err());
    assert!(matches!(more, Error::OutOfBounds(_)), "{more:?}: the kind comes through std::io");
    assert_eq!(copy.finish().unwrap().values().unwrap(), all);
}

trait ConcatValues {
    fn concat_values(&self) -> Vec<i32>;
}

impl ConcatValues for Vec<mobula_guest::Part<i32>> {
    fn concat_values(&self) -> Vec<i32> {
        self.iter().flat_map(|part| part.values.iter().copied()).collect()
    }
}
