//! A plugin as an author writes it, called as the host calls it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use mobula_contract::{Manifest, PortKind};
use mobula_guest::export::{Call, Definition, Fields, Plugin as _, Value};
use mobula_guest::prelude::*;
use mobula_guest::stream::emitted;

/// Arguments of `first`.
#[args]
pub struct FirstArgs {
    /// How many rows.
    size: u64,
    /// Begin at the end.
    #[serde(default)]
    backwards: bool,
}

#[outputs]
pub struct First {
    /// The first rows.
    #[port(dtype = "u8", shape = "[N]")]
    rows: Tensor,
    /// How many there were.
    total: u64,
    note: Option<Vec<u8>>,
}

/// Take the first rows.
///
/// In the order in which they stand.
#[task]
fn first(
    /// What is taken from.
    #[port(dtype = "u8", shape = "[N]")]
    rows: Tensor,
    weights: Option<Json<Vec<f64>>>,
    note: Option<Vec<u8>>,
    args: FirstArgs,
) -> Result<First> {
    let total = rows.rows();
    let start = if args.backwards { total.saturating_sub(args.size) } else { 0 };
    let _ = weights.map(|weights| weights.0);
    Ok(First { rows: rows.slice(start, args.size)?, total, note })
}

/// Do nothing.
#[task]
fn nothing() -> Result<First> {
    Err(Error::Cancelled)
}

#[args]
pub struct CounterArgs {
    start: u64,
}

#[state]
pub struct Counter {
    count: u64,
}

#[outputs]
pub struct Count {
    count: u64,
}

/// Counts.
#[actor(version = 3)]
impl Counter {
    pub fn new(args: CounterArgs) -> Result<Self> {
        Ok(Self { count: args.start })
    }

    /// Count the rows.
    pub fn add(&mut self, rows: Tensor) -> Result<Count> {
        self.count += rows.rows();
        self.total()
    }

    /// So far.
    pub fn total(&self) -> Result<Count> {
        Ok(Count { count: self.count })
    }
}

#[outputs]
pub struct Half {
    rows: Tensor,
    index: u64,
}

/// Give each half of the rows.
#[task]
fn halves(rows: Tensor) -> Result<Count> {
    let half = rows.rows() / 2;
    for index in 0..2 {
        emit(Half { rows: rows.slice(index * half, half)?, index })?;
    }
    emit(Count { count: half })?;
    Ok(Count { count: 2 })
}

plugin! { tasks: [first, nothing, halves], actors: [Counter], mounts: ["data"] }

fn plugin() -> Definition {
    ThisPlugin::definition()
}

fn rows(bytes: &[u8]) -> (String, Value) {
    let tensor = Tensor::new(DType::U8, &[bytes.len() as u64], bytes).unwrap();
    ("rows".to_owned(), Value::Tensor(tensor))
}

fn call(args: &str, inputs: Fields) -> Call {
    Call::new(args.to_owned(), inputs)
}

#[track_caller]
fn refused<T>(result: Result<T>, parts: &[&str]) {
    let Err(Error::Invalid(message)) = result else { panic!("{parts:?} must be refused") };
    assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
}

#[test]
fn the_manifest_says_what_the_code_says() {
    let manifest: Manifest = serde_json::from_value(plugin().manifest()).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("mobula-guest", "0.1.0"));
    assert_eq!(manifest.requests.mounts, ["data"]);
    let first = manifest.task("first").unwrap();
    assert_eq!(first.doc, "Take the first rows.\n\nIn the order in which they stand.");
    let schema = first.args.as_ref().unwrap();
    assert_eq!(schema["properties"]["size"]["type"], "integer");
    assert_eq!(schema["properties"]["size"]["description"], "How many rows.");
    assert_eq!(schema["properties"]["backwards"]["default"], false);
    assert_eq!(schema["required"], serde_json::json!(["size"]));
    assert_eq!(schema["additionalProperties"], false);
    let inputs = first.inputs.iter().map(|port| (port.name.as_str(), port.kind, port.optional));
    let wanted = [
        ("rows", PortKind::Tensor, false),
        ("weights", PortKind::Json, true),
        ("note", PortKind::Bytes, true),
    ];
    assert_eq!(inputs.collect::<Vec<_>>(), wanted);
    let input = &first.inputs[0];
    assert_eq!((input.dtype.as_deref(), input.doc.as_str()), (Some("u8"), "What is taken from."));
    assert_eq!(input.shape, Some(serde_json::json!("[N]")));
    let outputs = first.outputs.iter().map(|port| (port.name.as_str(), port.kind));
    let wanted = [("rows", PortKind::Tensor), ("total", PortKind::Json), ("note", PortKind::Bytes)];
    assert_eq!(outputs.collect::<Vec<_>>(), wanted);
    assert_eq!(first.outputs[0].doc, "The first rows.");
    assert_eq!(manifest.task("nothing").unwrap().args, None);
    let counter = manifest.actor("Counter").unwrap();
    assert_eq!(counter.doc, "Counts.");
    assert_eq!(counter.args.as_ref().unwrap()["required"], serde_json::json!(["start"]));
    assert_eq!(counter.method("add").unwrap().inputs[0].name, "rows");
    assert_eq!(counter.method("total").unwrap().doc, "So far.");
}

#[test]
fn a_call_gives_the_fields_of_its_outputs() {
    let inputs = vec![rows(&[1, 2, 3]), ("note".to_owned(), Value::Bytes(vec![7]))];
    let fields = plugin().run("first", call(r#"{"size":2,"backwards":true}"#, inputs)).unwrap();
    let [(_, Value::Tensor(rows)), (_, Value::Json(total)), (note, Value::Bytes(bytes))] =
        &fields[..]
    else {
        panic!("{fields:?}");
    };
    assert_eq!((rows.to_vec::<u8>().unwrap(), total.as_str()), (vec![2, 3], "3"));
    assert_eq!((note.as_str(), &bytes[..]), ("note", &[7][..]));
    let fields = plugin().run("first", call(r#"{"size":1}"#, vec![rows_of(2)])).unwrap();
    assert_eq!(fields.len(), 2, "an output that is `None` is left out");
}

#[test]
fn a_stream_is_kept_for_its_test() {
    let fields = plugin().run("halves", call("", vec![rows(&[1, 2, 3, 4])])).unwrap();
    assert!(matches!(&fields[..], [(_, Value::Json(count))] if count == "2"), "{fields:?}");
    let halves = emitted::<Half>();
    let seen = halves.iter().map(|half| (half.index, half.rows.to_vec::<u8>().unwrap()));
    assert_eq!(seen.collect::<Vec<_>>(), [(0, vec![1, 2]), (1, vec![3, 4])]);
    assert_eq!((emitted::<Half>().len(), emitted::<Count>().len()), (0, 1));
}

fn rows_of(count: usize) -> (String, Value) {
    rows(&vec![0; count])
}

#[test]
fn wrong_calls_name_the_export_and_the_place() {
    let run = |args: &str, inputs: Fields| plugin().run("first", call(args, inputs));
    refused(run(r#"{"size":"two"}"#, vec![rows_of(1)]), &["task `first`", "args.size", "u64"]);
    refused(run(r#"{"siez":2}"#, vec![rows_of(1)]), &["task `first`", "`siez`", "`size`"]);
    refused(run("{}", vec![rows_of(1)]), &["task `first`", "missing field `size`"]);
    refused(run("", vec![rows_of(1)]), &["missing field `size`"]);
    let size = r#"{"size":1}"#;
    refused(run(size, vec![]), &["task `first`", "input `rows` is missing", "a tensor"]);
    let text = vec![("rows".to_owned(), Value::Json("1".to_owned()))];
    refused(run(size, text), &["input `rows` takes a tensor", "JSON"]);
    let bad = vec![rows_of(1), ("weights".to_owned(), Value::Json("[1, true]".to_owned()))];
    refused(run(size, bad), &["task `first`", "input `weights`", "[1]"]);
    let more = vec![rows_of(1), ("labels".to_owned(), Value::Bytes(vec![]))];
    refused(run(size, more), &["no input is called `labels`"]);
    refused(plugin().run("nothing", call(size, vec![])), &["task `nothing`", "takes no args"]);
    assert!(matches!(plugin().run("nothing", call("{}", vec![])), Err(Error::Cancelled)));
    refused(
        plugin().run("frist", call("", vec![])),
        &["no task `frist`", "first, nothing, halves"],
    );
    refused(plugin().actor("Conter").map(|_| ()), &["no actor `Conter`", "Counter"]);
}

#[test]
fn an_actor_goes_on_from_its_snapshot() {
    let definition = plugin();
    let class = definition.actor("Counter").unwrap();
    refused((class.create)(call("", vec![])).map(|_| ()), &["actor `Counter`", "`start`"]);
    let mut actor = (class.create)(call(r#"{"start":5}"#, vec![])).unwrap();
    actor.call("add", call("", vec![rows_of(3)])).unwrap();
    let (version, state) = actor.snapshot().unwrap();
    assert_eq!(version, 3);
    let mut again = (class.restore)(version, &state).unwrap();
    let fields = again.call("total", call("", vec![])).unwrap();
    assert!(matches!(&fields[..], [(_, Value::Json(count))] if count == "8"), "{fields:?}");
    refused(again.call("add", call("", vec![])), &["method `Counter.add`", "input `rows`"]);
    refused(again.call("sub", call("", vec![])), &["no method `sub`", "add, total"]);
}

#[test]
fn a_state_of_another_version_or_damaged_is_refused() {
    let definition = plugin();
    let class = definition.actor("Counter").unwrap();
    let state = (class.create)(call(r#"{"start":5}"#, vec![])).unwrap().snapshot().unwrap().1;
    refused((class.restore)(2, &state).map(|_| ()), &["Counter", "version 2", "only 3"]);
    refused((class.restore)(3, &state[..3]).map(|_| ()), &["state of Counter"]);
    refused((class.restore)(3, &[0xff; 40]).map(|_| ()), &["state of Counter"]);
}

#[test]
fn elements_are_read_as_what_they_are() {
    let bytes: Vec<u8> = [1.5_f32, -2.0, 0.25, 8.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let tensor = Tensor::new(DType::F32, &[2, 2], &bytes).unwrap();
    assert_eq!(tensor.to_vec::<f32>().unwrap(), [1.5, -2.0, 0.25, 8.0]);
    refused(tensor.to_vec::<i32>(), &["F32", "S32"]);
    assert_eq!(tensor.row_len(), 8);
    assert_eq!(tensor.read_rows(1, 1).unwrap(), bytes[8..]);
    assert!(matches!(tensor.read_rows(1, 2), Err(Error::OutOfBounds(_))));
    assert!(matches!(tensor.read_rows(u64::MAX, 2), Err(Error::OutOfBounds(_))));
    assert!(matches!(tensor.gather(&[2]), Err(Error::OutOfBounds(_))));
}
