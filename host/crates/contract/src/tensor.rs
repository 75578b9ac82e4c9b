//! Immutable row-major tensors whose bytes are shared, so that a view costs nothing.
//! Does no arithmetic.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::memory::Charge;

/// What the elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned byte.
    U8,
    /// Signed, 4 bytes, little endian.
    S32,
    /// Signed, 8 bytes, little endian.
    S64,
    /// IEEE 754, 4 bytes, little endian.
    F32,
    /// IEEE 754, 8 bytes, little endian.
    F64,
}

impl DType {
    /// Bytes of one element.
    #[must_use]
    pub fn size(self) -> u64 {
        match self {
            Self::Bool | Self::U8 => 1,
            Self::S32 | Self::F32 => 4,
            Self::S64 | Self::F64 => 8,
        }
    }

    /// The name used in manifests and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::S32 => "s32",
            Self::S64 => "s64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a tensor cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The shape does not describe the bytes.
    #[error("shape {shape:?} of {dtype} needs {wanted} bytes, but there are {got}")]
    Length {
        /// The shape asked for.
        shape: Vec<u64>,
        /// Its elements.
        dtype: DType,
        /// Bytes that it needs.
        wanted: u64,
        /// Bytes that were given.
        got: u64,
    },
    /// The shape has no first axis, or more bytes than can be counted.
    #[error("shape {0:?} has no rows or too many elements")]
    Shape(Vec<u64>),
    /// A row that is not there.
    #[error("row {row} of a tensor of {rows} rows")]
    Row {
        /// The row asked for.
        row: u64,
        /// How many there are.
        rows: u64,
    },
}

/// An immutable tensor; the first axis counts rows. Cloning and slicing share the bytes.
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<u64>,
    storage: Arc<Storage>,
    start: usize,
    len: usize,
}

/// Bytes that lie where their owner keeps them: an array of another language, or another machine.
pub trait Lent: Send + Sync + std::any::Any {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes, the same each time: always as many as [`Lent::len`] says. Of what lies far away, only
    /// after [`Lent::bring`] has brought it.
    fn bytes(&self) -> &[u8];
    /// Brings what lies far away; says why that cannot be done.
    fn bring(&self) -> Result<(), String> {
        Ok(())
    }
    /// Whether it is known that the bytes are nowhere any more.
    fn is_lost(&self) -> bool {
        false
    }
}

/// Bytes that tensors share, and what they take of the process's memory.
struct Storage {
    bytes: Bytes,
    charge: Charge,
}

enum Bytes {
    Own(Vec<u8>),
    Lent(Box<dyn Lent>),
}

impl Bytes {
    fn len(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.len(),
            Self::Lent(lent) => lent.len(),
        }
    }

    fn get(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Lent(lent) => lent.bytes(),
        }
    }
}

impl Tensor {
    /// A tensor that takes over `bytes`, which must be exactly as many as the shape says.
    pub fn new(dtype: DType, shape: Vec<u64>, bytes: Vec<u8>) -> Result<Self, TensorError> {
        Self::charged(dtype, shape, bytes, Charge::default())
    }

    /// The same, of memory that was taken from a budget; it goes back with the last view.
    pub fn charged(
        dtype: DType,
        shape: Vec<u64>,
        bytes: Vec<u8>,
        charge: Charge,
    ) -> Result<Self, TensorError> {
        Self::over(dtype, shape, Storage { bytes: Bytes::Own(bytes), charge })
    }

    /// A tensor of bytes that somebody else keeps; they are neither copied nor counted in a budget.
    pub fn lent(dtype: DType, shape: Vec<u64>, bytes: Box<dyn Lent>) -> Result<Self, TensorError> {
        Self::over(dtype, shape, Storage { bytes: Bytes::Lent(bytes), charge: Charge::default() })
    }

    fn over(dtype: DType, shape: Vec<u64>, storage: Storage) -> Result<Self, TensorError> {
        let wanted = byte_len(dtype, &shape).ok_or_else(|| TensorError::Shape(shape.clone()))?;
        let len = storage.bytes.len();
        let got = len as u64;
        if wanted != got {
            return Err(TensorError::Length { shape, dtype, wanted, got });
        }
        Ok(Self { dtype, shape, storage: Arc::new(storage), start: 0, len })
    }

    /// What the elements are.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Lengths of the axes; the first counts rows.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.shape[0]
    }

    /// Bytes of one row.
    #[must_use]
    pub fn row_len(&self) -> usize {
        let elements: u64 = self.shape[1..].iter().product();
        usize::try_from(elements * self.dtype.size()).expect("a row is part of memory")
    }

    /// Whether its bytes are accounted for in a budget, or are another's.
    #[must_use]
    pub fn is_charged(&self) -> bool {
        match &self.storage.bytes {
            Bytes::Own(bytes) => bytes.is_empty() || self.storage.charge.bytes() > 0,
            Bytes::Lent(_) => true,
        }
    }

    /// All bytes, row after row.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.storage.bytes.get()[self.start..self.start + self.len]
    }

    /// How many bytes; of what is lent, without bringing them.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.len as u64
    }

    /// Who lends the bytes, and from which on this is a view of them.
    #[must_use]
    pub fn lender(&self) -> Option<(&dyn Lent, usize)> {
        match &self.storage.bytes {
            Bytes::Own(_) => None,
            Bytes::Lent(lent) => Some((&**lent, self.start)),
        }
    }

    /// Brings bytes that lie far away, after which [`Tensor::bytes`] may be asked for; says why that cannot
    /// be done.
    pub fn bring(&self) -> Result<(), String> {
        self.lender().map_or(Ok(()), |(lent, _)| lent.bring())
    }

    /// All bytes, as a vector; copied only where others share them or lend them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        let (start, end) = (self.start, self.start + self.len);
        match Arc::try_unwrap(self.storage) {
            Ok(Storage { bytes: Bytes::Own(mut bytes), .. }) => {
                bytes.truncate(end);
                if start > 0 {
                    bytes.drain(..start);
                }
                bytes
            }
            Ok(other) => other.bytes.get()[start..end].to_vec(),
            Err(shared) => shared.bytes.get()[start..end].to_vec(),
        }
    }

    /// A view of `count` rows from `start`; nothing is copied.
    pub fn slice(&self, start: u64, count: u64) -> Result<Self, TensorError> {
        let end = start.checked_add(count).filter(|end| *end <= self.rows());
        let Some(_) = end else {
            return Err(TensorError::Row { row: start.saturating_add(count), rows: self.rows() });
        };
        let row = self.row_len();
        let mut shape = self.shape.clone();
        shape[0] = count;
        Ok(Self {
            dtype: self.dtype,
            shape,
            storage: Arc::clone(&self.storage),
            start: self.start + usize::try_from(start).expect("within the tensor") * row,
            len: usize::try_from(count).expect("within the tensor") * row,
        })
    }

    /// A new tensor of these rows, in this order.
    pub fn gather(&self, rows: &[u32]) -> Result<Self, TensorError> {
        self.gather_charged(rows, Charge::default())
    }

    /// The same, of memory that was taken from a budget.
    pub fn gather_charged(&self, rows: &[u32], charge: Charge) -> Result<Self, TensorError> {
        let mut bytes = Vec::with_capacity(rows.len() * self.row_len());
        self.append_rows(rows, &mut bytes)?;
        let mut shape = self.shape.clone();
        shape[0] = rows.len() as u64;
        Self::charged(self.dtype, shape, bytes, charge)
    }

    /// Copies these rows to the end of `into`; on error `into` is as before.
    pub fn append_rows(&self, rows: &[u32], into: &mut Vec<u8>) -> Result<(), TensorError> {
        let count = self.rows();
        if let Some(row) = rows.iter().find(|row| u64::from(**row) >= count) {
            return Err(TensorError::Row { row: u64::from(*row), rows: count });
        }
        let (len, bytes) = (self.row_len(), self.bytes());
        for row in rows {
            let at = *row as usize * len;
            into.extend_from_slice(&bytes[at..at + len]);
        }
        Ok(())
    }
}

/// Bytes that a shape needs; `None` without axes or when it cannot be counted.
fn byte_len(dtype: DType, shape: &[u64]) -> Option<u64> {
    if shape.is_empty() {
        return None;
    }
    shape
        .iter()
        .try_fold(dtype.size(), |total, axis| total.checked_mul(*axis))
        .filter(|total| isize::try_from(*total).is_ok())
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.dtype == other.dtype && self.shape == other.shape && self.bytes() == other.bytes()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} {:?})", self.dtype, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> Tensor {
        Tensor::new(DType::U8, vec![3, 2], vec![1, 2, 3, 4, 5, 6]).unwrap()
    }

    #[test]
    fn gather_and_slice_take_rows() {
        assert_eq!(pairs().gather(&[2, 0, 2]).unwrap().bytes(), [5, 6, 1, 2, 5, 6]);
        let tail = pairs().slice(1, 2).unwrap();
        assert_eq!(tail.bytes(), [3, 4, 5, 6]);
        assert_eq!(tail.slice(1, 1).unwrap().gather(&[0]).unwrap().bytes(), [5, 6]);
    }

    struct Elsewhere(Vec<u8>);

    impl Lent for Elsewhere {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn bytes(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn lent_bytes_are_viewed_and_given_out_as_own_ones_are() {
        let lent = |bytes| Tensor::lent(DType::U8, vec![3, 2], Box::new(Elsewhere(bytes)));
        let all = lent(vec![1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(all, pairs());
        let tail = all.slice(1, 2).unwrap();
        assert_eq!((tail.byte_len(), tail.lender().unwrap().1), (4, 2));
        drop(all);
        assert_eq!(tail.into_bytes(), [3, 4, 5, 6]);
        assert_eq!(pairs().slice(1, 1).unwrap().into_bytes(), [3, 4]);
        assert!(pairs().lender().is_none() && lent(vec![1]).is_err());
    }

    #[test]
    fn rows_outside_are_refused() {
        assert_eq!(pairs().gather(&[3]), Err(TensorError::Row { row: 3, rows: 3 }));
        assert!(pairs().slice(2, 2).is_err());
        assert!(pairs().slice(u64::MAX, 2).is_err());
    }

    #[test]
    fn shapes_must_fit_the_bytes() {
        assert!(Tensor::new(DType::F32, vec![2], vec![0; 7]).is_err());
        assert!(Tensor::new(DType::U8, vec![], vec![0]).is_err());
        assert!(Tensor::new(DType::F64, vec![u64::MAX, 2], vec![]).is_err());
    }
}
