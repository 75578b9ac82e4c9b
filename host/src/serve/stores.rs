//! Connections to one database, for threads that come and go.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use mobula_store::Store;

use super::lock;
use crate::home;

/// Connections that are kept for the next who asks.
const KEPT: usize = 8;

/// Connections to one database.
pub(super) struct Stores {
    home: PathBuf,
    idle: Mutex<Vec<Store>>,
}

/// One of them, for as long as somebody has it.
pub(super) struct Taken<'s> {
    stores: &'s Stores,
    store: Option<Store>,
}

impl Stores {
    pub(super) fn open(home: &Path) -> anyhow::Result<Self> {
        let store = Store::open(home).map_err(home::coded)?;
        Ok(Self { home: home.to_owned(), idle: Mutex::new(vec![store]) })
    }

    pub(super) fn take(&self) -> anyhow::Result<Taken<'_>> {
        let idle = lock(&self.idle).pop();
        let store = match idle {
            Some(store) => store,
            None => Store::open(&self.home).map_err(home::coded)?,
        };
        Ok(Taken { stores: self, store: Some(store) })
    }
}

impl Deref for Taken<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store.as_ref().expect("it is there until it is given back")
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut idle = lock(&self.stores.idle);
        if idle.len() < KEPT {
            idle.extend(self.store.take());
        }
    }
}
