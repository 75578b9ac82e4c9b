//! The bytes of an object in a checkpoint. Version 1: `MOBJ`, version u32, field count u32; then per
//! field name length u32, name, kind u8 (0 tensor, 1 JSON, 2 bytes), for a tensor dtype u8, axis
//! count u8 and each axis u64, then payload length u64 and payload. All numbers little endian.
//!
//! An old reader refuses a newer version by name; a new reader keeps reading version 1.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::memory::Charge;
use crate::object::{Object, Value};
use crate::tensor::{DType, Tensor};

const MAGIC: &[u8; 4] = b"MOBJ";
const VERSION: u32 = 1;
const DTYPES: [DType; 6] = [DType::Bool, DType::U8, DType::S32, DType::S64, DType::F32, DType::F64];

/// Why bytes are no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Written by a newer version.
    #[error("object format {0} is newer than this program reads ({VERSION})")]
    Version(u32),
    /// Not written by us, or damaged.
    #[error("bytes at {offset} are no object: {what}")]
    Damaged {
        /// Where reading stopped.
        offset: u64,
        /// What was expected.
        what: &'static str,
    },
}

/// The bytes of an object.
#[must_use]
pub fn encode_object(object: &Object) -> Vec<u8> {
    let size = usize::try_from(object.byte_len()).unwrap_or(0);
    let mut out = Vec::with_capacity(size + 64 * (object.fields.len() + 1));
    write_object(object, &mut out).expect("memory takes everything");
    out
}

/// Writes the bytes of an object; gives how many they were.
pub fn write_object(object: &Object, out: &mut dyn Write) -> io::Result<u64> {
    let mut out = Counting { inner: out, count: 0 };
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&count(object.fields.len()))?;
    for (name, value) in &object.fields {
        out.write_all(&count(name.len()))?;
        out.write_all(name.as_bytes())?;
        write_value(value, &mut out)?;
    }
    out.flush()?;
    Ok(out.count)
}

struct Counting<'a> {
    inner: &'a mut dyn Write,
    count: u64,
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn count(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("names and field counts are short").to_le_bytes()
}

fn write_value(value: &Value, out: &mut Counting<'_>) -> io::Result<()> {
    match value {
        Value::Tensor(tensor) => {
            let dtype = DTYPES.iter().position(|d| *d == tensor.dtype()).expect("all are listed");
            out.write_all(&[0, u8::try_from(dtype).expect("six")])?;
            out.write_all(&[u8::try_from(tensor.shape().len()).expect("few axes")])?;
            for axis in tensor.shape() {
                out.write_all(&axis.to_le_bytes())?;
            }
            payload(tensor.bytes(), out)
        }
        Value::Json(json) => {
            out.write_all(&[1])?;
            payload(json.to_string().as_bytes(), out)
        }
        Value::Bytes(bytes) => {
            out.write_all(&[2])?;
            payload(bytes, out)
        }
    }
}

fn payload(bytes: &[u8], out: &mut Counting<'_>) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)
}

/// Reads an object back; hostile bytes are an error, and nothing is allocated beyond their length.
pub fn decode_object(mut bytes: &[u8]) -> Result<Object, CodecError> {
    let len = bytes.len() as u64;
    read_object(&mut bytes, len, &mut |_| Charge::default())
}

/// Reads an object of `len` bytes in all. `charge` gives what a tensor of so many bytes takes from a
/// budget.
pub fn read_object(
    from: &mut dyn Read,
    len: u64,
    charge: &mut dyn FnMut(u64) -> Charge,
) -> Result<Object, CodecError> {
    let mut reader = Reader { from, offset: 0, left: len, charge };
    if reader.take(4, "the mark MOBJ")? != MAGIC {
        return Err(CodecError::Damaged { offset: 0, what: "the mark MOBJ" });
    }
    let version = reader.u32("a version")?;
    if version != VERSION {
        return Err(CodecError::Version(version));
    }
    let mut object = Object::default();
    for _ in 0..reader.u32("a field count")? {
        let len = u64::from(reader.u32("a name length")?);
        let name = reader.text(len, "a name")?;
        let value = read_value(&mut reader)?;
        object.fields.push((name, value));
    }
    if reader.left != 0 {
        return Err(reader.damaged("the end"));
    }
    Ok(object)
}

fn read_value(reader: &mut Reader<'_>) -> Result<Value, CodecError> {
    match reader.take(1, "a kind")?[0] {
        0 => read_tensor(reader),
        1 => {
            let len = reader.u64("a length")?;
            let text = reader.text(len, "a JSON document")?;
            let json = serde_json::from_str(&text);
            json.map(Value::Json).map_err(|_| reader.damaged("a JSON document"))
        }
        2 => {
            let len = reader.u64("a length")?;
            Ok(Value::Bytes(Arc::new(reader.take(len, "bytes")?)))
        }
        _ => Err(reader.damaged("a known kind")),
    }
}

fn read_tensor(reader: &mut Reader<'_>) -> Result<Value, CodecError> {
    let dtype = usize::from(reader.take(1, "a dtype")?[0]);
    let dtype = *DTYPES.get(dtype).ok_or_else(|| reader.damaged("a known dtype"))?;
    let axes = reader.take(1, "an axis count")?[0];
    let shape = (0..axes).map(|_| reader.u64("an axis")).collect::<Result<Vec<_>, _>>()?;
    let len = reader.u64("a length")?;
    let bytes = reader.take(len, "the elements")?;
    let charge = (reader.charge)(len);
    let tensor = Tensor::charged(dtype, shape, bytes, charge);
    tensor.map(Value::Tensor).map_err(|_| reader.damaged("a shape that fits its elements"))
}

struct Reader<'a> {
    from: &'a mut dyn Read,
    offset: u64,
    left: u64,
    charge: &'a mut dyn FnMut(u64) -> Charge,
}

impl Reader<'_> {
    fn take(&mut self, len: u64, what: &'static str) -> Result<Vec<u8>, CodecError> {
        let size = usize::try_from(len).ok().filter(|_| len <= self.left);
        let size = size.ok_or_else(|| self.damaged(what))?;
        let mut bytes = vec![0; size];
        self.from.read_exact(&mut bytes).map_err(|_| self.damaged(what))?;
        self.offset += len;
        self.left -= len;
        Ok(bytes)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, CodecError> {
        let bytes = self.take(4, what)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, CodecError> {
        let bytes = self.take(8, what)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    fn text(&mut self, len: u64, what: &'static str) -> Result<String, CodecError> {
        let bytes = self.take(len, what)?;
        String::from_utf8(bytes).map_err(|_| self.damaged(what))
    }

    fn damaged(&self, what: &'static str) -> CodecError {
        CodecError::Damaged { offset: self.offset, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Object {
        let tensor = Tensor::new(DType::S32, vec![2, 1], vec![1, 0, 0, 0, 2, 0, 0, 0]).unwrap();
        Object::default()
            .with("x", Value::Tensor(tensor))
            .with("stats", Value::Json(serde_json::json!({"mean": 0.5})))
            .with("raw", Value::Bytes(Arc::new(vec![7, 8])))
    }

    #[test]
    fn objects_read_back() {
        assert_eq!(decode_object(&encode_object(&sample())).unwrap(), sample());
    }

    #[test]
    fn every_truncation_and_flip_is_an_error_or_an_object() {
        let good = encode_object(&sample());
        for len in 0..good.len() {
            assert!(decode_object(&good[..len]).is_err(), "cut at {len}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            let _ = decode_object(&bad);
        }
    }

    #[test]
    fn newer_versions_are_named() {
        let mut bytes = encode_object(&sample());
        bytes[4] = 9;
        assert_eq!(decode_object(&bytes), Err(CodecError::Version(9)));
    }
}
