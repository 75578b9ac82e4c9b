//! Tensors as guests hold them: handles to bytes in the host. Checks every index before it allocates.

use std::any::Any;

use mobula_contract::{Charge, DType, Tensor, TensorError};
use wasmtime::component::Resource;

use crate::bindings::mobula::plugin::tensors::{Host, HostBuilder, HostTensor};
use crate::bindings::mobula::plugin::types::{Dtype, Error};
use crate::limits::{AXES, Stop};
use crate::state::State;

/// Bytes of one read from which on its copy counts as memory of the process: smaller ones are gone before it
/// would matter, and are many.
const READ_CHARGED: u32 = 1 << 20;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// A tensor in the making.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Builder {
    dtype: DType,
    shape: Vec<u64>,
    wanted: usize,
    bytes: Vec<u8>,
    charge: Charge,
}

impl Host for State {}

fn tensor_error(error: &TensorError) -> Error {
    match error {
        TensorError::Row { .. } => Error::OutOfBounds(error.to_string()),
        _ => Error::Invalid(error.to_string()),
    }
}

impl State {
    fn tensor(&self, handle: &Resource<Tensor>) -> wasmtime::Result<&Tensor> {
        Ok(self.table.get(handle)?)
    }

    fn keep(&mut self, made: Result<Tensor, TensorError>) -> Answer<Resource<Tensor>> {
        match made {
            Ok(tensor) => Ok(Ok(self.table.push(tensor)?)),
            Err(e) => Ok(Err(tensor_error(&e))),
        }
    }

    /// Memory for the copy that a guest reads, which its own memory has to hold as well.
    fn reserve_read(&mut self, len: u32) -> Result<Charge, Stop> {
        let limit = self.limits.memory_bytes;
        if u64::from(len) > limit {
            return Err(Stop::bytes("memory", limit));
        }
        if len < READ_CHARGED { Ok(Charge::default()) } else { self.reserve(u64::from(len)) }
    }
}

impl HostTensor for State {
    fn dtype(&mut self, handle: Resource<Tensor>) -> wasmtime::Result<Dtype> {
        Ok(match self.tensor(&handle)?.dtype() {
            DType::Bool => Dtype::Bool,
            DType::U8 => Dtype::U8,
            DType::S32 => Dtype::S32,
            DType::S64 => Dtype::S64,
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
        })
    }

    fn shape(&mut self, handle: Resource<Tensor>) -> wasmtime::Result<Vec<u64>> {
        Ok(self.tensor(&handle)?.shape().to_vec())
    }

    fn byte_len(&mut self, handle: Resource<Tensor>) -> wasmtime::Result<u64> {
        Ok(self.tensor(&handle)?.byte_len())
    }

    fn read(&mut self, handle: Resource<Tensor>, offset: u64, len: u32) -> Answer<Vec<u8>> {
        let there = self.tensor(&handle)?.bytes().len();
        let start = usize::try_from(offset).ok().filter(|start| *start <= there);
        let Some(start) = start.filter(|start| there - start >= len as usize) else {
            let message = format!("read of {len} bytes at {offset} of a tensor of {there} bytes");
            return Ok(Err(Error::OutOfBounds(message)));
        };
        let _charge = self.reserve_read(len).map_err(wasmtime::Error::new)?;
        self.bytes_in += u64::from(len);
        Ok(Ok(self.tensor(&handle)?.bytes()[start..start + len as usize].to_vec()))
    }

    fn gather(&mut self, handle: Resource<Tensor>, rows: Vec<u32>) -> Answer<Resource<Tensor>> {
        let tensor = self.tensor(&handle)?.clone();
        let bytes = (rows.len() as u64).saturating_mul(tensor.row_len() as u64);
        let charge = self.reserve_tensor(bytes).map_err(wasmtime::Error::new)?;
        self.keep(tensor.gather_charged(&rows, charge))
    }

    fn slice(
        &mut self,
        handle: Resource<Tensor>,
        start: u64,
        count: u64,
    ) -> Answer<Resource<Tensor>> {
        let view = self.tensor(&handle)?.slice(start, count);
        self.keep(view)
    }

    fn dup(&mut self, handle: Resource<Tensor>) -> wasmtime::Result<Resource<Tensor>> {
        let copy = self.tensor(&handle)?.clone();
        Ok(self.table.push(copy)?)
    }

    fn drop(&mut self, handle: Resource<Tensor>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl HostBuilder for State {
    fn create(
        &mut self,
        row_shape: Vec<u64>,
        dtype: Dtype,
        rows: u64,
    ) -> Answer<Resource<Builder>> {
        let dtype = match dtype {
            Dtype::Bool => DType::Bool,
            Dtype::U8 => DType::U8,
            Dtype::S32 => DType::S32,
            Dtype::S64 => DType::S64,
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
        };
        if row_shape.len() >= AXES {
            let message = format!("a tensor of {} axes; {AXES} are allowed", row_shape.len() + 1);
            return Ok(Err(Error::Invalid(message)));
        }
        // A row is counted by itself first: no rows of a row that cannot be counted are no tensor either.
        let row = row_shape.iter().try_fold(dtype.size(), |all, axis| all.checked_mul(*axis));
        let wanted = row.and_then(|row| row.checked_mul(rows));
        let mut shape = row_shape;
        shape.insert(0, rows);
        let Some(wanted) = wanted.and_then(|bytes| isize::try_from(bytes).ok()) else {
            return Ok(Err(tensor_error(&TensorError::Shape(shape))));
        };
        let wanted = wanted.unsigned_abs();
        let charge = self.reserve_tensor(wanted as u64).map_err(wasmtime::Error::new)?;
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(wanted).is_err() {
            let stop = Stop::bytes("tensor bytes", self.limits.tensor_bytes);
            return Err(wasmtime::Error::new(stop));
        }
        Ok(Ok(self.table.push(Builder { dtype, shape, wanted, bytes, charge })?))
    }

    fn append(&mut self, handle: Resource<Builder>, bytes: Vec<u8>) -> Answer<()> {
        self.bytes_out += bytes.len() as u64;
        let builder = self.table.get_mut(&handle)?;
        Ok(builder.fits(bytes.len()).map(|()| builder.bytes.extend_from_slice(&bytes)))
    }

    fn append_rows(
        &mut self,
        handle: Resource<Builder>,
        source: Resource<Tensor>,
        rows: Vec<u32>,
    ) -> Answer<()> {
        let source = self.tensor(&source)?.clone();
        let builder = self.table.get_mut(&handle)?;
        if source.dtype() != builder.dtype || source.shape()[1..] != builder.shape[1..] {
            let message =
                format!("rows of {source:?} do not fit {} {:?}", builder.dtype, builder.shape);
            return Ok(Err(Error::Invalid(message)));
        }
        let len = rows.len().saturating_mul(source.row_len());
        Ok(builder.fits(len).and_then(|()| {
            source.append_rows(&rows, &mut builder.bytes).map_err(|e| tensor_error(&e))
        }))
    }

    fn finish(&mut self, handle: Resource<Builder>) -> Answer<Resource<Tensor>> {
        let Builder { dtype, shape, bytes, charge, .. } = self.table.delete(handle)?;
        self.keep(Tensor::charged(dtype, shape, bytes, charge))
    }

    fn drop(&mut self, handle: Resource<Builder>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl Builder {
    fn fits(&self, more: usize) -> Result<(), Error> {
        let (has, wanted) = (self.bytes.len(), self.wanted);
        if more > wanted - has {
            let message = format!("{more} bytes more than {has} in a builder of {wanted}");
            return Err(Error::OutOfBounds(message));
        }
        Ok(())
    }
}

/// Whether an entry of the table is a tensor or a builder.
pub(crate) fn is_ours(entry: &(dyn Any + Send)) -> bool {
    entry.is::<Tensor>() || entry.is::<Builder>()
}
