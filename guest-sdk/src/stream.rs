//! Streams: a task that gives many objects, one after another, while others read them. Outside of a sandbox
//! they are kept for the test that runs the task.

use crate::error::Result;
use crate::export::Outputs;

/// Hands one object over to whoever reads this task's stream. Waits while the readers lag behind: that time
/// does not count as the task's.
///
/// Fails where nobody asked for a stream.
///
/// ```
/// use mobula_guest::prelude::*;
/// use mobula_guest::stream::emitted;
///
/// #[outputs]
/// struct Part {
///     /// Some of the rows.
///     rows: Tensor,
/// }
///
/// #[outputs]
/// struct Parts {
///     /// How many there were.
///     count: u64,
/// }
///
/// /// Give the rows two by two.
/// #[task]
/// fn pairs(images: Tensor) -> Result<Parts> {
///     let count = images.rows() / 2;
///     for i in 0..count {
///         emit(Part { rows: images.slice(2 * i, 2)? })?;
///     }
///     Ok(Parts { count })
/// }
///
/// plugin! { tasks: [pairs] }
/// # fn main() -> Result<()> {
/// let images = Tensor::new(DType::U8, &[4], &[1, 2, 3, 4])?;
/// assert_eq!(pairs(images)?.count, 2);
/// let parts = emitted::<Part>();
/// assert_eq!(parts[1].rows.bytes()?, [3, 4]);
/// # Ok(())
/// # }
/// ```
pub fn emit<T: Outputs + 'static>(object: T) -> Result<()> {
    host::emit(object)
}

/// What this thread has emitted of this kind since it was last asked: for the tests of a plugin.
#[cfg(not(target_family = "wasm"))]
#[must_use]
pub fn emitted<T: Outputs + 'static>() -> Vec<T> {
    host::emitted()
}

#[cfg(target_family = "wasm")]
mod host {
    use crate::bindings::mobula::plugin::stream;
    use crate::error::Result;
    use crate::export::Outputs;
    use crate::wasm::fields;

    pub(super) fn emit(object: impl Outputs) -> Result<()> {
        Ok(stream::emit(fields(object.fields()?))?)
    }
}

#[cfg(not(target_family = "wasm"))]
mod host {
    use std::any::Any;
    use std::cell::RefCell;

    use crate::error::Result;

    thread_local! {
        static EMITTED: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
    }

    #[expect(clippy::unnecessary_wraps, reason = "in a sandbox it can fail")]
    pub(super) fn emit(object: impl Any) -> Result<()> {
        EMITTED.with_borrow_mut(|all| all.push(Box::new(object)));
        Ok(())
    }

    pub(super) fn emitted<T: Any>() -> Vec<T> {
        EMITTED.with_borrow_mut(|all| {
            let (asked, others) = std::mem::take(all).into_iter().partition(|one| one.is::<T>());
            *all = others;
            let asked: Vec<Box<dyn Any>> = asked;
            asked.into_iter().filter_map(|one| one.downcast().ok()).map(|one| *one).collect()
        })
    }
}
