//! Tensors in the making.

use std::fmt;
use std::io;
use std::marker::PhantomData;

use super::element::{DType, Element};
use super::{Any, PART, Tensor, backend};
use crate::error::{Error, Result};

/// A tensor in the making, filled from the first byte to the last. Its rows are known in advance, so that
/// memory is taken once. Also a [`std::io::Write`].
pub struct TensorBuilder<T = Any> {
    inner: backend::Builder,
    kind: PhantomData<fn() -> T>,
    /// Bytes of values on their way to the host.
    part: Vec<u8>,
}

impl<T> fmt::Debug for TensorBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl TensorBuilder {
    /// A tensor of `rows` rows.
    pub fn new(dtype: DType, row_shape: &[u64], rows: u64) -> Result<Self> {
        let inner = backend::Builder::new(dtype, row_shape, rows)?;
        Ok(Self { inner, kind: PhantomData, part: Vec::new() })
    }
}

impl<T: Element> TensorBuilder<T> {
    /// A tensor of `rows` rows of elements `T`.
    ///
    /// ```
    /// use mobula_guest::prelude::*;
    ///
    /// # fn main() -> Result<()> {
    /// let mut halves = TensorBuilder::<f32>::of(&[2], 3)?;
    /// for row in 0..3_u8 {
    ///     halves.push(&[f32::from(row), f32::from(row) / 2.0])?;
    /// }
    /// assert_eq!(halves.finish()?.values()?, [0.0, 0.0, 1.0, 0.5, 2.0, 1.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn of(row_shape: &[u64], rows: u64) -> Result<Self> {
        let inner = backend::Builder::new(T::DTYPE, row_shape, rows)?;
        Ok(Self { inner, kind: PhantomData, part: Vec::new() })
    }

    /// The next elements.
    pub fn push(&mut self, values: &[T]) -> Result<()> {
        for part in values.chunks(PART as usize / size_of::<T>()) {
            self.part.clear();
            T::put(part, &mut self.part);
            self.inner.append(&self.part)?;
        }
        Ok(())
    }
}

impl<T> TensorBuilder<T> {
    /// The next bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.append(bytes)
    }

    /// The next rows, copied by the host from another tensor.
    pub fn append_rows<U>(&mut self, source: &Tensor<U>, rows: &[u32]) -> Result<()> {
        self.inner.append_rows(&source.inner, rows)
    }

    /// The tensor, once every byte is there.
    pub fn finish(self) -> Result<Tensor<T>> {
        Ok(Tensor::wrap(self.inner.finish()?))
    }
}

impl<T> io::Write for TensorBuilder<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &bytes[..bytes.len().min(PART as usize)];
        self.inner.append(part).map_err(Error::into_io)?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
