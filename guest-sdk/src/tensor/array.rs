//! Tensors as arrays of the `ndarray` crate.

use ndarray::{Array, ArrayBase, Data, Dimension, IxDyn};

use super::{Element, Part, Tensor};
use crate::error::{Error, Result};

fn axes(shape: &[u64]) -> Result<Vec<usize>> {
    let small = shape.iter().map(|axis| usize::try_from(*axis).ok()).collect::<Option<_>>();
    small.ok_or_else(|| Error::Invalid(format!("shape {shape:?} is too large for a guest")))
}

impl<T: Element> Tensor<T> {
    /// All elements as an array of so many axes. Takes as much guest memory.
    ///
    /// ```
    /// use mobula_guest::ndarray::{Axis, Ix2};
    /// use mobula_guest::prelude::*;
    ///
    /// # fn main() -> Result<()> {
    /// let table = Tensor::<f64>::of(&[2, 2], &[1.0, 2.0, 3.0, 4.0])?.array::<Ix2>()?;
    /// let means = table.mean_axis(Axis(0)).ok_or_else(|| Error::invalid("no rows"))?;
    /// assert_eq!(Tensor::from_array(&means)?.values()?, [2.0, 3.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn array<D: Dimension>(&self) -> Result<Array<T, D>> {
        let all = Array::from_shape_vec(IxDyn(&axes(&self.shape())?), self.values()?)?;
        let got = all.ndim();
        all.into_dimensionality().map_err(|_| {
            let wanted = D::NDIM.unwrap_or(got);
            Error::Invalid(format!("a tensor of {got} axes; {wanted} are needed"))
        })
    }

    /// A tensor of an array's elements, row after row.
    pub fn from_array<S: Data<Elem = T>, D: Dimension>(array: &ArrayBase<S, D>) -> Result<Self> {
        let shape: Vec<u64> = array.shape().iter().map(|axis| *axis as u64).collect();
        match array.as_slice() {
            Some(values) => Self::of(&shape, values),
            None => Self::of(&shape, &array.iter().copied().collect::<Vec<_>>()),
        }
    }
}

impl<T: Element> Part<T> {
    /// The rows as an array, of the shape that the tensor's rows have.
    pub fn array<D: Dimension>(self, row_shape: &[u64]) -> Result<Array<T, D>> {
        let mut shape = vec![self.rows];
        shape.extend(row_shape);
        let all = Array::from_shape_vec(IxDyn(&axes(&shape)?), self.values)?;
        Ok(all.into_dimensionality()?)
    }
}
