//! The newest events of runs that somebody follows, so that many who follow the same run ask the store once.
//! A reader that lags behind asks the store itself; none keeps another from going on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::app::App;
use crate::documents::NumberedEvent;
use crate::port::Caller;
use crate::problem::Reply;

/// Events that are kept of one run.
const EVENTS_MAX: usize = 2000;
/// And their bytes.
const BYTES_MAX: usize = 4 << 20;
/// Events that a reader takes at once.
pub(crate) const PAGE: usize = 500;

type Key = (String, String);

/// The runs that are followed.
#[derive(Debug, Default)]
pub(crate) struct Tails(Mutex<HashMap<Key, Weak<Tail>>>);

/// The newest events of one run.
#[derive(Debug, Default)]
pub(crate) struct Tail(tokio::sync::Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<(u64, Arc<str>)>,
    bytes: usize,
    /// The beat up to which the store was read.
    beat: Option<u64>,
}

impl Tails {
    /// The tail of a run, for as long as somebody has it.
    pub(crate) fn of(&self, caller: &Caller, run: &str) -> Arc<Tail> {
        let mut tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tails.retain(|_, tail| tail.strong_count() > 0);
        let key = (caller.tenant.clone(), run.to_owned());
        if let Some(tail) = tails.get(&key).and_then(Weak::upgrade) {
            return tail;
        }
        let tail = Arc::new(Tail::default());
        tails.insert(key, Arc::downgrade(&tail));
        tail
    }
}

impl Ring {
    fn push(&mut self, event: (u64, Arc<str>)) {
        self.bytes += event.1.len();
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || (self.bytes > BYTES_MAX && self.events.len() > PAGE)
        {
            if let Some((_, text)) = self.events.pop_front() {
                self.bytes -= text.len();
            }
        }
    }

    /// Events after `after`, where the ring has all of them up to its end.
    fn after(&self, after: u64) -> Option<Vec<(u64, Arc<str>)>> {
        let (first, _) = self.events.front()?;
        let skip = usize::try_from(after.saturating_add(1).checked_sub(*first)?).ok()?;
        (skip <= self.events.len())
            .then(|| self.events.iter().skip(skip).take(PAGE).cloned().collect())
    }
}

impl Tail {
    /// Events with a number above `after`, at most [`PAGE`]. `beat` is the newest beat of the run's pulse;
    /// without one the store is asked.
    pub(crate) async fn after(
        &self,
        app: &Arc<App>,
        caller: &Caller,
        run: &str,
        after: u64,
        beat: Option<u64>,
    ) -> Reply<Vec<(u64, Arc<str>)>> {
        let mut ring = self.0.lock().await;
        let known = ring.after(after);
        match known {
            Some(events) if !events.is_empty() => return Ok(events),
            // At the end of the ring, and nothing happened since the store was read.
            Some(_) if beat.is_some() && ring.beat == beat => return Ok(Vec::new()),
            Some(_) => {}
            None if ring.events.is_empty() => {}
            // Far behind, or ahead: on its own.
            None => {
                drop(ring);
                return read(app, caller, run, after).await;
            }
        }
        let found = read(app, caller, run, after).await?;
        if found.len() < PAGE {
            ring.beat = beat;
        }
        for event in &found {
            ring.push(event.clone());
        }
        Ok(found)
    }
}

async fn read(
    app: &Arc<App>,
    caller: &Caller,
    run: &str,
    after: u64,
) -> Reply<Vec<(u64, Arc<str>)>> {
    let (caller, run) = (caller.clone(), run.to_owned());
    let found = app.ask(move |house| house.events(&caller, &run, after, PAGE)).await?;
    let text = |event: (u64, mobula_contract::RunEvent)| {
        let event = NumberedEvent::new(event);
        let text = serde_json::to_string(&event).expect("an event becomes JSON");
        (event.number, Arc::from(text))
    };
    Ok(found.into_iter().map(text).collect())
}
