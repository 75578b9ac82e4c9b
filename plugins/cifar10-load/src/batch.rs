//! One batch: images by pixel (height, width, channel) with their labels, from either version.

use mobula_guest::{Error, Result};

use crate::pickle::{self, Item};

/// Pixels of one colour plane: 32 × 32.
const PLANE: usize = 1024;
/// Bytes of an image.
const IMAGE: usize = 3 * PLANE;
/// Bytes of a record of the binary version: the label, then the image plane by plane.
const RECORD: usize = 1 + IMAGE;
/// Classes of the data set.
const CLASSES: u8 = 10;

/// Images and labels of one file.
#[derive(Debug)]
pub(crate) struct Batch {
    /// `[N, 32, 32, 3]`.
    pub(crate) pixels: Vec<u8>,
    /// `[N]`.
    pub(crate) labels: Vec<u8>,
}

impl Batch {
    /// The binary version.
    pub(crate) fn from_binary(name: &str, bytes: &[u8]) -> Result<Self> {
        let whole = bytes.len() / RECORD * RECORD;
        if bytes.is_empty() || whole != bytes.len() {
            return Err(Error::Invalid(format!(
                "{name} is truncated: the record at offset {whole} has {} of {RECORD} bytes",
                bytes.len() - whole
            )));
        }
        let mut batch = Self::with_rows(bytes.len() / RECORD);
        for (i, record) in bytes.chunks_exact(RECORD).enumerate() {
            let (label, planes) = (record[0], &record[1..]);
            if label >= CLASSES {
                let offset = i * RECORD;
                return Err(Error::Invalid(format!(
                    "{name}: label {label} at offset {offset}: 0 to 9"
                )));
            }
            batch.push(label, planes);
        }
        Ok(batch)
    }

    /// The Python version: a dictionary with `labels` and `data`.
    pub(crate) fn from_pickle(name: &str, bytes: &[u8]) -> Result<Self> {
        let wrong = |what: String| Error::Invalid(format!("{name}: {what}"));
        let root = pickle::read(bytes).map_err(|e| wrong(e.to_string()))?;
        let Item::Dict(fields) = &root else {
            return Err(wrong("no dictionary at offset 0".into()));
        };
        let field = |wanted: &str| {
            let found = fields.iter().find(|(key, _)| key.text() == Some(wanted.as_bytes()));
            found.map(|(_, value)| value).ok_or_else(|| wrong(format!("it has no `{wanted}`")))
        };
        let Item::List(labels) = field("labels")? else {
            return Err(wrong("`labels` is no list".into()));
        };
        let array = pickle::array(field("data")?).map_err(|e| wrong(format!("`data`: {e}")))?;
        if array.shape != [labels.len() as u64, IMAGE as u64] {
            let message =
                format!("`data` is {:?} for {} labels of {IMAGE} bytes", array.shape, labels.len());
            return Err(wrong(message));
        }
        let mut batch = Self::with_rows(labels.len());
        for (i, (label, planes)) in labels.iter().zip(array.bytes.chunks_exact(IMAGE)).enumerate() {
            let label = label.int().and_then(|label| u8::try_from(label).ok());
            let Some(label) = label.filter(|label| *label < CLASSES) else {
                return Err(wrong(format!("label {i} is {:?}: 0 to 9", labels[i])));
            };
            batch.push(label, planes);
        }
        Ok(batch)
    }

    fn with_rows(rows: usize) -> Self {
        Self { pixels: Vec::with_capacity(rows * IMAGE), labels: Vec::with_capacity(rows) }
    }

    fn push(&mut self, label: u8, planes: &[u8]) {
        let (red, rest) = planes.split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        let pixels = red.iter().zip(green).zip(blue);
        self.pixels.extend(pixels.flat_map(|((r, g), b)| [*r, *g, *b]));
        self.labels.push(label);
    }
}
