//! Outputs of stages: what the events say of them, and a look into those of which a checkpoint is kept.

use std::collections::{BTreeMap, BTreeSet};

use mobula_contract::{
    DType, EventBody, Object, OutputNote, StageRef, Tensor, Value, decode_object,
};
use mobula_server::documents as doc;
use mobula_server::{Answer, Caller, Refusal, Why};
use mobula_store::Subject;

use super::HostHouse;
use super::refuse::of_store;

/// Numbers that are given at once.
const NUMBERS_MAX: usize = 65_536;
/// Pixels of an image.
const PIXELS_MAX: usize = 1 << 22;

impl HostHouse {
    pub(super) fn objects_of(&self, caller: &Caller, run: &str) -> Answer<doc::Objects> {
        let tenant = self.of(caller)?;
        let row = tenant.row(run)?;
        let store = tenant.store()?;
        let kept = store.checkpoints(Some(&row.run)).map_err(of_store)?;
        let kept: BTreeSet<(String, u32)> = kept
            .into_iter()
            .filter(|row| row.actor.is_none() && row.damaged.is_none())
            .map(|row| (row.stage, row.index))
            .collect();
        let mut newest: BTreeMap<StageRef, (u64, Vec<(String, OutputNote)>)> = BTreeMap::new();
        for (number, event) in store.events(&row.run, 0).map_err(of_store)? {
            if let EventBody::StageFinished { stage, outputs, .. } = event.body {
                newest.insert(stage, (number, outputs));
            }
        }
        let mut all: Vec<_> = newest.into_iter().collect();
        all.sort_by_key(|(_, (number, _))| *number);
        let objects = all.into_iter().map(|(stage, (_, outputs))| {
            let stored = kept.contains(&(stage.name.clone(), stage.index));
            let fields = outputs.into_iter().map(|(name, note)| {
                let bytes = bytes_of(&note);
                doc::FieldEntry { name, note, bytes }
            });
            let fields = fields.collect();
            doc::ObjectEntry { stage: stage.name, index: stage.index, stored, fields }
        });
        Ok(doc::Objects { objects: objects.collect() })
    }

    pub(super) fn rows_of(
        &self,
        caller: &Caller,
        of: &doc::FieldOf,
        rows: usize,
    ) -> Answer<doc::Rows> {
        let tensor = self.tensor(caller, of)?;
        Ok(doc::Rows {
            field: of.field.clone(),
            dtype: tensor.dtype().name().to_owned(),
            shape: tensor.shape().to_vec(),
            rows: first_rows(&tensor, rows),
        })
    }

    pub(super) fn image_of(
        &self,
        caller: &Caller,
        of: &doc::FieldOf,
        row: usize,
    ) -> Answer<Vec<u8>> {
        let tensor = self.tensor(caller, of)?;
        let invalid = |why: &str| Refusal::new(Why::Invalid, format!("`{}` {why}", of.field));
        let (height, width, channels) = match (tensor.dtype(), tensor.shape()) {
            (DType::U8, [_, h, w]) => (*h, *w, 1),
            (DType::U8, [_, h, w, c @ (1 | 3 | 4)]) => (*h, *w, *c),
            _ => return Err(invalid("has no images: those are u8 [n, height, width, 1 or 3]")),
        };
        if row as u64 >= tensor.rows() {
            return Err(Refusal::new(Why::NotFound, format!("`{}` has no row {row}", of.field)));
        }
        let len = tensor.row_len();
        let pixels = &tensor.bytes()[row * len..(row + 1) * len];
        let side = |length: u64| u32::try_from(length).unwrap_or(u32::MAX);
        if pixels.is_empty() || pixels.len() > PIXELS_MAX {
            return Err(invalid("has images of a size that is not shown"));
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side(width), side(height));
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_color(match channels {
            1 => png::ColorType::Grayscale,
            3 => png::ColorType::Rgb,
            _ => png::ColorType::Rgba,
        });
        let write = |encoder: png::Encoder<'_, &mut Vec<u8>>| {
            encoder.write_header()?.write_image_data(pixels)
        };
        write(encoder).map_err(|e| Refusal::internal(format!("an image: {e}")))?;
        Ok(file)
    }

    fn tensor(&self, caller: &Caller, of: &doc::FieldOf) -> Answer<Tensor> {
        let tenant = self.of(caller)?;
        let row = tenant.row(&of.run)?;
        let store = tenant.store()?;
        let subject = Subject::Output(&of.stage, of.index);
        let newest = store.newest_valid(&row.run, subject).map_err(of_store)?;
        let none = || {
            let detail =
                "the bytes of this output are not kept: a checkpoint of it would hold them";
            Refusal::new(Why::NotFound, detail)
        };
        let (_, bytes) = newest.found.ok_or_else(none)?;
        let object: Object =
            decode_object(&bytes).map_err(|e| Refusal::internal(format!("an output: {e}")))?;
        match object.get(&of.field) {
            Some(Value::Tensor(tensor)) => Ok(tensor.clone()),
            Some(_) => Err(Refusal::new(Why::Invalid, format!("`{}` is no tensor", of.field))),
            None => Err(Refusal::new(Why::NotFound, format!("no field `{}`", of.field))),
        }
    }
}

/// Bytes of a field, from what is said of it.
pub(super) fn bytes_of(note: &OutputNote) -> Option<u64> {
    match note {
        OutputNote::Json { .. } => None,
        OutputNote::Bytes { len } => Some(*len),
        OutputNote::Tensor { dtype, shape } => {
            let size = match dtype.as_str() {
                "bool" | "u8" => 1,
                "s32" | "f32" => 4,
                "s64" | "f64" => 8,
                _ => return None,
            };
            shape.iter().try_fold(size, |product: u64, length| product.checked_mul(*length))
        }
    }
}

/// What an event would say of a field.
pub(super) fn note(value: &Value) -> OutputNote {
    match value {
        Value::Tensor(tensor) => OutputNote::Tensor {
            dtype: tensor.dtype().name().to_owned(),
            shape: tensor.shape().to_vec(),
        },
        Value::Json(value) => OutputNote::Json { value: value.clone() },
        Value::Bytes(bytes) => OutputNote::Bytes { len: bytes.len() as u64 },
    }
}

/// Numbers of the first rows.
pub(super) fn first_rows(tensor: &Tensor, most: usize) -> Vec<Vec<f64>> {
    let size = usize::try_from(tensor.dtype().size()).unwrap_or(1);
    let len = tensor.row_len();
    if len == 0 {
        return Vec::new();
    }
    let fit = (NUMBERS_MAX / (len / size).max(1)).max(1);
    let rows = tensor.bytes().chunks_exact(len).take(most.min(fit));
    rows.map(|row| {
        row.chunks_exact(size).take(NUMBERS_MAX).map(|n| number(tensor.dtype(), n)).collect()
    })
    .collect()
}

#[expect(clippy::cast_precision_loss, reason = "as numbers are shown")]
fn number(dtype: DType, bytes: &[u8]) -> f64 {
    let four = || bytes.first_chunk().copied().unwrap_or_default();
    let eight = || bytes.first_chunk().copied().unwrap_or_default();
    match dtype {
        DType::Bool | DType::U8 => f64::from(bytes[0]),
        DType::S32 => f64::from(i32::from_le_bytes(four())),
        DType::F32 => f64::from(f32::from_le_bytes(four())),
        DType::S64 => i64::from_le_bytes(eight()) as f64,
        DType::F64 => f64::from_le_bytes(eight()),
    }
}
