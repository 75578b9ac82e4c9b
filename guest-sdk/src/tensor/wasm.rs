//! Tensors in a sandbox: handles to bytes that the host has.

use super::element::DType;
use crate::bindings::mobula::plugin::tensors;
use crate::bindings::mobula::plugin::types::Dtype;
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct Tensor(pub(crate) tensors::Tensor);

#[derive(Debug)]
pub(crate) struct Builder(tensors::Builder);

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
