//! The `tensors` interface: handles to immutable tensors, copied or viewed by the host, with every
//! byte charged before it is allocated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mobula_contract::{DType, Tensor, TensorError};
use wasmtime::component::{Resource, ResourceTableError};

use crate::bindings::mobula::plugin::tensors::{self, Host, HostBuilder, HostTensor};
use crate::bindings::mobula::plugin::types::{self, Error};
use crate::limits::LimitHit;
use crate::state::State;

/// Axes of a tensor: more than any network has.
const AXES_MAX: usize = 16;

type Reported<T> = Result<T, HostError>;

/// What a host function answers instead of a value.
#[derive(Debug)]
pub(crate) enum HostError {
    /// The guest hears of it and may go on.
    Report(Error),
    /// The guest ends here.
    Trap(wasmtime::Error),
}

impl From<ResourceTableError> for HostError {
    fn from(err: ResourceTableError) -> Self {
        Self::Trap(err.into())
    }
}

impl From<TensorError> for HostError {
    fn from(err: TensorError) -> Self {
        Self::Report(match err {
            TensorError::Row { .. } => Error::OutOfBounds(err.to_string()),
            TensorError::Length { .. } | TensorError::Shape(_) => Error::Invalid(err.to_string()),
        })
    }
}

/// Counts the bytes of tensors that an instance has made and still holds.
#[derive(Debug)]
pub(crate) struct TensorMeter {
    used: Arc<AtomicU64>,
    max: u64,
}

impl TensorMeter {
    pub(crate) fn new(max: u64) -> Self {
        Self { used: Arc::default(), max }
    }

    pub(crate) fn set_max(&mut self, max: u64) {
        self.max = max;
    }

    fn charge(&self, bytes: u64) -> Result<Charge, LimitHit> {
        // One thread at a time runs an instance, so nothing is charged in between.
        let used = self.used.load(Ordering::Relaxed).saturating_add(bytes);
        if used > self.max {
            return Err(LimitHit::Tensors(self.max));
        }
        self.used.store(used, Ordering::Relaxed);
        Ok(Charge { bytes, used: Arc::clone(&self.used) })
    }
}

/// Bytes that are charged for as long as this lives.
#[derive(Debug)]
struct Charge {
    bytes: u64,
    used: Arc<AtomicU64>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A tensor in a guest's hands.
#[derive(Debug)]
pub struct TensorHandle {
    tensor: Tensor,
    /// Shared by all views of one storage; inputs cost nothing.
    charge: Option<Arc<Charge>>,
}

impl TensorHandle {
    /// An input of a call.
    pub(crate) fn input(tensor: Tensor) -> Self {
        Self { tensor, charge: None }
    }

    /// An output of a call: from here on it is the caller's to count.
    pub(crate) fn into_tensor(self) -> Tensor {
        self.tensor
    }
}

/// A tensor in the making.
#[derive(Debug)]
pub struct BuilderHandle {
    dtype: DType,
    shape: Vec<u64>,
    row_len: usize,
    len: usize,
    bytes: Vec<u8>,
    charge: Charge,
}

impl BuilderHandle {
    fn check_room(&self, more: usize) -> Reported<()> {
        if more <= self.len - self.bytes.len() {
            return Ok(());
        }
        Err(HostError::Report(Error::OutOfBounds(format!(
            "{more} bytes do not fit: the builder holds {} of {} bytes",
            self.bytes.len(),
            self.len
        ))))
    }
}

fn invalid(message: String) -> HostError {
    HostError::Report(Error::Invalid(message))
}

impl State {
    fn push_tensor(
        &mut self,
        tensor: Tensor,
        charge: Option<Arc<Charge>>,
    ) -> Reported<Resource<TensorHandle>> {
        Ok(self.table.push(TensorHandle { tensor, charge })?)
    }

    fn charge_tensor(&mut self, bytes: u64) -> Reported<Charge> {
        self.tensors.charge(bytes).map_err(|hit| self.refuse(hit))
    }

    fn tensor(&self, handle: &Resource<TensorHandle>) -> Result<&Tensor, ResourceTableError> {
        Ok(&self.table.get(handle)?.tensor)
    }
}

impl Host for State {}

impl HostTensor for State {
    fn dtype(&mut self, this: Resource<TensorHandle>) -> wasmtime::Result<types::Dtype> {
        Ok(guest_dtype(self.tensor(&this)?.dtype()))
    }

    fn shape(&mut self, this: Resource<TensorHandle>) -> wasmtime::Result<Vec<u64>> {
        Ok(self.tensor(&this)?.shape().to_vec())
    }

    fn byte_len(&mut self, this: Resource<TensorHandle>) -> wasmtime::Result<u64> {
        Ok(self.tensor(&this)?.bytes().len() as u64)
    }

    fn read(&mut self, this: Resource<TensorHandle>, offset: u64, len: u32) -> Reported<Vec<u8>> {
        if let Err(hit) = self.check_transfer(u64::from(len)) {
            return Err(self.refuse(hit));
        }
        let bytes = self.tensor(&this)?.bytes();
        let range = usize::try_from(offset).ok().zip(usize::try_from(len).ok());
        let end = range.and_then(|(start, len)| Some((start, start.checked_add(len)?)));
        match end.and_then(|(start, end)| bytes.get(start..end)) {
            Some(part) => Ok(part.to_vec()),
            None => Err(HostError::Report(Error::OutOfBounds(format!(
                "bytes {offset} and the {len} after it of a tensor of {} bytes",
                bytes.len()
            )))),
        }
    }

    fn gather(
        &mut self,
        this: Resource<TensorHandle>,
        rows: Vec<u32>,
    ) -> Reported<Resource<TensorHandle>> {
        let row_len = self.tensor(&this)?.row_len() as u64;
        let charge = self.charge_tensor(row_len.saturating_mul(rows.len() as u64))?;
        let gathered = self.tensor(&this)?.gather(&rows)?;
        self.push_tensor(gathered, Some(Arc::new(charge)))
    }

    fn slice(
        &mut self,
        this: Resource<TensorHandle>,
        start: u64,
        count: u64,
    ) -> Reported<Resource<TensorHandle>> {
        let handle = self.table.get(&this)?;
        let (view, charge) = (handle.tensor.slice(start, count)?, handle.charge.clone());
        self.push_tensor(view, charge)
    }

    fn dup(&mut self, this: Resource<TensorHandle>) -> wasmtime::Result<Resource<TensorHandle>> {
        let handle = self.table.get(&this)?;
        let copy = TensorHandle { tensor: handle.tensor.clone(), charge: handle.charge.clone() };
        Ok(self.table.push(copy)?)
    }

    fn drop(&mut self, this: Resource<TensorHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostBuilder for State {
    fn create(
        &mut self,
        row_shape: Vec<u64>,
        dtype: tensors::Dtype,
        rows: u64,
    ) -> Reported<Resource<BuilderHandle>> {
        let dtype = host_dtype(dtype);
        if row_shape.len() >= AXES_MAX {
            let axes = row_shape.len() + 1;
            return Err(invalid(format!("a tensor of {axes} axes: at most {AXES_MAX} are made")));
        }
        let mut shape = vec![rows];
        shape.extend(row_shape);
        // Both are checked, since a tensor without rows may still have rows too long to count.
        let row_len = shape[1..].iter().try_fold(dtype.size(), |len, axis| len.checked_mul(*axis));
        let Some((row_len, len)) = row_len.and_then(|row| Some((row, row.checked_mul(rows)?)))
        else {
            return Err(TensorError::Shape(shape).into());
        };
        let charge = self.charge_tensor(len)?;
        let (Ok(row_len), Ok(len)) = (usize::try_from(row_len), usize::try_from(len)) else {
            return Err(TensorError::Shape(shape).into());
        };
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(len).is_err() {
            let max = self.call.limits.tensor_bytes;
            return Err(self.refuse(LimitHit::Tensors(max)));
        }
        Ok(self.table.push(BuilderHandle { dtype, shape, row_len, len, bytes, charge })?)
    }

    fn append(&mut self, this: Resource<BuilderHandle>, bytes: Vec<u8>) -> Reported<()> {
        let builder = self.table.get_mut(&this)?;
        builder.check_room(bytes.len())?;
        builder.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    fn append_rows(
        &mut self,
        this: Resource<BuilderHandle>,
        src: Resource<TensorHandle>,
        rows: Vec<u32>,
    ) -> Reported<()> {
        let src = self.tensor(&src)?.clone();
        let builder = self.table.get_mut(&this)?;
        if src.dtype() != builder.dtype || src.shape()[1..] != builder.shape[1..] {
            return Err(invalid(format!(
                "rows of {} {:?} do not fit a builder of {} {:?}",
                src.dtype(),
                &src.shape()[1..],
                builder.dtype,
                &builder.shape[1..]
            )));
        }
        builder.check_room(rows.len().saturating_mul(builder.row_len))?;
        Ok(src.append_rows(&rows, &mut builder.bytes)?)
    }

    fn finish(&mut self, b: Resource<BuilderHandle>) -> Reported<Resource<TensorHandle>> {
        let BuilderHandle { dtype, shape, len, bytes, charge, .. } = self.table.delete(b)?;
        if bytes.len() != len {
            return Err(invalid(format!(
                "the builder was given {} of the {len} bytes of {dtype} {shape:?}",
                bytes.len()
            )));
        }
        let tensor = Tensor::new(dtype, shape, bytes)?;
        self.push_tensor(tensor, Some(Arc::new(charge)))
    }

    fn drop(&mut self, this: Resource<BuilderHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn guest_dtype(dtype: DType) -> types::Dtype {
    match dtype {
        DType::Bool => types::Dtype::Bool,
        DType::U8 => types::Dtype::U8,
        DType::S32 => types::Dtype::S32,
        DType::S64 => types::Dtype::S64,
        DType::F32 => types::Dtype::F32,
        DType::F64 => types::Dtype::F64,
    }
}

fn host_dtype(dtype: types::Dtype) -> DType {
    match dtype {
        types::Dtype::Bool => DType::Bool,
        types::Dtype::U8 => DType::U8,
        types::Dtype::S32 => DType::S32,
        types::Dtype::S64 => DType::S64,
        types::Dtype::F32 => DType::F32,
        types::Dtype::F64 => DType::F64,
    }
}
