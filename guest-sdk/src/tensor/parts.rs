//! Ways through a large tensor that need little memory: parts of some rows, and a reader of its bytes.

use std::io;

use super::element::Element;
use super::{PART, Tensor};
use crate::error::{Error, Result};

/// Some rows of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<T> {
    /// The number of the first of them.
    pub start: u64,
    /// How many they are.
    pub rows: u64,
    /// Their elements, row after row.
    pub values: Vec<T>,
}

/// The rows of a tensor, some at a time.
#[derive(Debug)]
pub struct Parts<'a, T> {
    pub(super) tensor: &'a Tensor<T>,
    pub(super) next: u64,
    pub(super) rows: u64,
    /// Rows at a time.
    pub(super) lot: u64,
}

impl<T: Element> Iterator for Parts<'_, T> {
    type Item = Result<Part<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        let (start, rows) = (self.next, self.lot.min(self.rows - self.next));
        if rows == 0 {
            return None;
        }
        self.next += rows;
        let values = self.tensor.read_rows(start, rows).map(T::elements);
        Some(values.map(|values| Part { start, rows, values }))
    }
}

/// The bytes of a tensor as a file: [`std::io::Read`], [`std::io::BufRead`] and [`std::io::Seek`].
#[derive(Debug)]
pub struct Reader<'a, T> {
    tensor: &'a Tensor<T>,
    len: u64,
    /// Where `part` begins.
    offset: u64,
    part: Vec<u8>,
    used: usize,
}

impl<'a, T> Reader<'a, T> {
    pub(super) fn new(tensor: &'a Tensor<T>) -> Self {
        Self { tensor, len: tensor.byte_len(), offset: 0, part: Vec::new(), used: 0 }
    }
}

impl<T> io::BufRead for Reader<'_, T> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.part.len() {
            self.offset += self.part.len() as u64;
            let left = self.len.saturating_sub(self.offset);
            let len = u32::try_from(left).unwrap_or(PART).min(PART);
            self.part.clear();
            self.used = 0;
            if len > 0 {
                self.part = self.tensor.read(self.offset, len).map_err(Error::into_io)?;
            }
        }
        Ok(&self.part[self.used..])
    }

    fn consume(&mut self, amount: usize) {
        self.used = self.part.len().min(self.used + amount);
    }
}

impl<T> io::Read for Reader<'_, T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        use io::BufRead as _;
        let there = self.fill_buf()?;
        let count = there.len().min(into.len());
        into[..count].copy_from_slice(&there[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<T> io::Seek for Reader<'_, T> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let here = self.offset + self.used as u64;
        let wanted = match to {
            io::SeekFrom::Start(offset) => Some(offset),
            io::SeekFrom::End(by) => self.len.checked_add_signed(by),
            io::SeekFrom::Current(by) => here.checked_add_signed(by),
        };
        let wanted = wanted.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.part.clear();
        (self.offset, self.used) = (wanted, 0);
        Ok(wanted)
    }
}
