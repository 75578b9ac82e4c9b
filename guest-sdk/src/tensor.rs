//! Tensors as a plugin holds them: handles to bytes in the host, read in parts. On other targets than wasm
//! they are plain memory.

#[cfg(feature = "ndarray")]
mod array;
#[cfg(not(target_family = "wasm"))]
#[path = "tensor/memory.rs"]
mod backend;
#[cfg(target_family = "wasm")]
#[path = "tensor/wasm.rs"]
mod backend;
mod builder;
mod element;
mod parts;

use std::fmt;
use std::marker::PhantomData;

pub use builder::TensorBuilder;
pub use element::{DType, Element};
pub use parts::{Part, Parts, Reader};

use crate::error::{Error, Result};

/// Bytes read at a time: this runs at the speed of memory and stays in cache.
const PART: u32 = 256 << 10;

/// Elements of any type: what [`Tensor`] and [`TensorBuilder`] hold where nothing else is said.
#[derive(Debug, Clone, Copy)]
pub enum Any {}

/// An immutable tensor; the first axis counts rows. `Tensor<f32>` has elements of that type, which is
/// checked when it is taken as an input and stands in the manifest; `Tensor` alone may have any.
///
/// ```
/// use mobula_guest::prelude::*;
///
/// # fn main() -> Result<()> {
/// let images = Tensor::<f32>::of(&[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?;
/// let [rows, columns] = images.dims()?;
/// assert_eq!((rows, columns), (3, 2));
/// assert_eq!(images.gather(&[2, 0])?.values()?, [4.0, 5.0, 0.0, 1.0]);
/// assert!(images.dims::<4>().is_err());
/// assert!(images.into_any().typed::<u8>().is_err());
/// # Ok(())
/// # }
/// ```
pub struct Tensor<T = Any> {
    inner: backend::Tensor,
    kind: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} {:?})", self.dtype(), self.shape())
    }
}

impl<T> Clone for Tensor<T> {
    fn clone(&self) -> Self {
        Self::wrap(self.inner.dup())
    }
}

impl Tensor {
    /// A tensor of these bytes, which are as many as the shape says.
    pub fn new(dtype: DType, shape: &[u64], bytes: &[u8]) -> Result<Self> {
        let (rows, row_shape) = split(shape)?;
        let mut builder = TensorBuilder::new(dtype, row_shape, rows)?;
        for part in bytes.chunks(PART as usize) {
            builder.append(part)?;
        }
        builder.finish()
    }

    /// All elements, which must be of type `T`. Takes as much guest memory.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.is::<T>()?;
        Ok(T::elements(self.bytes()?))
    }

    /// The same tensor, if its elements are of type `T`.
    pub fn typed<T: Element>(self) -> Result<Tensor<T>> {
        self.is::<T>()?;
        Ok(Tensor::wrap(self.inner))
    }

    fn is<T: Element>(&self) -> Result<()> {
        if self.dtype() != T::DTYPE {
            let (got, wanted) = (self.dtype(), T::DTYPE);
            return Err(Error::Invalid(format!("a tensor of {got:?}, read as {wanted:?}")));
        }
        Ok(())
    }
}

fn split(shape: &[u64]) -> Result<(u64, &[u64])> {
    let (rows, row_shape) =
        shape.split_first().ok_or_else(|| Error::invalid("a tensor has rows: give a shape"))?;
    Ok((*rows, row_shape))
}

impl<T: Element> Tensor<T> {
    /// A tensor of these elements, which are as many as the shape says.
    pub fn of(shape: &[u64], values: &[T]) -> Result<Self> {
        let (rows, row_shape) = split(shape)?;
        let mut builder = TensorBuilder::of(row_shape, rows)?;
        builder.push(values)?;
        builder.finish()
    }

    /// All elements. Takes as much guest memory.
    pub fn values(&self) -> Result<Vec<T>> {
        Ok(T::elements(self.bytes()?))
    }

    /// The rows, some at a time: about a quarter of a MiB, so that a tensor of any size needs little guest
    /// memory.
    ///
    /// ```
    /// use mobula_guest::prelude::*;
    ///
    /// # fn main() -> Result<()> {
    /// let pixels = Tensor::<u8>::of(&[1000, 3072], &vec![2; 3_072_000])?;
    /// let mut sum = 0;
    /// for part in pixels.parts() {
    ///     sum += part?.values.iter().map(|pixel| u64::from(*pixel)).sum::<u64>();
    /// }
    /// assert_eq!(sum, 6_144_000);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn parts(&self) -> Parts<'_, T> {
        self.parts_of(u64::from(PART) / self.row_len().max(1))
    }

    /// The rows, so many at a time (at least one).
    #[must_use]
    pub fn parts_of(&self, rows: u64) -> Parts<'_, T> {
        Parts { tensor: self, next: 0, rows: self.rows(), lot: rows.max(1) }
    }
}

impl<T> Tensor<T> {
    fn wrap(inner: backend::Tensor) -> Self {
        Self { inner, kind: PhantomData }
    }

    /// What the elements are.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.inner.dtype()
    }

    /// Lengths of the axes.
    #[must_use]
    pub fn shape(&self) -> Vec<u64> {
        self.inner.shape()
    }

    /// Lengths of the axes, which are as many as asked for: `let [n, h, w, c] = images.dims()?;`.
    pub fn dims<const N: usize>(&self) -> Result<[u64; N]> {
        let shape = self.shape();
        <[u64; N]>::try_from(&shape[..]).map_err(|_| {
            Error::Invalid(format!("a tensor of shape {shape:?}; {N} axes are needed"))
        })
    }

    /// Length of the first axis.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inner.shape()[0]
    }

    /// Bytes in all.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.inner.byte_len()
    }

    /// Bytes from `offset`; the call fails when they are not there.
    pub fn read(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        self.inner.read(offset, len)
    }

    /// Bytes of one row.
    #[must_use]
    pub fn row_len(&self) -> u64 {
        self.shape()[1..].iter().product::<u64>() * self.dtype().size()
    }

    /// The bytes of `count` rows from `start`: a way to go through a large tensor in parts.
    pub fn read_rows(&self, start: u64, count: u64) -> Result<Vec<u8>> {
        let row = self.row_len();
        let wanted = (start.checked_mul(row), count.checked_mul(row).map(u32::try_from));
        match wanted {
            (Some(offset), Some(Ok(len))) => self.read(offset, len),
            _ => Err(Error::OutOfBounds(format!("{count} rows of {row} bytes from row {start}"))),
        }
    }

    /// All bytes. Takes as much guest memory: read large tensors in parts.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let all = self.byte_len();
        let capacity = usize::try_from(all).map_err(|_| Error::failed("too large for a guest"))?;
        let mut bytes = Vec::with_capacity(capacity);
        while (bytes.len() as u64) < all {
            let left = all - bytes.len() as u64;
            let part = u32::try_from(left).unwrap_or(PART).min(PART);
            bytes.extend_from_slice(&self.read(bytes.len() as u64, part)?);
        }
        Ok(bytes)
    }

    /// The bytes as a file, which is read in parts.
    ///
    /// ```
    /// use std::io::{BufRead as _, Read as _};
    /// use mobula_guest::prelude::*;
    ///
    /// # fn main() -> Result<()> {
    /// let text = Tensor::<u8>::of(&[9], b"one\ntwo\nx")?;
    /// let lines: Vec<String> = text.reader().lines().collect::<std::io::Result<_>>()?;
    /// assert_eq!(lines, ["one", "two", "x"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn reader(&self) -> Reader<'_, T> {
        Reader::new(self)
    }

    /// A new tensor of these rows. The host copies them: the bytes never enter the guest.
    pub fn gather(&self, rows: &[u32]) -> Result<Self> {
        Ok(Self::wrap(self.inner.gather(rows)?))
    }

    /// A view of `count` rows from `start`; nothing is copied.
    pub fn slice(&self, start: u64, count: u64) -> Result<Self> {
        Ok(Self::wrap(self.inner.slice(start, count)?))
    }

    /// The same tensor, without saying what its elements are.
    #[must_use]
    pub fn into_any(self) -> Tensor {
        Tensor::wrap(self.inner)
    }
}

#[cfg(target_family = "wasm")]
impl Tensor {
    pub(crate) fn from_handle(handle: crate::bindings::mobula::plugin::tensors::Tensor) -> Self {
        Self::wrap(backend::Tensor(handle))
    }

    pub(crate) fn into_handle(self) -> crate::bindings::mobula::plugin::tensors::Tensor {
        self.inner.0
    }
}
