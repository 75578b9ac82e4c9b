//! Tasks that give more than anybody should take.

use mobula_guest::export::{Fields, Outputs, Port, Value};
use mobula_guest::prelude::*;

use crate::{Amount, Nothing, Report, report};

fn size(amount: u64) -> usize {
    usize::try_from(amount).unwrap_or(0)
}

#[outputs]
pub(crate) struct Bytes {
    bytes: Vec<u8>,
}

/// Returns so many bytes.
#[task]
pub(crate) fn returns_much(args: Amount) -> Result<Bytes> {
    Ok(Bytes { bytes: vec![7; size(args.amount)] })
}

/// Returns a JSON text of so many bytes.
#[task]
pub(crate) fn returns_json(args: Amount) -> Result<Report> {
    report("x".repeat(size(args.amount)))
}

/// Fields that no struct has.
pub(crate) struct Many(u64);

impl Outputs for Many {
    fn ports() -> Vec<Port> {
        Vec::new()
    }

    fn fields(self) -> Result<Fields> {
        Ok((0..self.0).map(|i| (i.to_string(), Value::Bytes(Vec::new()))).collect())
    }
}

/// Returns so many fields.
#[task]
pub(crate) fn returns_fields(args: Amount) -> Result<Many> {
    Ok(Many(args.amount))
}

/// Fails with a text of so many bytes.
#[task]
pub(crate) fn fails_long(args: Amount) -> Result<Nothing> {
    Err(Error::Failed("no".repeat(size(args.amount / 2))))
}

#[outputs]
pub(crate) struct Part {
    rows: Tensor,
    index: u64,
}

/// Emits so many parts of one row each, and tells how far it came.
#[task]
pub(crate) fn emits(args: Amount) -> Result<Report> {
    for index in 0..args.amount {
        let rows = Tensor::new(DType::U8, &[1, 1024], &[7; 1024])?;
        if let Err(error) = emit(Part { rows, index }) {
            return report(format!("{index}: {error}"));
        }
    }
    report("all")
}
