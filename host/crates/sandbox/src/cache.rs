//! Compiled components on disk: found by what they were compiled from and by which engine, and
//! never used unless every byte is the one that this crate wrote. Compiles nothing itself.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use blake3::Hash;

/// The first bytes of a cache file; the number is the version of the layout.
const MAGIC: &[u8; 8] = b"MOBULAC1";
const TAG_LEN: usize = blake3::OUT_LEN;

/// A folder of compiled components.
#[derive(Debug, Clone)]
pub(crate) struct CompileCache {
    folder: PathBuf,
    /// Hash of the engine's settings and version, which compiled code depends on.
    engine: Hash,
}

impl CompileCache {
    pub(crate) fn new(folder: PathBuf, engine: Hash) -> Self {
        Self { folder, engine }
    }

    /// The compiled form of the component with this digest, when there is an intact one.
    pub(crate) fn get(&self, component: &Hash) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.path(component)).ok()?;
        let payload = bytes.strip_prefix(MAGIC)?;
        let (tag, compiled) = payload.split_at_checked(TAG_LEN)?;
        // `Hash` compares in constant time.
        if self.tag(component, compiled) != Hash::from_slice(tag).ok()? {
            return None;
        }
        bytes.drain(..MAGIC.len() + TAG_LEN);
        Some(bytes)
    }

    /// Keeps a compiled form: whole or not at all, whatever happens meanwhile.
    pub(crate) fn put(&self, component: &Hash, compiled: &[u8]) -> io::Result<()> {
        make_private_folder(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(self.tag(component, compiled).as_bytes())?;
        file.write_all(compiled)?;
        file.persist(self.path(component)).map_err(|err| err.error)?;
        Ok(())
    }

    fn path(&self, component: &Hash) -> PathBuf {
        let mut name = blake3::Hasher::new();
        name.update(self.engine.as_bytes()).update(component.as_bytes());
        self.folder.join(format!("{}.cwasm", name.finalize().to_hex()))
    }

    /// Binds the bytes to what they were compiled from and by which engine, so that a file under
    /// another's name is as wrong as a damaged one.
    fn tag(&self, component: &Hash, compiled: &[u8]) -> Hash {
        let mut key = blake3::Hasher::new_derive_key("mobula sandbox compile cache v1");
        key.update(self.engine.as_bytes()).update(component.as_bytes());
        blake3::keyed_hash(key.finalize().as_bytes(), compiled)
    }
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &Path) -> CompileCache {
        CompileCache::new(folder.to_owned(), blake3::hash(b"engine"))
    }

    #[test]
    fn what_was_put_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let key = blake3::hash(b"component");
        assert_eq!(cache(folder.path()).get(&key), None);
        cache(folder.path()).put(&key, b"code").unwrap();
        assert_eq!(cache(folder.path()).get(&key).unwrap(), b"code");
        let other = CompileCache::new(folder.path().to_owned(), blake3::hash(b"other engine"));
        assert_eq!(other.get(&key), None);
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let key = blake3::hash(b"component");
        let cache = cache(folder.path());
        cache.put(&key, b"code").unwrap();
        let good = fs::read(cache.path(&key)).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(cache.path(&key), &bad).unwrap();
            assert_eq!(cache.get(&key), None, "bit flipped in byte {at}");
            fs::write(cache.path(&key), &good[..at]).unwrap();
            assert_eq!(cache.get(&key), None, "cut at byte {at}");
        }
    }

    #[test]
    fn a_file_under_anothers_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (blake3::hash(b"one"), blake3::hash(b"two"));
        let cache = cache(folder.path());
        cache.put(&one, b"code").unwrap();
        fs::rename(cache.path(&one), cache.path(&two)).unwrap();
        assert_eq!(cache.get(&two), None);
    }
}
