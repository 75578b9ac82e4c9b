//! Compiled components on disk. A file is used only if it is whole, and only by the engine that wrote it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::PathBuf;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::SandboxError;

/// A folder of compiled components, each under the digest of its source and of the engine's settings.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    pub(crate) fn open(folder: PathBuf) -> Result<Self, SandboxError> {
        std::fs::create_dir_all(&folder)
            .map_err(|source| SandboxError::Cache { path: folder.clone(), source })?;
        Ok(Self { folder })
    }

    fn file(&self, engine: &Engine, source: &blake3::Hash) -> PathBuf {
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        self.folder.join(format!("{}-{:016x}.cwasm", source.to_hex(), settings.finish()))
    }

    /// The compiled form, if a whole one is there.
    pub(crate) fn get(&self, engine: &Engine, source: &blake3::Hash) -> Option<Component> {
        let bytes = std::fs::read(self.file(engine, source)).ok()?;
        let (digest, compiled) = bytes.split_at_checked(blake3::OUT_LEN)?;
        if blake3::hash(compiled) != *<&[u8; blake3::OUT_LEN]>::try_from(digest).ok()? {
            return None;
        }
        load(engine, compiled).ok()
    }

    /// Keeps a compiled form; that it cannot is no failure, only slow the next time.
    pub(crate) fn put(&self, engine: &Engine, source: &blake3::Hash, compiled: &[u8]) {
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder).ok()?;
            file.write_all(blake3::hash(compiled).as_bytes()).ok()?;
            file.write_all(compiled).ok()?;
            file.persist(self.file(engine, source)).ok()
        };
        let _ = write();
    }
}

/// Takes up machine code that our own compiler wrote, into the cache or to its parent.
pub(crate) fn load(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    #[expect(unsafe_code, reason = "wasmtime cannot check compiled code, only we can")]
    // SAFETY: the bytes are those that `put` wrote, by their digest, into a folder of the user's own, or
    // those that a process which our program started for this has just compiled; nobody else's compiled
    // code is ever taken, and wasmtime itself refuses code that was compiled with other settings.
    unsafe {
        Component::deserialize(engine, compiled)
    }
}
