//! Compares what came out of a call with what was expected, within a tolerance, and says where it differs.

use mobula_contract::{DType, Object, Tensor, Value};
use serde_json::Value as Json;

use super::values::{numbers, shown};

/// What differs, one sentence each; empty when all is as expected.
pub(crate) fn differences(got: &Object, expected: &Object, tolerance: f64) -> Vec<String> {
    let mut found = Vec::new();
    for (name, wanted) in &expected.fields {
        match got.get(name) {
            None => {
                found.push(format!("output `{name}` is missing: {} was expected", shown(wanted)))
            }
            Some(value) => found.extend(
                difference(value, wanted, tolerance).map(|why| format!("output `{name}`: {why}")),
            ),
        }
    }
    let more = got.fields.iter().filter(|(name, _)| expected.get(name).is_none());
    found.extend(
        more.map(|(name, value)| format!("output `{name}` was not expected: {}", shown(value))),
    );
    found
}

fn difference(got: &Value, wanted: &Value, tolerance: f64) -> Option<String> {
    match (got, wanted) {
        (Value::Tensor(got), Value::Tensor(wanted)) => tensors(got, wanted, tolerance),
        (Value::Json(got), Value::Json(wanted)) => documents(got, wanted, tolerance, ""),
        (Value::Bytes(got), Value::Bytes(wanted)) if got == wanted => None,
        (Value::Bytes(got), Value::Bytes(wanted)) => {
            let at = got.iter().zip(wanted.iter()).take_while(|(a, b)| a == b).count();
            Some(format!(
                "{} bytes, expected {}; they differ from byte {at} on",
                got.len(),
                wanted.len()
            ))
        }
        _ => Some(format!("it is {}, expected {}", got.kind(), wanted.kind())),
    }
}

fn tensors(got: &Tensor, wanted: &Tensor, tolerance: f64) -> Option<String> {
    if (got.dtype(), got.shape()) != (wanted.dtype(), wanted.shape()) {
        return Some(format!(
            "{} {:?}, expected {} {:?}",
            got.dtype(),
            got.shape(),
            wanted.dtype(),
            wanted.shape()
        ));
    }
    if got.bytes() == wanted.bytes() {
        return None;
    }
    let size = usize::try_from(got.dtype().size()).unwrap_or(1);
    let pairs = got.bytes().chunks_exact(size).zip(wanted.bytes().chunks_exact(size));
    let differs = |(a, b): (&[u8], &[u8])| a != b && !near(got.dtype(), a, b, tolerance);
    let differing: Vec<usize> =
        pairs.enumerate().filter(|(_, pair)| differs(*pair)).map(|(i, _)| i).collect();
    let first = *differing.first()?;
    let value =
        |tensor: &Tensor| numbers(tensor).get(first).map(Json::to_string).unwrap_or_default();
    Some(format!(
        "{} of {} elements differ; the first at {:?}: {}, expected {}",
        differing.len(),
        got.bytes().len() / size,
        place(first, got.shape()),
        value(got),
        value(wanted)
    ))
}

fn near(dtype: DType, a: &[u8], b: &[u8], tolerance: f64) -> bool {
    let float = |bytes: &[u8]| match dtype {
        DType::F32 => bytes.as_array().map(|word| f64::from(f32::from_le_bytes(*word))),
        DType::F64 => bytes.as_array().map(|word| f64::from_le_bytes(*word)),
        _ => None,
    };
    match (float(a), float(b)) {
        (Some(a), Some(b)) => within(a, b, tolerance),
        _ => false,
    }
}

fn within(got: f64, wanted: f64, tolerance: f64) -> bool {
    got == wanted || (got - wanted).abs() <= tolerance * wanted.abs().max(1.0)
}

/// The place of an element, an index for each axis.
fn place(mut element: usize, shape: &[u64]) -> Vec<usize> {
    let mut place = Vec::new();
    for axis in shape.iter().rev() {
        let axis = usize::try_from(*axis).unwrap_or(usize::MAX).max(1);
        place.insert(0, element % axis);
        element /= axis;
    }
    place
}

fn documents(got: &Json, wanted: &Json, tolerance: f64, at: &str) -> Option<String> {
    let place = if at.is_empty() { String::new() } else { format!("at {at}: ") };
    match (got, wanted) {
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64()?, b.as_f64()?);
            (!within(a, b, tolerance)).then(|| format!("{place}{got}, expected {wanted}"))
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(i, (a, b))| documents(a, b, tolerance, &format!("{at}[{i}]"))),
        (Json::Object(a), Json::Object(b)) if a.keys().eq(b.keys()) => a
            .iter()
            .zip(b.values())
            .find_map(|((key, a), b)| documents(a, b, tolerance, &format!("{at}.{key}"))),
        (a, b) if a == b => None,
        _ => Some(format!("{place}{got}, expected {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn floats(values: &[f32]) -> Object {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let tensor = Tensor::new(DType::F32, vec![values.len() as u64 / 2, 2], bytes).unwrap();
        Object::default().with("x", Value::Tensor(tensor))
    }

    #[track_caller]
    fn check(got: &Object, expected: &Object, tolerance: f64, words: &[&str]) {
        let found = differences(got, expected, tolerance);
        assert_eq!(found.is_empty(), words.is_empty(), "{found:?}");
        assert!(words.iter().all(|word| found.join("\n").contains(word)), "{found:?}");
    }

    #[test]
    fn differences_name_field_place_and_values() {
        let expected = floats(&[1.0, 2.0, 3.0, 4.0]);
        check(&floats(&[1.0, 2.0, 3.0, 4.0]), &expected, 0.0, &[]);
        check(
            &floats(&[1.0, 2.0, 3.5, 4.5]),
            &expected,
            0.0,
            &["`x`: 2 of 4", "[1, 0]: 3.5, expected 3"],
        );
        check(&floats(&[1.0, 2.0, 3.0, 4.000_001]), &expected, 1e-6, &[]);
        check(&floats(&[1.0, 2.0, 3.0, 4.000_1]), &expected, 1e-6, &["[1, 1]"]);
        check(&floats(&[1.0, 2.0]), &expected, 0.0, &["f32 [1, 2], expected f32 [2, 2]"]);
        check(&Object::default(), &expected, 0.0, &["`x` is missing"]);
        check(&expected, &Object::default(), 0.0, &["`x` was not expected"]);
    }

    #[test]
    fn documents_are_compared_in_depth() {
        let of = |json| Object::default().with("stats", Value::Json(json));
        let expected = of(json!({ "mean": [1.0, 2.0], "n": 3 }));
        check(&of(json!({ "mean": [1, 2.0], "n": 3.0 })), &expected, 0.0, &[]);
        check(
            &of(json!({ "mean": [1, 2.5], "n": 3 })),
            &expected,
            0.1,
            &["at .mean[1]: 2.5, expected 2"],
        );
        check(&of(json!([])), &expected, 0.0, &["[], expected"]);
    }
}
