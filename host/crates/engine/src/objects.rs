//! The bytes of objects: in memory within a budget, the least used on disk beyond it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mobula_contract::{
    Budget, Charge, Failure, FailureKind, Object, Value, read_object, write_object,
};
use rustc_hash::FxHashMap;
use tempfile::TempPath;

use crate::core::UnitId;
use crate::slot::lock;

/// How long a call waits for others to give memory back before it fails, and is tried again.
const RESERVE_WAIT: Duration = Duration::from_secs(2);
/// How often it looks.
const RESERVE_POLL: Duration = Duration::from_millis(2);
/// Objects below this many bytes are not worth a file.
const SPILL_MIN_BYTES: u64 = 64 << 10;

/// All objects of an engine.
#[derive(Debug)]
pub(crate) struct Objects {
    table: Mutex<Table>,
    budget: Budget,
    /// One at a time writes or reads files. Nobody waits for memory while he has it.
    disk: Mutex<()>,
    folder: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Table {
    entries: FxHashMap<UnitId, Entry>,
    clock: u64,
    spilled_bytes: u64,
    spills: u64,
}

#[derive(Debug)]
struct Entry {
    memory: Option<Arc<Object>>,
    file: Option<Spilled>,
    bytes: u64,
    used: u64,
    /// For what the object's tensors do not account for themselves.
    _charge: Charge,
}

#[derive(Debug, Clone)]
struct Spilled {
    path: Arc<TempPath>,
    digest: blake3::Hash,
    len: u64,
}

/// An object that nobody can ask for any more.
#[derive(Debug)]
pub(crate) struct Garbage {
    _entry: Entry,
}

/// Why an object cannot be had.
#[derive(Debug)]
pub(crate) enum Missing {
    /// It is gone; its task can make it again.
    Lost(UnitId),
    /// It is there, but something else is in the way.
    Failed(Failure),
}

/// How much is where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryUse {
    /// Bytes taken from the budget: objects, guest memory, tensors in the making.
    pub used_bytes: u64,
    /// The budget.
    pub limit_bytes: u64,
    /// Objects that are kept.
    pub objects: usize,
    /// Bytes written to disk since the start.
    pub spilled_bytes: u64,
    /// How often an object was written to disk.
    pub spills: u64,
}

impl Objects {
    pub(crate) fn new(budget: Budget, folder: Option<PathBuf>) -> Self {
        Self { table: Mutex::default(), budget, disk: Mutex::default(), folder }
    }

    pub(crate) fn usage(&self) -> MemoryUse {
        let table = lock(&self.table);
        MemoryUse {
            used_bytes: self.budget.used(),
            limit_bytes: self.budget.limit(),
            objects: table.entries.len(),
            spilled_bytes: table.spilled_bytes,
            spills: table.spills,
        }
    }

    /// Keeps an object. What its tensors do not account for is taken from the budget.
    pub(crate) fn insert(&self, id: UnitId, object: Object) -> Result<(), Failure> {
        let object = Arc::new(object);
        let bytes = tensor_bytes(&object);
        let own = uncharged(&object);
        let charge = match own {
            0 => Charge::default(),
            own => self.reserve(own, || false)?,
        };
        let mut table = lock(&self.table);
        table.clock += 1;
        let used = table.clock;
        let entry =
            Entry { memory: Some(object), file: None, bytes: bytes + own, used, _charge: charge };
        let before = table.entries.insert(id, entry);
        drop(table);
        drop(before);
        Ok(())
    }

    /// Forgets an object; its memory goes back when what this gives is dropped.
    pub(crate) fn take(&self, id: UnitId) -> Option<Garbage> {
        lock(&self.table).entries.remove(&id).map(|entry| Garbage { _entry: entry })
    }

    /// The object, read back from disk where it had to go there.
    pub(crate) fn get(&self, id: UnitId) -> Result<Arc<Object>, Missing> {
        if let Some(found) = self.in_memory(id)? {
            return Ok(found);
        }
        let file = lock(&self.table).entries.get(&id).and_then(|entry| entry.file.clone());
        let Some(file) = file else { return self.in_memory(id)?.ok_or(Missing::Lost(id)) };
        let mut charge = self.reserve(file.len, || false).map_err(Missing::Failed)?;
        // Two who want it do not read it twice.
        let _disk = lock(&self.disk);
        if let Some(found) = self.in_memory(id)? {
            return Ok(found);
        }
        let read = self.read(&file, &mut charge).map(Arc::new);
        let mut table = lock(&self.table);
        let Some(entry) = table.entries.get_mut(&id) else { return Err(Missing::Lost(id)) };
        match read {
            Some(object) => {
                entry.memory = Some(Arc::clone(&object));
                Ok(object)
            }
            None => {
                table.entries.remove(&id);
                Err(Missing::Lost(id))
            }
        }
    }

    fn in_memory(&self, id: UnitId) -> Result<Option<Arc<Object>>, Missing> {
        let mut table = lock(&self.table);
        table.clock += 1;
        let clock = table.clock;
        let entry = table.entries.get_mut(&id).ok_or(Missing::Lost(id))?;
        entry.used = clock;
        Ok(entry.memory.clone())
    }

    fn read(&self, file: &Spilled, charge: &mut Charge) -> Option<Object> {
        let opened = File::open(&**file.path).ok()?;
        let mut reader = Hashing { inner: BufReader::new(opened), hasher: blake3::Hasher::new() };
        let mut part = |bytes| charge.split(bytes);
        let object = read_object(&mut reader, file.len, &mut part).ok()?;
        (reader.hasher.finalize() == file.digest).then_some(object)
    }

    /// Takes memory from the budget; makes room by moving objects to disk, then waits for others.
    pub(crate) fn reserve(
        &self,
        bytes: u64,
        give_up: impl Fn() -> bool,
    ) -> Result<Charge, Failure> {
        let limit = self.budget.limit();
        let mut until = None;
        loop {
            if let Some(charge) = self.budget.take(bytes) {
                return Ok(charge);
            }
            if bytes <= limit && self.spill_one() {
                continue;
            }
            let until = *until.get_or_insert_with(|| Instant::now() + RESERVE_WAIT);
            if bytes > limit || give_up() || Instant::now() >= until {
                let used = self.budget.used();
                let message = format!(
                    "limit process memory reached: {bytes} bytes are needed, {used} of {limit} are in \
                     use (--memory sets the limit)"
                );
                return Err(Failure::new(FailureKind::Memory, message));
            }
            std::thread::sleep(RESERVE_POLL);
        }
    }

    /// Moves the object to disk that was used longest ago and that nobody is reading.
    fn spill_one(&self) -> bool {
        let Some(folder) = &self.folder else { return false };
        let _disk = lock(&self.disk);
        let mut table = lock(&self.table);
        let idle = table.entries.iter().filter(|(_, entry)| {
            let unread = entry.memory.as_ref().is_some_and(|object| Arc::strong_count(object) == 1);
            unread && entry.bytes >= SPILL_MIN_BYTES
        });
        let Some(id) = idle.min_by_key(|(_, entry)| entry.used).map(|(id, _)| *id) else {
            return false;
        };
        let entry = table.entries.get_mut(&id).expect("just found");
        if entry.file.is_some() {
            let freed = entry.memory.take();
            drop(table);
            drop(freed);
            return true;
        }
        let object = entry.memory.clone().expect("just found");
        drop(table);
        let Some(file) = write(folder, &object) else { return false };
        let mut table = lock(&self.table);
        table.spills += 1;
        table.spilled_bytes += file.len;
        if let Some(entry) = table.entries.get_mut(&id) {
            entry.file = Some(file);
            entry._charge = Charge::default();
            entry.memory = None;
        }
        drop(table);
        drop(object);
        true
    }
}

fn write(folder: &std::path::Path, object: &Object) -> Option<Spilled> {
    let file = tempfile::Builder::new().prefix("object-").tempfile_in(folder).ok()?;
    let mut writer = Hashing { inner: BufWriter::new(file), hasher: blake3::Hasher::new() };
    let len = write_object(object, &mut writer).ok()?;
    let digest = writer.hasher.finalize();
    let file = writer.inner.into_inner().ok()?;
    Some(Spilled { path: Arc::new(file.into_temp_path()), digest, len })
}

/// Digests what passes through.
struct Hashing<T> {
    inner: T,
    hasher: blake3::Hasher,
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(into)?;
        self.hasher.update(&into[..count]);
        Ok(count)
    }
}

/// Bytes of tensors that are in this process's memory.
fn tensor_bytes(object: &Object) -> u64 {
    let tensors = object.fields.iter().filter_map(|(_, value)| match value {
        Value::Tensor(tensor) if tensor.lender().is_none() => Some(tensor.byte_len()),
        Value::Tensor(_) | Value::Bytes(_) | Value::Json(_) => None,
    });
    tensors.sum()
}

/// Bytes that nothing accounts for yet. JSON documents are small, or else bounded by the sandbox.
fn uncharged(object: &Object) -> u64 {
    let own = object.fields.iter().map(|(_, value)| match value {
        Value::Tensor(tensor) if !tensor.is_charged() => tensor.byte_len(),
        Value::Bytes(bytes) => bytes.len() as u64,
        Value::Tensor(_) | Value::Json(_) => 0,
    });
    own.sum()
}
