//! The house behind the server: its port, filled with the store, the catalogue and engines. Each tenant has a
//! home, a catalogue and an engine of its own, so that nothing of one can be named by another.

mod admin;
pub(crate) mod args;
mod checkpoints;
mod graph;
mod house;
mod live;
mod objects;
mod pipelines;
mod plugins;
mod refuse;
mod runs;
mod secret;
pub(crate) mod settings;
mod stores;
mod tenant;
mod tries;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mobula_server::{Answer, Caller, Refusal, Why};
use mobula_store::DEFAULT_TENANT;

pub(crate) use admin::{
    change_quota, check_mount, check_tenant_name, give_token, home_of, remove_home,
};
use refuse::internal;
use secret::Code;
use stores::Stores;
use tenant::Tenant;

/// How often the end of runs is looked for when the server goes away.
const END_POLL: Duration = Duration::from_millis(20);
/// What runs that do not end in time get, after they are cancelled.
const CANCEL_TIME: Duration = Duration::from_secs(10);

/// The house behind the server.
pub(crate) struct HostHouse {
    home: PathBuf,
    /// The database of the home folder: tenants, tokens, the audit log.
    root: Stores,
    tenants: Mutex<BTreeMap<String, Arc<Tenant>>>,
    codes: Mutex<Vec<Code>>,
    stopping: Arc<AtomicBool>,
    started: Instant,
}

impl HostHouse {
    pub(crate) fn open(home: &Path) -> anyhow::Result<Self> {
        let root = Stores::open(home)?;
        root.take()?.found_default_tenant().map_err(crate::home::coded)?;
        Ok(Self {
            home: home.to_owned(),
            root,
            tenants: Mutex::default(),
            codes: Mutex::default(),
            stopping: Arc::default(),
            started: Instant::now(),
        })
    }

    /// A code that opens one session of an administrator, for the link that is printed.
    pub(crate) fn new_code(&self) -> anyhow::Result<String> {
        let (code, secret) = Code::new()?;
        lock(&self.codes).push(code);
        Ok(secret)
    }

    /// Takes up what the server was doing when it ended. Gives how many runs.
    pub(crate) fn take_up(&self, tell: &dyn Fn(&str)) -> anyhow::Result<usize> {
        let mut count = 0;
        for row in self.root.take()?.tenants().map_err(crate::home::coded)? {
            let home = home_of(&self.home, &row.name);
            // A tenant that never came has no home yet.
            if !home.join("mobula.db").is_file() {
                continue;
            }
            let tenant = self
                .tenant(&row.name)
                .map_err(|refusal| anyhow::anyhow!("tenant {}: {}", row.name, refusal.detail))?;
            for run in tenant.open_runs()? {
                match tenant.take_up(&run, &row.quota) {
                    Ok(true) => count += 1,
                    Ok(false) => {}
                    Err(refusal) => {
                        let why = refusal.internal.as_ref().unwrap_or(&refusal.detail);
                        tell(&format!("run {run} of tenant {} is not taken up: {why}", row.name));
                    }
                }
            }
        }
        Ok(count)
    }

    /// Asks all runs to end in order, so that the next start can take them up: actors are saved where that
    /// can be done in the time that is left. Nothing begins any more.
    pub(crate) fn begin_end(&self, left: Duration) {
        self.stopping.store(true, Ordering::SeqCst);
        let tenants: Vec<Arc<Tenant>> = lock(&self.tenants).values().cloned().collect();
        tenants.iter().for_each(|tenant| tenant.notice(left.as_secs_f64()));
    }

    /// Waits for their end, and makes it come.
    pub(crate) fn end(&self, left: Duration) {
        if !self.stopping.load(Ordering::SeqCst) {
            self.begin_end(left);
        }
        let tenants: Vec<Arc<Tenant>> = lock(&self.tenants).values().cloned().collect();
        let over = || tenants.iter().all(|tenant| tenant.live_count() == 0);
        let wait = |longest: Duration| {
            let until = Instant::now() + longest;
            while !over() && Instant::now() < until {
                std::thread::sleep(END_POLL);
            }
        };
        wait(left);
        tenants.iter().for_each(|tenant| tenant.stop_all());
        wait(CANCEL_TIME);
    }

    fn tenant(&self, name: &str) -> Answer<Arc<Tenant>> {
        let mut tenants = lock(&self.tenants);
        if let Some(tenant) = tenants.get(name) {
            return Ok(Arc::clone(tenant));
        }
        let home = home_of(&self.home, name);
        let opened = Tenant::open(name, &home, Arc::clone(&self.stopping))
            .with_context(|| format!("the home of tenant {name}"));
        let tenant = Arc::new(opened.map_err(|e| internal(&e))?);
        tenants.insert(name.to_owned(), Arc::clone(&tenant));
        Ok(tenant)
    }

    fn of(&self, caller: &Caller) -> Answer<Arc<Tenant>> {
        self.tenant(&caller.tenant)
    }

    fn is_going(&self) -> Answer<()> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(Refusal::new(Why::Unavailable, "the server is going away: try again soon"));
        }
        Ok(())
    }
}

/// What administrators of the server itself belong to.
pub(crate) const ADMIN_TENANT: &str = DEFAULT_TENANT;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
