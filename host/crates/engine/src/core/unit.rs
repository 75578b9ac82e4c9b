//! Units in the core: from the inputs they wait for to the last reader of what they gave.

use mobula_contract::{EventBody, Failure, FailureKind, OutputNote, Receipt};

use super::Core;
use super::message::{Due, Effect, Submit, UnitId, WorkerId};
use super::ready::Item;
use super::state::{Job, Phase, Unit};

/// Failures that the last word of a unit names one by one.
const FAILURES_NAMED: usize = 4;
/// Tasks in a row that are remembered so that the last one's object can be made again: longer chains
/// are cut, so that a loop over its own result does not fill the memory.
const LINEAGE_MAX: u32 = 1000;

impl Core {
    pub(super) fn submit(&mut self, new: Submit) {
        let Submit { unit: id, session, stage, sources, actor, need, retry, done, given } = new;
        let mut depth = 0;
        for source in &sources {
            let source = self.units.get_mut(source).expect("sources are known");
            source.readers += 1;
            source.lineage += 1;
            depth = depth.max(source.depth + 1);
        }
        let rootless = match (actor, given) {
            (Some(_), _) => Some("it came from an actor"),
            (None, true) => Some("it came from outside"),
            (None, false) => (depth >= LINEAGE_MAX).then_some("too many tasks in a row led to it"),
        };
        let depth = if rootless.is_some() { 0 } else { depth };
        let unit =
            Unit { sources, actor, depth, rootless, ..Unit::new(session, stage, need, retry) };
        self.units.insert(id, unit);
        let Some(entry) = self.sessions.get_mut(&session).filter(|entry| entry.ending.is_none())
        else {
            return self.fail(id, Failure::new(FailureKind::Cancelled, "the session has ended"));
        };
        entry.units_left += 1;
        if let Some((held, runtime_s)) = done {
            return self.was_done(id, held, runtime_s);
        }
        if let Some(actor) = actor {
            return self.enter_log(actor, id);
        }
        self.await_sources(id);
    }

    /// An earlier process had finished it.
    fn was_done(&mut self, id: UnitId, held: bool, runtime_s: f64) {
        let unit = self.units.get_mut(&id).expect("it was just entered");
        unit.phase = Phase::Done;
        unit.held = held;
        unit.runtime_s = runtime_s;
        if let Some(actor) = unit.actor {
            self.pass_in_log(actor);
        }
        self.count(id);
        self.effects.push(Effect::Resolved { unit: id, result: Ok(()) });
        self.settle(id);
    }

    /// Waits for what it reads, or goes on at once.
    pub(super) fn await_sources(&mut self, id: UnitId) {
        let unit = self.units.get_mut(&id).expect("known");
        // It may wait for some already, and have lost others since.
        let waits = unit.phase == Phase::Waiting && unit.missing > 0;
        let sources = std::mem::take(&mut unit.sources);
        let mut missing = 0;
        let mut failed = None;
        let mut gone = Vec::new();
        for source_id in &sources {
            match self.units.get_mut(source_id) {
                Some(source) if source.held => {}
                Some(source) => {
                    match &source.phase {
                        Phase::Failed(failure) => {
                            failed = Some(inherited(&source.stage.to_string(), failure));
                        }
                        Phase::Done => gone.push(*source_id),
                        _ => {}
                    }
                    if !waits || !source.waiters.contains(&id) {
                        source.waiters.push(id);
                    }
                    missing += 1;
                }
                None => missing += 1,
            }
        }
        let unit = self.units.get_mut(&id).expect("known");
        unit.sources = sources;
        unit.missing = missing;
        unit.phase = Phase::Waiting;
        match failed {
            Some(failure) => self.fail(id, failure),
            None if missing == 0 => self.inputs_are_there(id),
            None => gone.into_iter().for_each(|source| self.make_again(source)),
        }
    }

    fn inputs_are_there(&mut self, id: UnitId) {
        match self.units[&id].actor {
            None => self.enqueue(id),
            Some(actor) => self.look_at(actor),
        }
    }

    pub(super) fn enqueue(&mut self, id: UnitId) {
        let need = self.units[&id].need;
        let ticket = self.ready.push(need, Item::Unit(id));
        self.units.get_mut(&id).expect("known").phase = Phase::Ready(ticket);
    }

    /// Its object is in the store: those that waited for it may go on.
    pub(super) fn now_held(&mut self, id: UnitId) {
        let unit = self.units.get_mut(&id).expect("known");
        unit.held = true;
        for waiter in std::mem::take(&mut unit.waiters) {
            let Some(unit) = self.units.get_mut(&waiter) else { continue };
            if unit.phase != Phase::Waiting || unit.missing == 0 {
                continue;
            }
            unit.missing -= 1;
            if unit.missing == 0 {
                self.inputs_are_there(waiter);
            }
        }
    }

    pub(super) fn call_ended(
        &mut self,
        id: UnitId,
        worker: WorkerId,
        receipt: &Receipt,
        alive: bool,
        result: Result<(Vec<(String, OutputNote)>, u64), Failure>,
    ) {
        if self.units.get(&id).is_none_or(|unit| unit.phase != Phase::Running(worker)) {
            return;
        }
        self.call_is_over(id);
        let actor = self.units[&id].actor;
        match actor {
            None => {
                self.workers.insert(worker, Job::Idle);
                self.idle.push(worker);
            }
            Some(actor) => {
                self.workers.insert(worker, Job::Actor(actor, None));
            }
        }
        match (result, actor) {
            (Ok((outputs, bytes)), None) => {
                self.succeeded(id, worker, receipt, outputs);
                self.settle(id);
                self.decide_object(id, bytes);
                self.release_if_unneeded(id);
            }
            (Ok((outputs, _)), Some(actor)) => {
                self.succeeded(id, worker, receipt, outputs);
                self.release_if_unneeded(id);
                self.call_succeeded(actor, id);
            }
            (Err(failure), None) => self.task_failed(id, worker, failure, Some(*receipt)),
            (Err(failure), Some(actor)) => {
                self.actor_call_failed(actor, (id, worker), alive, failure, *receipt);
            }
        }
    }

    fn succeeded(
        &mut self,
        id: UnitId,
        worker: WorkerId,
        receipt: &Receipt,
        outputs: Vec<(String, OutputNote)>,
    ) {
        let unit = self.units.get_mut(&id).expect("it ran");
        unit.phase = Phase::Done;
        unit.failed = 0;
        unit.failed_on = None;
        unit.failures.clear();
        unit.runtime_s = receipt.wall_s;
        let (session, attempt) = (unit.session, unit.attempt);
        let stage = unit.stage.clone();
        self.record(session, &|| EventBody::StageFinished {
            stage: stage.clone(),
            worker: worker.to_string(),
            attempt,
            runtime_s: receipt.wall_s,
            outputs: outputs.clone(),
            receipt: Some(*receipt),
        });
        self.count(id);
        self.effects.push(Effect::Resolved { unit: id, result: Ok(()) });
        self.now_held(id);
    }

    /// The session no longer waits for it.
    pub(super) fn count(&mut self, id: UnitId) {
        let unit = self.units.get_mut(&id).expect("known");
        if !std::mem::replace(&mut unit.counted, true)
            && let Some(session) = self.sessions.get_mut(&unit.session)
        {
            session.units_left -= 1;
            self.touched.push(unit.session);
        }
    }

    /// The unit will not read its inputs again.
    pub(super) fn settle(&mut self, id: UnitId) {
        let unit = self.units.get_mut(&id).expect("known");
        if std::mem::replace(&mut unit.settled, true) {
            return;
        }
        // What is never made again need not keep what it was made from.
        let cut = unit.rootless.is_some();
        let sources = if cut { std::mem::take(&mut unit.sources) } else { unit.sources.clone() };
        for source in sources {
            if let Some(unit) = self.units.get_mut(&source) {
                unit.readers -= 1;
                unit.lineage -= usize::from(cut);
                self.release_if_unneeded(source);
            }
        }
    }

    pub(super) fn release_if_unneeded(&mut self, id: UnitId) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        if unit.held && !unit.wanted && unit.readers == 0 && unit.saving == 0 {
            unit.held = false;
            self.effects.push(Effect::Release(id));
        }
        self.forget_if_unneeded(id);
    }

    pub(super) fn dropped(&mut self, id: UnitId) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        unit.wanted = false;
        self.release_if_unneeded(id);
    }

    pub(super) fn task_failed(
        &mut self,
        id: UnitId,
        worker: WorkerId,
        failure: Failure,
        receipt: Option<Receipt>,
    ) {
        let unit = self.units.get_mut(&id).expect("it ran");
        unit.phase = Phase::Waiting;
        unit.failed += 1;
        unit.failed_on = Some(worker);
        unit.failures.push((worker, failure.message.clone()));
        let (failed, session) = (unit.failed, unit.session);
        let retried =
            unit.retry.again(&failure, failed) && !unit.cancelled && !self.is_ending(session);
        self.record_failure(id, worker, &failure, retried, receipt);
        if !retried {
            return self.give_up(id, failure);
        }
        let unit = self.units.get_mut(&id).expect("it ran");
        unit.phase = Phase::Delayed;
        let after_ms = unit.retry.wait_ms(failed);
        match after_ms {
            0 => self.await_sources(id),
            _ => self.effects.push(Effect::Wake { after_ms, due: Due::Retry(id) }),
        }
    }

    /// Whoever carries it out lost it and began anew: it goes on as the next attempt, on the same worker.
    pub(super) fn tried_again(&mut self, id: UnitId, message: &str) {
        let running = |unit: &&mut Unit| matches!(unit.phase, Phase::Running(_));
        let Some(unit) = self.units.get_mut(&id).filter(running) else { return };
        let Phase::Running(worker) = unit.phase else { return };
        unit.failed += 1;
        unit.failures.push((worker, message.to_owned()));
        let failure = Failure::new(FailureKind::WorkerLost, message);
        self.record_failure(id, worker, &failure, true, None);
        let unit = self.units.get_mut(&id).expect("just found");
        unit.attempt += 1;
        let (session, attempt, stage) = (unit.session, unit.attempt, unit.stage.clone());
        let (on_actor, replay) = (unit.actor.is_some(), unit.replay);
        self.record(session, &|| EventBody::StageStarted {
            stage: stage.clone(),
            worker: worker.to_string(),
            attempt,
            on_actor,
            replay,
        });
    }

    pub(super) fn retry_due(&mut self, id: UnitId) {
        if self.units.get(&id).is_some_and(|unit| unit.phase == Phase::Delayed) {
            self.await_sources(id);
        }
    }

    pub(super) fn record_failure(
        &mut self,
        id: UnitId,
        worker: WorkerId,
        failure: &Failure,
        retried: bool,
        receipt: Option<Receipt>,
    ) {
        let unit = &self.units[&id];
        let (session, attempt, stage) = (unit.session, unit.attempt, unit.stage.clone());
        self.record(session, &|| EventBody::StageFailed {
            stage: stage.clone(),
            worker: worker.to_string(),
            attempt,
            kind: failure.kind,
            message: failure.message.clone(),
            retried,
            receipt,
        });
    }

    /// The unit has failed for good by itself.
    pub(super) fn give_up(&mut self, id: UnitId, failure: Failure) {
        let unit = &self.units[&id];
        let (session, cancelled) = (unit.session, failure.kind == FailureKind::Cancelled);
        let before = summary(&unit.failures);
        let message = format!("stage {} failed{before}: {failure}", unit.stage);
        let stops = self.sessions.get(&session).is_some_and(|s| s.rules.stops_on_failure);
        let kind = failure.kind;
        let failure = if cancelled { failure } else { Failure::new(kind, message.clone()) };
        self.fail(id, failure);
        match (stops, cancelled) {
            (true, true) => self.cancel_session(session),
            (true, false) => self.fail_session(session, message),
            (false, _) => {}
        }
    }

    /// This unit, and what waits for it, will never have an object.
    pub(super) fn fail(&mut self, id: UnitId, failure: Failure) {
        let mut failing = vec![(id, failure)];
        while let Some((id, failure)) = failing.pop() {
            let Some(unit) = self.units.get_mut(&id) else { continue };
            if matches!(unit.phase, Phase::Failed(_) | Phase::Running(_)) {
                continue;
            }
            let inherited = inherited(&unit.stage.to_string(), &failure);
            unit.phase = Phase::Failed(failure.clone());
            let waiters = std::mem::take(&mut unit.waiters);
            let (actor, items) = (unit.actor, unit.items.clone());
            failing.extend(waiters.into_iter().map(|waiter| (waiter, inherited.clone())));
            let lost = items
                .into_iter()
                .filter(|item| self.units.get(item).is_some_and(|item| !item.is_over()));
            failing.extend(lost.map(|item| (item, inherited.clone())));
            self.count(id);
            self.effects.push(Effect::Resolved { unit: id, result: Err(failure) });
            match actor {
                // Its place in the order is passed when its turn comes.
                Some(actor) if self.units[&id].logged => self.look_at(actor),
                _ => self.settle(id),
            }
            self.forget_if_unneeded(id);
        }
    }

    pub(super) fn cancel(&mut self, id: UnitId) {
        let Some(unit) = self.units.get_mut(&id).filter(|unit| !unit.is_over()) else { return };
        unit.cancelled = true;
        if matches!(unit.phase, Phase::Running(_)) {
            self.effects.push(Effect::CancelCall(id));
            return;
        }
        let message = format!("{} was cancelled", unit.stage);
        self.give_up(id, Failure::new(FailureKind::Cancelled, message));
    }
}

/// What a unit says whose input failed.
fn inherited(stage: &str, failure: &Failure) -> Failure {
    let told = failure.message.starts_with("input from stage ");
    let message = match told {
        true => failure.message.clone(),
        false => format!("input from stage {stage}: {failure}"),
    };
    Failure::new(failure.kind, message)
}

/// Where and why the attempts before the last failed, for a crash loop's last word.
pub(super) fn summary(failures: &[(WorkerId, String)]) -> String {
    let Some((_, before)) = failures.split_last().filter(|(_, before)| !before.is_empty()) else {
        return String::new();
    };
    let last = &failures[failures.len() - 1].1;
    let tries = failures.len();
    if before.iter().all(|(_, message)| message == last) {
        return format!(" after {tries} attempts");
    }
    let named = before.iter().take(FAILURES_NAMED);
    let named: Vec<String> =
        named.map(|(worker, message)| format!("on {worker}: {message}")).collect();
    let more = before.len().saturating_sub(FAILURES_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!(" after {tries} attempts (before: {}{more})", named.join("; "))
}
