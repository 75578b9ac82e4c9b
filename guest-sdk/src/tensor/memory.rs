//! Tensors outside of a sandbox: plain memory, which views share, so that a plugin can have ordinary tests.

use std::rc::Rc;

use super::element::DType;
use crate::error::{Error, Result};

#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    dtype: DType,
    shape: Vec<u64>,
    storage: Rc<Vec<u8>>,
    start: usize,
    len: usize,
}

#[derive(Debug)]
pub(crate) struct Builder {
    dtype: DType,
    shape: Vec<u64>,
    wanted: usize,
    bytes: Vec<u8>,
}

impl Tensor {
    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    pub(super) fn shape(&self) -> Vec<u64> {
        self.shape.clone()
    }

    pub(super) fn byte_len(&self) -> u64 {
        self.len as u64
    }

    fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.len]
    }

    fn row_len(&self) -> usize {
        let elements: u64 = self.shape[1..].iter().product();
        usize::try_from(elements * self.dtype.size()).expect("a row is part of memory")
    }

    pub(super) fn read(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = self.bytes().get(start..).and_then(|rest| rest.get(..len as usize));
        part.map(<[u8]>::to_vec).ok_or_else(|| {
            Error::OutOfBounds(format!("read of {len} bytes at {offset} of {}", self.len))
        })
    }

    pub(super) fn gather(&self, rows: &[u32]) -> Result<Self> {
        let mut builder = Builder::new(self.dtype, &self.shape[1..], rows.len() as u64)?;
        builder.append_rows(self, rows)?;
        builder.finish()
    }

    pub(super) fn slice(&self, start: u64, count: u64) -> Result<Self> {
        let rows = self.shape[0];
        if start.checked_add(count).is_none_or(|end| end > rows) {
            let end = start.saturating_add(count);
            return Err(Error::OutOfBounds(format!("row {end} of a tensor of {rows} rows")));
        }
        let within = |rows: u64| usize::try_from(rows).expect("within the tensor") * self.row_len();
        let mut view = self.clone();
        view.shape[0] = count;
        (view.start, view.len) = (self.start + within(start), within(count));
        Ok(view)
    }

    pub(super) fn dup(&self) -> Self {
        self.clone()
    }
}

impl Builder {
    pub(super) fn new(dtype: DType, row_shape: &[u64], rows: u64) -> Result<Self> {
        let shape: Vec<u64> = std::iter::once(&rows).chain(row_shape).copied().collect();
        let row = row_shape.iter().try_fold(dtype.size(), |all, axis| all.checked_mul(*axis));
        let wanted = row.and_then(|row| row.checked_mul(rows));
        let wanted = wanted.and_then(|bytes| isize::try_from(bytes).ok());
        let Some(wanted) = wanted else {
            return Err(Error::Invalid(format!("shape {shape:?} has too many elements")));
        };
        Ok(Self { dtype, shape, wanted: wanted.unsigned_abs(), bytes: Vec::new() })
    }

    fn fits(&self, more: usize) -> Result<()> {
        let (has, wanted) = (self.bytes.len(), self.wanted);
        if more > wanted - has {
            let message = format!("{more} bytes more than {has} in a builder of {wanted}");
            return Err(Error::OutOfBounds(message));
        }
        Ok(())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.fits(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn append_rows(&mut self, source: &Tensor, rows: &[u32]) -> Result<()> {
        if source.dtype != self.dtype || source.shape[1..] != self.shape[1..] {
            let (from, into) = ((source.dtype, &source.shape), (self.dtype, &self.shape));
            return Err(Error::Invalid(format!("rows of {from:?} do not fit {into:?}")));
        }
        let (len, count) = (source.row_len(), source.shape[0]);
        self.fits(rows.len().saturating_mul(len))?;
        if let Some(row) = rows.iter().find(|row| u64::from(**row) >= count) {
            return Err(Error::OutOfBounds(format!("row {row} of a tensor of {count} rows")));
        }
        for row in rows {
            let at = *row as usize * len;
            self.bytes.extend_from_slice(&source.bytes()[at..at + len]);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Tensor> {
        let Self { dtype, shape, wanted, bytes } = self;
        let len = bytes.len();
        if len != wanted {
            let message =
                format!("shape {shape:?} of {dtype} needs {wanted} bytes, but there are {len}");
            return Err(Error::Invalid(message));
        }
        Ok(Tensor { dtype, shape, storage: Rc::new(bytes), start: 0, len })
    }
}
