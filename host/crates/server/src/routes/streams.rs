//! Events as they happen, as server-sent events. Each reader takes them from the store by their numbers,
//! and is woken when there are more: it never holds up the run, however slow it is, and goes on where it
//! broke off.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt as _};
use mobula_contract::RunStatus;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use crate::app::{App, Who};
use crate::body::Asked;
use crate::documents::{Progress, StreamMessage};
use crate::port::{Caller, Follow, Why};
use crate::problem::{ProblemDetails, Refused, Reply};
use crate::tails::Tail;

/// Streams that are open at one time, of all tenants.
const STREAMS_MAX: u64 = 1000;
/// A comment this often tells proxies and readers that the stream lives.
const ALIVE: Duration = Duration::from_secs(15);
/// Events that come closer together go together.
const GATHER: Duration = Duration::from_millis(100);
/// How often a run is looked at that another process performs.
const POLL: Duration = Duration::from_secs(1);
/// And one of this server, should a beat have been missed.
const POLL_OWN: Duration = Duration::from_secs(10);
/// A stream whose token was taken back, or ran out, ends within this time.
const REVIEW: Duration = Duration::from_secs(5);
/// The list of runs is told of at most this often.
const GATHER_RUNS: Duration = Duration::from_millis(250);

type Item = Result<Event, Infallible>;

/// Counts a stream while it is open.
struct Open(Arc<App>);

impl Open {
    fn new(app: &Arc<App>) -> Reply<Self> {
        let open = app.counters.streams.fetch_add(1, Ordering::Relaxed);
        let counted = Self(Arc::clone(app));
        if open >= STREAMS_MAX {
            let detail = format!("{STREAMS_MAX} streams are open: close some");
            return Err(Refused::new(Why::Unavailable, detail));
        }
        Ok(counted)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that ends when its reader would not be let in any more.
fn while_let_in(
    app: Arc<App>,
    caller: Caller,
    stream: impl Stream<Item = Item>,
) -> impl Stream<Item = Item> {
    let review = async move {
        let stands = async || {
            let caller = caller.clone();
            app.ask(move |house| house.stands(&caller)).await
        };
        // Where nobody can tell, the store is in trouble, and the reader no stranger.
        loop {
            tokio::time::sleep(REVIEW).await;
            if !stands().await.unwrap_or(true) {
                break;
            }
        }
    };
    stream.take_until(review)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// Only events with a number above this one; the header `Last-Event-ID` says it too.
    after: Option<u64>,
}

/// Events of a run as they happen (`event: event`, with their numbers as ids), how far calls are (`event:
/// progress`), and its end (`event: end`).
#[utoipa::path(get, path = "/runs/{run}/stream", tag = "runs", operation_id = "stream",
    params(("run" = String, Path), StreamQuery, ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = StreamMessage),
        (status = 404, body = ProblemDetails)))]
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
    Asked(StreamQuery { after }): Asked<StreamQuery>,
    headers: HeaderMap,
) -> Reply<Sse<impl Stream<Item = Item>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.trim().parse().ok());
    let after = last.or(after).unwrap_or(0);
    let open = Open::new(&app)?;
    let reader = Reader {
        tail: app.tails.of(&caller, &run),
        stopping: app.stopping.clone(),
        app,
        caller,
        run,
        after,
        ready: VecDeque::new(),
        progress: Vec::new(),
        over: None,
        ended: false,
        _open: open,
    };
    reader.follow().await?;
    let (app, caller) = (Arc::clone(&reader.app), reader.caller.clone());
    let stream = unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    let stream = while_let_in(app, caller, stream);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE)))
}

/// Who follows a run.
struct Reader {
    app: Arc<App>,
    caller: Caller,
    run: String,
    tail: Arc<Tail>,
    stopping: watch::Receiver<bool>,
    /// The number of the last event that was sent.
    after: u64,
    ready: VecDeque<Event>,
    progress: Vec<Progress>,
    /// How the run ended, once that is known: its last events may still be to be read.
    over: Option<RunStatus>,
    ended: bool,
    _open: Open,
}

impl Reader {
    async fn follow(&self) -> Reply<Follow> {
        let (caller, run) = (self.caller.clone(), self.run.clone());
        self.app.ask(move |house| house.follow(&caller, &run)).await
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended || *self.stopping.borrow() {
                return None;
            }
            let Follow { mut pulse, live, status } = self.follow().await.ok()?;
            let beat = pulse.as_mut().map(|pulse| *pulse.borrow_and_update());
            let found = self.tail.after(&self.app, &self.caller, &self.run, self.after, beat);
            for (number, text) in found.await.ok()? {
                self.after = number;
                let event = Event::default().event("event").id(number.to_string()).data(&*text);
                self.ready.push_back(event);
            }
            self.look_at_progress(live).await;
            if !self.ready.is_empty() {
                continue;
            }
            if !live && status != RunStatus::Running {
                // Whatever came between the look at the run and that at its events is read once more.
                if self.over == Some(status) {
                    self.ended = !*self.stopping.borrow();
                    let end = json!({ "status": status }).to_string();
                    return self.ended.then(|| Event::default().event("end").data(end));
                }
                self.over = Some(status);
                continue;
            }
            self.over = None;
            self.wait(pulse).await;
        }
    }

    async fn look_at_progress(&mut self, live: bool) {
        if !live {
            return;
        }
        let (caller, run) = (self.caller.clone(), self.run.clone());
        let found = self.app.ask(move |house| house.progress(&caller, &run)).await;
        let found = found.unwrap_or_default();
        for progress in &found {
            if !self.progress.contains(progress) {
                let text = serde_json::to_string(progress).expect("numbers become JSON");
                self.ready.push_back(Event::default().event("progress").data(text));
            }
        }
        self.progress = found;
    }

    async fn wait(&mut self, pulse: Option<watch::Receiver<u64>>) {
        let beat = async {
            match pulse {
                Some(mut pulse) => {
                    // A sender that is gone means that the run ended.
                    let _ = tokio::time::timeout(POLL_OWN, pulse.changed()).await;
                    tokio::time::sleep(GATHER).await;
                }
                None => tokio::time::sleep(POLL).await,
            }
        };
        tokio::select! {
            () = beat => {}
            _ = self.stopping.changed() => {}
        }
    }
}

/// Tells when the list of runs changed (`event: runs`).
#[utoipa::path(get, path = "/stream", tag = "runs", operation_id = "changes",
    responses((status = 200, content_type = "text/event-stream", body = StreamMessage)))]
pub(crate) async fn runs(
    State(app): State<Arc<App>>,
    Who(caller): Who,
) -> Reply<Sse<impl Stream<Item = Item>>> {
    let open = Open::new(&app)?;
    let asked = caller.clone();
    let changes = app.ask(move |house| house.changes(&asked)).await?;
    let state = (changes, app.stopping.clone(), open);
    let stream = unfold(state, |(mut changes, mut stopping, open)| async move {
        if *stopping.borrow() {
            return None;
        }
        tokio::select! {
            changed = changes.changed() => changed.ok()?,
            _ = stopping.changed() => return None,
        }
        tokio::time::sleep(GATHER_RUNS).await;
        let number = *changes.borrow_and_update();
        let event = Event::default().event("runs").data(json!({ "change": number }).to_string());
        Some((Ok::<_, Infallible>(event), (changes, stopping, open)))
    });
    let stream = while_let_in(app, caller, stream);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE)))
}
