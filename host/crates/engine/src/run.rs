//! A pipeline on the engine: a session that is recorded, and ends with its last stage.

use std::sync::Arc;

use mobula_contract::{EventBody, Object, Pipeline, RunEvent, RunStatus, StageRef};

use crate::core::Need;
use crate::drive::Driver;
use crate::engine::{CancelHandle, Engine, Session, SessionConfig};
use crate::plan::Left;

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The status.
    pub status: RunStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// Outputs that nobody in the pipeline reads: the results.
    pub results: Vec<(StageRef, Arc<Object>)>,
    /// Seconds since the run's first start.
    pub wall_s: f64,
}

/// A pipeline in this process.
#[derive(Debug)]
pub struct Run {
    session: Session,
    pipeline: Pipeline,
    left: Left,
    total: Need,
    resumed: bool,
}

impl Run {
    /// Makes a checked pipeline ready; nothing runs yet.
    #[must_use]
    pub fn new(
        engine: &Engine,
        pipeline: Pipeline,
        left: Option<Left>,
        config: SessionConfig,
    ) -> Self {
        let config = SessionConfig { seed: pipeline.seed, stops_on_failure: true, ..config };
        let resumed = left.as_ref().is_some_and(|left| left.begun);
        let total = engine.inner().lock().core.total();
        let session = engine.session(config);
        Self { session, pipeline, left: left.unwrap_or_default(), total, resumed }
    }

    /// For stopping the run from elsewhere.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        self.session.cancel_handle()
    }

    /// Runs to the end. `watch` sees every event as it happens, progress included.
    pub fn finish(self, watch: &mut dyn FnMut(&RunEvent)) -> Outcome {
        let Self { session, pipeline, left, total, resumed } = self;
        let events = session.watch();
        let workers = u32::try_from(total.cpus_milli / 1000).unwrap_or(u32::MAX).max(1);
        session.shell.keep(EventBody::RunStarted { workers, resumed });
        let shell = Arc::clone(&session.shell);
        let (session, results) = std::thread::scope(|scope| {
            let driving = scope.spawn(|| {
                let mut driver = Driver::new(&session, &pipeline, left, total);
                driver.drive();
                let results = driver.results();
                session.seal();
                results
            });
            while let Ok(event) = events.recv() {
                watch(&event);
                session.shell.seen();
            }
            let results = driving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (&session, results)
        });
        let wall_s = shell.now_s();
        let (status, error) = session.ended();
        let results = results.into_iter().filter_map(|(stage, object)| {
            let ready = object.is_ready().then(|| object.get().ok()).flatten();
            Some((stage, ready?))
        });
        let results = results.collect();
        Outcome { status, error, results, wall_s }
    }
}
