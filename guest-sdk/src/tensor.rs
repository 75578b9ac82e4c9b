//! Tensors as a plugin holds them: handles to bytes in the host, read in parts. On other targets than wasm
//! they are plain memory.

use crate::error::{Error, Result};

/// What the elements of a tensor are; more than one byte each is little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DType {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned byte.
    U8,
    /// Signed, 4 bytes.
    S32,
    /// Signed, 8 bytes.
    S64,
    /// IEEE 754, 4 bytes.
    F32,
    /// IEEE 754, 8 bytes.
    F64,
}

impl DType {
    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Self::Bool | Self::U8 => 1,
            Self::S32 | Self::F32 => 4,
            Self::S64 | Self::F64 => 8,
        }
    }
}

/// A Rust type that elements can be read as.
pub trait Element: Sized {
    /// The elements that it fits.
    const DTYPE: DType;
    /// All elements of these bytes.
    fn elements(bytes: Vec<u8>) -> Vec<Self>;
}

impl Element for u8 {
    const DTYPE: DType = DType::U8;

    fn elements(bytes: Vec<u8>) -> Vec<Self> {
        bytes
    }
}

macro_rules! words {
    ($($ty:ty => $dtype:ident),*) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;

            fn elements(bytes: Vec<u8>) -> Vec<Self> {
                bytes.as_chunks().0.iter().map(|word| Self::from_le_bytes(*word)).collect()
            }
        }
    )*};
}

words!(i32 => S32, i64 => S64, f32 => F32, f64 => F64);

/// Bytes read at a time: this runs at the speed of memory and stays in cache.
const PART: u32 = 256 << 10;

/// An immutable tensor; the first axis counts rows.
#[derive(Debug)]
pub struct Tensor {
    inner: backend::Tensor,
}

/// A tensor in the making.
#[derive(Debug)]
pub struct TensorBuilder {
    inner: backend::Builder,
}

impl Tensor {
    /// A tensor of these bytes, which are as many as the shape says.
    pub fn new(dtype: DType, shape: &[u64], bytes: &[u8]) -> Result<Self> {
        let (rows, row_shape) =
            shape.split_first().ok_or_else(|| Error::invalid("a tensor has rows: give a shape"))?;
        let mut builder = TensorBuilder::new(dtype, row_shape, *rows)?;
        for part in bytes.chunks(PART as usize) {
            builder.append(part)?;
        }
        builder.finish()
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

    /// All elements, which must be of type `T`. Takes as much guest memory.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if self.dtype() != T::DTYPE {
            let (got, wanted) = (self.dtype(), T::DTYPE);
            return Err(Error::Invalid(format!("a tensor of {got:?}, read as {wanted:?}")));
        }
        Ok(T::elements(self.bytes()?))
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

    /// A new tensor of these rows. The host copies them: the bytes never enter the guest.
    pub fn gather(&self, rows: &[u32]) -> Result<Self> {
        Ok(Self { inner: self.inner.gather(rows)? })
    }

    /// A view of `count` rows from `start`; nothing is copied.
    pub fn slice(&self, start: u64, count: u64) -> Result<Self> {
        Ok(Self { inner: self.inner.slice(start, count)? })
    }
}

#[cfg(target_family = "wasm")]
impl Tensor {
    pub(crate) fn from_handle(handle: crate::bindings::mobula::plugin::tensors::Tensor) -> Self {
        Self { inner: backend::Tensor(handle) }
    }

    pub(crate) fn into_handle(self) -> crate::bindings::mobula::plugin::tensors::Tensor {
        self.inner.0
    }
}

impl Clone for Tensor {
    fn clone(&self) -> Self {
        Self { inner: self.inner.dup() }
    }
}

impl TensorBuilder {
    /// A tensor of `rows` rows, to be filled from the first byte to the last.
    pub fn new(dtype: DType, row_shape: &[u64], rows: u64) -> Result<Self> {
        Ok(Self { inner: backend::Builder::new(dtype, row_shape, rows)? })
    }

    /// The next bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.append(bytes)
    }

    /// The next rows, copied by the host from another tensor.
    pub fn append_rows(&mut self, source: &Tensor, rows: &[u32]) -> Result<()> {
        self.inner.append_rows(&source.inner, rows)
    }

    /// The tensor, once every byte is there.
    pub fn finish(self) -> Result<Tensor> {
        Ok(Tensor { inner: self.inner.finish()? })
    }
}

#[cfg(target_family = "wasm")]
mod backend {
    use super::DType;
    use crate::bindings::mobula::plugin::tensors;
    use crate::bindings::mobula::plugin::types::Dtype;
    use crate::error::Result;

    #[derive(Debug)]
    pub(super) struct Tensor(pub(super) tensors::Tensor);

    #[derive(Debug)]
    pub(super) struct Builder(tensors::Builder);

    impl Tensor {
        pub(super) fn dtype(&self) -> DType {
            match self.0.dtype() {
                Dtype::Bool => DType::Bool,
                Dtype::U8 => DType::U8,
                Dtype::S32 => DType::S32,
                Dtype::S64 => DType::S64,
                Dtype::F32 => DType::F32,
                Dtype::F64 => DType::F64,
            }
        }

        pub(super) fn shape(&self) -> Vec<u64> {
            self.0.shape()
        }

        pub(super) fn byte_len(&self) -> u64 {
            self.0.byte_len()
        }

        pub(super) fn read(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
            Ok(self.0.read(offset, len)?)
        }

        pub(super) fn gather(&self, rows: &[u32]) -> Result<Self> {
            Ok(Self(self.0.gather(rows)?))
        }

        pub(super) fn slice(&self, start: u64, count: u64) -> Result<Self> {
            Ok(Self(self.0.slice(start, count)?))
        }

        pub(super) fn dup(&self) -> Self {
            Self(self.0.dup())
        }
    }

    impl Builder {
        pub(super) fn new(dtype: DType, row_shape: &[u64], rows: u64) -> Result<Self> {
            let dtype = match dtype {
                DType::Bool => Dtype::Bool,
                DType::U8 => Dtype::U8,
                DType::S32 => Dtype::S32,
                DType::S64 => Dtype::S64,
                DType::F32 => Dtype::F32,
                DType::F64 => Dtype::F64,
            };
            Ok(Self(tensors::Builder::create(row_shape, dtype, rows)?))
        }

        pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
            Ok(self.0.append(bytes)?)
        }

        pub(super) fn append_rows(&mut self, source: &Tensor, rows: &[u32]) -> Result<()> {
            Ok(self.0.append_rows(&source.0, rows)?)
        }

        pub(super) fn finish(self) -> Result<Tensor> {
            Ok(Tensor(tensors::Builder::finish(self.0)?))
        }
    }
}

#[cfg(not(target_family = "wasm"))]
mod backend {
    use mobula_contract::{self as contract, TensorError};

    use super::DType;
    use crate::error::{Error, Result};

    pub(super) type Tensor = Memory;

    #[derive(Debug)]
    pub(super) struct Memory(contract::Tensor);

    #[derive(Debug)]
    pub(super) struct Builder {
        dtype: contract::DType,
        shape: Vec<u64>,
        bytes: Vec<u8>,
    }

    impl From<TensorError> for Error {
        fn from(error: TensorError) -> Self {
            match error {
                TensorError::Row { .. } => Self::OutOfBounds(error.to_string()),
                _ => Self::Invalid(error.to_string()),
            }
        }
    }

    impl Memory {
        pub(super) fn dtype(&self) -> DType {
            match self.0.dtype() {
                contract::DType::Bool => DType::Bool,
                contract::DType::U8 => DType::U8,
                contract::DType::S32 => DType::S32,
                contract::DType::S64 => DType::S64,
                contract::DType::F32 => DType::F32,
                contract::DType::F64 => DType::F64,
            }
        }

        pub(super) fn shape(&self) -> Vec<u64> {
            self.0.shape().to_vec()
        }

        pub(super) fn byte_len(&self) -> u64 {
            self.0.bytes().len() as u64
        }

        pub(super) fn read(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
            let bytes = self.0.bytes();
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let part = bytes.get(start..).and_then(|rest| rest.get(..len as usize));
            part.map(<[u8]>::to_vec).ok_or_else(|| {
                Error::OutOfBounds(format!("read of {len} bytes at {offset} of {}", bytes.len()))
            })
        }

        pub(super) fn gather(&self, rows: &[u32]) -> Result<Self> {
            Ok(Self(self.0.gather(rows)?))
        }

        pub(super) fn slice(&self, start: u64, count: u64) -> Result<Self> {
            Ok(Self(self.0.slice(start, count)?))
        }

        pub(super) fn dup(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl Builder {
        pub(super) fn new(dtype: DType, row_shape: &[u64], rows: u64) -> Result<Self> {
            let dtype = match dtype {
                DType::Bool => contract::DType::Bool,
                DType::U8 => contract::DType::U8,
                DType::S32 => contract::DType::S32,
                DType::S64 => contract::DType::S64,
                DType::F32 => contract::DType::F32,
                DType::F64 => contract::DType::F64,
            };
            let shape = std::iter::once(&rows).chain(row_shape).copied().collect();
            Ok(Self { dtype, shape, bytes: Vec::new() })
        }

        pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
            self.bytes.extend_from_slice(bytes);
            Ok(())
        }

        pub(super) fn append_rows(&mut self, source: &Memory, rows: &[u32]) -> Result<()> {
            Ok(source.0.append_rows(rows, &mut self.bytes)?)
        }

        pub(super) fn finish(self) -> Result<Memory> {
            Ok(Memory(contract::Tensor::new(self.dtype, self.shape, self.bytes)?))
        }
    }
}
