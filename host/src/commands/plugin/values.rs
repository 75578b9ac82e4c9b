//! Objects as files that a person can write and read: JSON, in which a tensor is
//! `{"$tensor": "u8", "data": [[1, 2], [3, 4]]}` and bytes are `{"$bytes": [1, 2]}`, and safetensors beside it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use mobula_contract::{DType, Object, Tensor, Value};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value as Json, json};

/// Elements of a tensor that are written as text; more go to the safetensors file.
const INLINE_MAX: usize = 256;

/// The fields in `STEM.json` and `STEM.safetensors`, as far as these are there.
pub(crate) fn read_fields(folder: &Path, stem: &str) -> anyhow::Result<Option<Object>> {
    let text = folder.join(format!("{stem}.json"));
    let tensors = folder.join(format!("{stem}.safetensors"));
    if !text.is_file() && !tensors.is_file() {
        return Ok(None);
    }
    let mut object = Object::default();
    if text.is_file() {
        let Json::Object(fields) = read_json(&text)? else {
            bail!("{} must be one JSON object, a field for each name", text.display());
        };
        for (name, value) in fields {
            let value =
                from_json(value).with_context(|| format!("{}: `{name}`", text.display()))?;
            object = object.with(&name, value);
        }
    }
    if tensors.is_file() {
        for (name, tensor) in read_tensors(&tensors)? {
            object = object.with(&name, Value::Tensor(tensor));
        }
    }
    Ok(Some(object))
}

pub(crate) fn read_json(file: &Path) -> anyhow::Result<Json> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))
}

/// Writes fields so that [`read_fields`] gives them back.
pub(crate) fn write_fields(folder: &Path, stem: &str, object: &Object) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (mut fields, mut tensors) = (Map::new(), Vec::new());
    for (name, value) in &object.fields {
        match value {
            Value::Tensor(tensor) if elements(tensor) > INLINE_MAX => tensors.push((name, tensor)),
            value => {
                fields.insert(name.clone(), to_json(value));
            }
        }
    }
    let file = folder.join(format!("{stem}.json"));
    let text = format!("{}\n", pretty(&Json::Object(fields)));
    crate::commands::write_file(&file, text.as_bytes())?;
    let file = folder.join(format!("{stem}.safetensors"));
    if tensors.is_empty() {
        let _ = std::fs::remove_file(&file);
        return Ok(());
    }
    let views = tensors.iter().map(|(name, tensor)| {
        let shape = tensor.shape().iter().map(|axis| usize::try_from(*axis).unwrap_or(usize::MAX));
        let view = TensorView::new(wire(tensor.dtype()), shape.collect(), tensor.bytes());
        Ok(((*name).clone(), view?))
    });
    let views = views.collect::<anyhow::Result<Vec<_>>>()?;
    let bytes = safetensors::serialize(views, None)?;
    crate::commands::write_file(&file, &bytes)
}

/// One field to a line, so that a change shows as one line.
pub(crate) fn pretty(document: &Json) -> String {
    let Some(fields) = document.as_object().filter(|fields| !fields.is_empty()) else {
        return document.to_string();
    };
    let lines = fields.iter().map(|(name, value)| format!("  {}: {value}", json!(name)));
    format!("{{\n{}\n}}", lines.collect::<Vec<_>>().join(",\n"))
}

/// The tensors of a file, in its order.
pub(crate) fn read_tensors(file: &Path) -> anyhow::Result<Vec<(String, Tensor)>> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read = || {
        let all = SafeTensors::deserialize(&bytes)?;
        let tensors = all.iter().map(|(name, view)| {
            let dtype = match view.dtype() {
                Dtype::BOOL => DType::Bool,
                Dtype::U8 => DType::U8,
                Dtype::I32 => DType::S32,
                Dtype::I64 => DType::S64,
                Dtype::F32 => DType::F32,
                Dtype::F64 => DType::F64,
                other => bail!("`{name}` is {other:?}: use BOOL, U8, I32, I64, F32 or F64"),
            };
            let shape = view.shape().iter().map(|axis| *axis as u64).collect();
            anyhow::Ok((name.to_owned(), Tensor::new(dtype, shape, view.data().to_vec())?))
        });
        tensors.collect::<anyhow::Result<Vec<_>>>()
    };
    read().with_context(|| format!("{} is no safetensors file of ours", file.display()))
}

fn wire(dtype: DType) -> Dtype {
    match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::S32 => Dtype::I32,
        DType::S64 => Dtype::I64,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
    }
}

/// A field as its JSON says it.
pub(crate) fn from_json(value: Json) -> anyhow::Result<Value> {
    if let Some(name) = value.get("$tensor") {
        return Ok(Value::Tensor(tensor(name, &value)?));
    }
    if let Some(bytes) = value.get("$bytes") {
        let bytes = bytes.as_array().context("$bytes takes a list of numbers from 0 to 255")?;
        let byte = |n: &Json| n.as_u64().and_then(|n| u8::try_from(n).ok());
        let bytes = bytes.iter().map(|n| byte(n).with_context(|| format!("{n} is no byte")));
        return Ok(Value::Bytes(Arc::new(bytes.collect::<anyhow::Result<_>>()?)));
    }
    Ok(Value::Json(value))
}

fn tensor(name: &Json, value: &Json) -> anyhow::Result<Tensor> {
    let dtype: DType = serde_json::from_value(name.clone())
        .map_err(|_| anyhow::anyhow!("{name} is no dtype: bool, u8, s32, s64, f32 or f64"))?;
    let data = value.get("data").context("a $tensor has `data`, a list of numbers or of lists")?;
    let (mut shape, mut bytes) = (Vec::new(), Vec::new());
    flatten(dtype, data, 0, &mut shape, &mut bytes)?;
    if let Some(said) = value.get("shape") {
        shape =
            serde_json::from_value(said.clone()).context("`shape` is a list of whole numbers")?;
    }
    Ok(Tensor::new(dtype, shape, bytes)?)
}

fn flatten(
    dtype: DType,
    data: &Json,
    depth: usize,
    shape: &mut Vec<u64>,
    bytes: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let Json::Array(parts) = data else {
        if depth == 0 {
            bail!("a tensor has rows: write a list");
        }
        return element(dtype, data, bytes).with_context(|| format!("{data} is no {dtype}"));
    };
    if shape.len() == depth {
        shape.push(parts.len() as u64);
    } else if shape[depth] != parts.len() as u64 {
        bail!("rows differ in length: {} and {}", shape[depth], parts.len());
    }
    parts.iter().try_for_each(|part| flatten(dtype, part, depth + 1, shape, bytes))
}

fn element(dtype: DType, value: &Json, bytes: &mut Vec<u8>) -> Option<()> {
    let float = || match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    };
    match dtype {
        DType::Bool => {
            let truth = value.as_bool().or_else(|| value.as_u64().map(|n| n != 0))?;
            bytes.push(u8::from(truth));
        }
        DType::U8 => bytes.push(u8::try_from(value.as_u64()?).ok()?),
        DType::S32 => bytes.extend(i32::try_from(value.as_i64()?).ok()?.to_le_bytes()),
        DType::S64 => bytes.extend(value.as_i64()?.to_le_bytes()),
        #[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is meant")]
        DType::F32 => bytes.extend((float()? as f32).to_le_bytes()),
        DType::F64 => bytes.extend(float()?.to_le_bytes()),
    }
    Some(())
}

/// A field as JSON, whole.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Json(json) => json.clone(),
        Value::Bytes(bytes) => json!({ "$bytes": bytes.as_slice() }),
        Value::Tensor(tensor) => {
            let data = nested(&numbers(tensor), tensor.shape());
            // Nothing says how long the axes after an empty one are.
            match tensor.shape().contains(&0) {
                true => json!({ "$tensor": tensor.dtype(), "shape": tensor.shape(), "data": data }),
                false => json!({ "$tensor": tensor.dtype(), "data": data }),
            }
        }
    }
}

fn nested(values: &[Json], shape: &[u64]) -> Json {
    match shape {
        [] | [_] => json!(values),
        [_, rest @ ..] => {
            let row = usize::try_from(rest.iter().product::<u64>()).unwrap_or(usize::MAX).max(1);
            Json::Array(values.chunks(row).map(|row| nested(row, rest)).collect())
        }
    }
}

/// Elements in all.
pub(crate) fn elements(tensor: &Tensor) -> usize {
    tensor.bytes().len() / usize::try_from(tensor.dtype().size()).unwrap_or(1)
}

/// All elements as JSON.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<Json> {
    let bytes = tensor.bytes();
    let float = |x: f64| match x {
        x if x.is_nan() => json!("NaN"),
        x if x.is_infinite() => json!(if x > 0.0 { "inf" } else { "-inf" }),
        x => json!(x),
    };
    match tensor.dtype() {
        DType::Bool => bytes.iter().map(|b| json!(*b != 0)).collect(),
        DType::U8 => bytes.iter().map(|b| json!(b)).collect(),
        DType::S32 => bytes.as_chunks().0.iter().map(|w| json!(i32::from_le_bytes(*w))).collect(),
        DType::S64 => bytes.as_chunks().0.iter().map(|w| json!(i64::from_le_bytes(*w))).collect(),
        DType::F32 => {
            let shortest = |x: f32| x.to_string().parse().unwrap_or(f64::from(x));
            let words = bytes.as_chunks().0.iter().map(|w| f32::from_le_bytes(*w));
            words.map(|x| float(if x.is_finite() { shortest(x) } else { f64::from(x) })).collect()
        }
        DType::F64 => bytes.as_chunks().0.iter().map(|w| float(f64::from_le_bytes(*w))).collect(),
    }
}

/// A tensor in one line: what it is, and its first elements.
pub(crate) fn shown(value: &Value) -> String {
    const SHOWN: u64 = 8;
    match value {
        Value::Json(json) => json.to_string(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Tensor(tensor) => {
            let first =
                tensor.slice(0, tensor.rows().min(SHOWN)).unwrap_or_else(|_| tensor.clone());
            let mut texts: Vec<String> =
                numbers(&first).iter().take(SHOWN as usize).map(Json::to_string).collect();
            if elements(tensor) > texts.len() {
                texts.push("…".to_owned());
            }
            format!("{} {:?} [{}]", tensor.dtype(), tensor.shape(), texts.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let floats: Vec<u8> = [0.1_f32, f32::NAN, f32::NEG_INFINITY, 1e-30]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let tensor = |dtype, shape: &[u64], bytes: &[u8]| {
            Value::Tensor(Tensor::new(dtype, shape.to_vec(), bytes.to_vec()).unwrap())
        };
        let object = Object::default()
            .with("floats", tensor(DType::F32, &[2, 2], &floats))
            .with("empty", tensor(DType::U8, &[0, 3], &[]))
            .with("flags", tensor(DType::Bool, &[2], &[0, 1]))
            .with("large", tensor(DType::U8, &[1000, 2], &[7; 2000]))
            .with("note", Value::Bytes(Arc::new(vec![1, 255])))
            .with("count", Value::Json(json!(3)));
        write_fields(folder.path(), "x", &object).unwrap();
        let back = read_fields(folder.path(), "x").unwrap().unwrap();
        for (name, value) in &object.fields {
            let same = match (value, back.get(name).unwrap()) {
                (Value::Tensor(a), Value::Tensor(b)) => a == b,
                (a, b) => to_json(a) == to_json(b),
            };
            assert!(same, "{name}: {back:?}");
        }
    }

    #[test]
    fn mistakes_in_a_tensor_are_named() {
        let wrong = |value: Json, word: &str| {
            let error = from_json(value).map(|_| ()).unwrap_err();
            assert!(format!("{error:#}").contains(word), "{error:#}");
        };
        wrong(json!({ "$tensor": "f16", "data": [1] }), "bool, u8, s32, s64, f32 or f64");
        wrong(json!({ "$tensor": "u8" }), "`data`");
        wrong(json!({ "$tensor": "u8", "data": 3 }), "has rows");
        wrong(json!({ "$tensor": "u8", "data": [256] }), "256 is no u8");
        wrong(json!({ "$tensor": "u8", "data": [[1, 2], [3]] }), "rows differ in length: 2 and 1");
        wrong(json!({ "$tensor": "u8", "shape": [3], "data": [1] }), "needs 3 bytes");
    }
}
