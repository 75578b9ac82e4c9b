//! Reads CIFAR-10 from its granted mount `data`, in every form in which it is published: the binary and the
//! Python version, unpacked or as `.tar.gz`. Refuses what is damaged, and names file and offset.

mod batch;
mod pickle;
mod source;

use mobula_guest::prelude::*;

use crate::batch::Batch;
use crate::source::{Source, TEST, TRAIN};

/// Where the mount stands in the sandbox.
const MOUNT: &str = "/data";

/// The data set.
#[outputs]
pub struct DataSet {
    /// Images to train on.
    #[port(dtype = "u8", shape = "[N, 32, 32, 3]")]
    x_train: Tensor,
    /// Their labels, 0 to 9.
    #[port(dtype = "u8", shape = "[N]")]
    y_train: Tensor,
    /// Images to test on.
    #[port(dtype = "u8", shape = "[N, 32, 32, 3]")]
    x_test: Tensor,
    /// Their labels, 0 to 9.
    #[port(dtype = "u8", shape = "[N]")]
    y_test: Tensor,
}

/// Read CIFAR-10: the binary or the Python version, unpacked or as `.tar.gz`.
#[task]
pub fn load() -> Result<DataSet> {
    read(std::path::Path::new(MOUNT))
}

fn read(folder: &std::path::Path) -> Result<DataSet> {
    let mut source = Source::find(folder)?;
    context::info(&format!("reading {}", source.describe()));
    let total = TRAIN.len() as u64 + 1;
    let mut batches = Vec::new();
    for (done, name) in (0..).zip(TRAIN) {
        if context::cancelled() {
            return Err(Error::Cancelled);
        }
        context::progress(done, Some(total));
        batches.push(source.batch(name)?);
    }
    let (x_train, y_train) = tensors(&batches)?;
    drop(batches);
    context::progress(total - 1, Some(total));
    let (x_test, y_test) = tensors(&[source.batch(TEST)?])?;
    context::progress(total, Some(total));
    Ok(DataSet { x_train, y_train, x_test, y_test })
}

fn tensors(batches: &[Batch]) -> Result<(Tensor, Tensor)> {
    let rows = batches.iter().map(|batch| batch.labels.len() as u64).sum();
    let mut images = TensorBuilder::new(DType::U8, &[32, 32, 3], rows)?;
    let mut labels = TensorBuilder::new(DType::U8, &[], rows)?;
    for batch in batches {
        for part in batch.pixels.chunks(1 << 20) {
            images.append(part)?;
        }
        labels.append(&batch.labels)?;
    }
    Ok((images.finish()?, labels.finish()?))
}

plugin! { tasks: [load], mounts: ["data"] }

#[cfg(test)]
mod tests;
