//! References to objects that are there or will be: get, wait, cancel, and streams of them.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mobula_contract::{Failure, FailureKind, Object, Receipt};

use crate::core::{Event, UnitId};
use crate::inner::Inner;
use crate::input::Input;
use crate::objects::Missing;
use crate::slot::{Next, Slot, Waiter};

/// A reference to the object that a unit gives. The object stays in the store as long as a reference
/// does; clones are the same reference.
#[derive(Clone)]
pub struct ObjectRef {
    handle: Arc<Handle>,
}

struct Handle {
    inner: Arc<Inner>,
    unit: UnitId,
    slot: Arc<Slot>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.step(Event::Dropped(self.unit));
    }
}

impl std::fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ObjectRef").field(&self.handle.unit.0).finish()
    }
}

impl ObjectRef {
    pub(crate) fn new(inner: &Arc<Inner>, unit: UnitId, slot: Arc<Slot>) -> Self {
        Self { handle: Arc::new(Handle { inner: Arc::clone(inner), unit, slot }) }
    }

    pub(crate) fn unit(&self) -> UnitId {
        self.handle.unit
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.handle.slot
    }

    /// Waits for the object. A failure is that of the unit, or of one that it depends on.
    pub fn get(&self) -> Result<Arc<Object>, Failure> {
        self.wait_until(None).expect("without a deadline it waits for the end")
    }

    /// The same, but not longer than this; `None` when the time is over.
    #[must_use]
    pub fn get_timeout(&self, longest: Duration) -> Option<Result<Arc<Object>, Failure>> {
        self.wait_until(Instant::now().checked_add(longest))
    }

    /// Whether `get` would answer at once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.handle.slot.is_resolved()
    }

    /// Stops the unit where it waits or runs; `get` then fails with `cancelled`, as does what reads it.
    /// A running guest stops within some milliseconds. Does nothing when it is done.
    pub fn cancel(&self) {
        self.handle.inner.step(Event::Cancelled(self.handle.unit));
    }

    /// What its calls cost so far, all attempts together.
    #[must_use]
    pub fn receipt(&self) -> Option<Receipt> {
        self.handle.slot.receipt()
    }

    /// A field of the object, as input of another unit.
    #[must_use]
    pub fn field(&self, name: &str) -> FieldRef {
        FieldRef { object: self.clone(), field: name.to_owned(), rows: None }
    }

    fn wait_until(&self, until: Option<Instant>) -> Option<Result<Arc<Object>, Failure>> {
        let Handle { inner, unit, slot } = &*self.handle;
        loop {
            match slot.outcome() {
                Some(Ok(())) => match inner.objects.get(*unit) {
                    Ok(object) => return Some(Ok(object)),
                    Err(Missing::Failed(failure)) => return Some(Err(failure)),
                    Err(Missing::Lost(lost)) => {
                        if inner.lock().is_closed() {
                            return Some(Err(closed()));
                        }
                        inner.step(Event::Lost(lost));
                    }
                },
                Some(Err(failure)) => return Some(Err(failure)),
                None => {
                    let waiter = Arc::new(Waiter::default());
                    if slot.watch(&waiter) && !waiter.wait(until) {
                        slot.unwatch(&waiter);
                        return None;
                    }
                }
            }
        }
    }
}

fn closed() -> Failure {
    Failure::new(FailureKind::Cancelled, "the engine has ended")
}

/// A field of an object that is there or will be.
#[derive(Debug, Clone)]
pub struct FieldRef {
    object: ObjectRef,
    field: String,
    rows: Option<Range<u64>>,
}

impl FieldRef {
    /// Only these rows of a tensor; nothing is copied.
    #[must_use]
    pub fn rows(mut self, rows: Range<u64>) -> Self {
        self.rows = Some(rows);
        self
    }

    pub(crate) fn into_input(self) -> Input {
        let (from, field) = (self.object.unit(), self.field);
        match self.rows {
            None => Input::Field { from, field },
            Some(rows) => {
                let (start, count) = (rows.start, rows.end.saturating_sub(rows.start));
                Input::Rows { from, field, start, count }
            }
        }
    }

    pub(crate) fn object(&self) -> &ObjectRef {
        &self.object
    }

    pub(crate) fn name(&self) -> &str {
        &self.field
    }
}

/// Waits until `count` of the objects are there or have failed, or the time is over. Gives the places of
/// those that are, and of those that are not, each in order.
#[must_use]
pub fn wait(
    objects: &[ObjectRef],
    count: usize,
    longest: Option<Duration>,
) -> (Vec<usize>, Vec<usize>) {
    let until = longest.and_then(|longest| Instant::now().checked_add(longest));
    let waiter = Arc::new(Waiter::default());
    let mut watched = vec![false; objects.len()];
    loop {
        let (ready, pending): (Vec<usize>, Vec<usize>) =
            (0..objects.len()).partition(|i| objects[*i].is_ready());
        let enough = ready.len() >= count.min(objects.len());
        if enough {
            unwatch(objects, &watched, &waiter);
            return (ready, pending);
        }
        let mut changed = false;
        for i in pending.iter().copied().filter(|i| !watched[*i]).collect::<Vec<_>>() {
            watched[i] = objects[i].slot().watch(&waiter);
            changed |= !watched[i];
        }
        let missing = count.min(objects.len()) - ready.len();
        if !changed && !waiter.wait_for(missing, until) {
            unwatch(objects, &watched, &waiter);
            return (ready, pending);
        }
    }
}

fn unwatch(objects: &[ObjectRef], watched: &[bool], waiter: &Arc<Waiter>) {
    for (object, _) in objects.iter().zip(watched).filter(|(_, watched)| **watched) {
        object.slot().unwatch(waiter);
    }
}

/// The objects that a task gives one after another. Dropping it early cancels the task.
#[derive(Debug)]
pub struct ObjectStream {
    whole: ObjectRef,
    /// The end was told.
    over: bool,
}

impl ObjectStream {
    pub(crate) fn new(whole: ObjectRef) -> Self {
        Self { whole, over: false }
    }

    /// The object that the task returns at its end.
    #[must_use]
    pub fn returned(&self) -> &ObjectRef {
        &self.whole
    }

    /// What is there without waiting: the next object, the end, or nothing yet.
    pub(crate) fn poll(&self) -> Polled {
        let Handle { inner, slot, .. } = &*self.whole.handle;
        match slot.next() {
            Next::Item(item) => {
                let slot = inner.lock().slot(item).unwrap_or_else(|| Arc::new(Slot::resolved()));
                Polled::Item(ObjectRef::new(inner, item, slot))
            }
            Next::End(end) => Polled::End(end),
            Next::Nothing => Polled::Nothing,
        }
    }
}

/// What a stream has now.
pub(crate) enum Polled {
    Item(ObjectRef),
    End(Result<(), Failure>),
    Nothing,
}

impl Iterator for ObjectStream {
    type Item = Result<ObjectRef, Failure>;

    /// Waits for the next object; the failure of the task is the last that comes.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.poll() {
                Polled::Item(item) => return Some(Ok(item)),
                Polled::End(end) => {
                    let told = std::mem::replace(&mut self.over, true);
                    return end.err().filter(|_| !told).map(Err);
                }
                Polled::Nothing => {
                    let waiter = Arc::new(Waiter::default());
                    if self.whole.slot().watch(&waiter) {
                        waiter.wait(None);
                    }
                }
            }
        }
    }
}

impl Drop for ObjectStream {
    fn drop(&mut self) {
        let Handle { inner, slot, .. } = &*self.whole.handle;
        for item in slot.leave() {
            inner.step(Event::Dropped(item));
        }
        self.whole.cancel();
    }
}
