//! Enters the stages of a pipeline one after another, through the same door as any program that embeds
//! the engine, and waits only where it must know how often a stage runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mobula_contract::{
    EventBody, Foreach, ForeachOver, InputRef, Pipeline, StageKind, StageRef, StageSpec, Value,
};
use serde_json::Value as Json;

use crate::actor::ActorHandle;
use crate::core::{Event, LeftActor, Need, UnitId};
use crate::engine::{Entry, Session};
use crate::input::Input;
use crate::needs::stage_need;
use crate::plan::{Left, Resume, calls_of, known_count};
use crate::refs::{ObjectRef, ObjectStream, Polled};
use crate::slot::{Slot, Waiter};
use crate::task::retry;

/// Units of one stage over a stream that wait or run, before the stream waits for them.
const STREAM_WINDOW: usize = 64;

/// How far a stage has been entered.
#[derive(Default)]
struct Entered {
    units: Vec<ObjectRef>,
    /// All its units are known and entered.
    whole: bool,
    /// The task that streams, where this stage is one.
    stream: Option<ObjectStream>,
    /// Nobody will read its units from here on.
    dropped: bool,
    /// Units before this one are done.
    done: usize,
}

impl Entered {
    /// Looks how many units from the first are done; gives how many were entered since.
    fn open(&mut self) -> usize {
        while self.units.get(self.done).is_some_and(ObjectRef::is_ready) {
            self.done += 1;
        }
        self.units.len() - self.done
    }
}

pub(crate) struct Driver<'r> {
    session: &'r Session,
    pipeline: &'r Pipeline,
    left: Left,
    kept: BTreeSet<StageRef>,
    total: Need,
    specs: Vec<Arc<StageSpec>>,
    stages: Vec<Entered>,
    index: BTreeMap<&'r str, usize>,
    actors: BTreeMap<&'r str, ActorHandle>,
}

/// Whether something could be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    Yes,
    No,
}

impl<'r> Driver<'r> {
    pub(crate) fn new(
        session: &'r Session,
        pipeline: &'r Pipeline,
        left: Left,
        total: Need,
    ) -> Self {
        let resume = Resume::new(pipeline, &left);
        let names = pipeline.stages.iter().enumerate();
        let mut driver = Self {
            session,
            pipeline,
            left,
            kept: resume.kept,
            total,
            specs: pipeline.stages.iter().map(of_a_call).map(Arc::new).collect(),
            stages: pipeline.stages.iter().map(|_| Entered::default()).collect(),
            index: names.map(|(i, stage)| (stage.name.as_str(), i)).collect(),
            actors: BTreeMap::new(),
        };
        for spec in &pipeline.actors {
            let used = resume.states.get(&spec.name).copied().unwrap_or(0);
            let left = driver.left_actor(&spec.name, used);
            match session.create_actor(spec.clone(), false, left) {
                Ok(handle) => drop(driver.actors.insert(&spec.name, handle)),
                Err(failure) => session.fail(&failure.message),
            }
        }
        driver
    }

    fn left_actor(&self, name: &str, used: usize) -> Option<LeftActor> {
        let calls = calls_of(self.pipeline, &self.left, name);
        let durables = self.left.states.get(name).map_or(&[][..], |all| &all[..used]);
        let ended: Vec<(StageRef, f64)> = calls
            .iter()
            .map_while(|stage| Some((stage.clone(), self.left.finished.get(stage)?.1)))
            .collect();
        if ended.is_empty() && durables.is_empty() {
            return None;
        }
        let begun = self.left.begun.then(|| calls.get(ended.len()).or(calls.last()));
        let under_way = begun.flatten().cloned();
        let restarts = self.left.restarts.get(name).copied().unwrap_or(0);
        let by_user = self.left.by_user;
        Some(LeftActor { durables: durables.to_vec(), restarts, ended, under_way, by_user })
    }

    pub(crate) fn drive(&mut self) {
        while !self.stages.iter().all(|stage| stage.whole) && !self.session.is_over() {
            let mut moved = Moved::No;
            for at in 0..self.stages.len() {
                if !self.stages[at].whole && self.advance(at) == Moved::Yes {
                    moved = Moved::Yes;
                }
            }
            self.let_go();
            if moved == Moved::No {
                self.wait();
            }
        }
        self.let_go();
    }

    /// Enters what can be entered of a stage.
    fn advance(&mut self, at: usize) -> Moved {
        let spec = &self.pipeline.stages[at];
        let is_on_same = |other: &StageSpec| match (&spec.kind, &other.kind) {
            (StageKind::Method { actor, .. }, StageKind::Method { actor: other, .. }) => {
                actor == other
            }
            _ => false,
        };
        let before = &self.pipeline.stages[..at];
        let in_turn = before.iter().zip(&self.stages).all(|(s, e)| e.whole || !is_on_same(s));
        if !in_turn || !spec.inputs.values().all(|input| self.is_known(input)) {
            return Moved::No;
        }
        match &spec.foreach {
            None => {
                for index in 0..known_count(spec).expect("it does not depend on a value") {
                    self.enter(at, index, None);
                }
                self.stages[at].whole = true;
                Moved::Yes
            }
            Some(foreach) => match &foreach.over {
                ForeachOver::List { values } => {
                    let each = values.iter().map(|value| Each::Argument(value.clone()));
                    self.expand(at, each.collect())
                }
                ForeachOver::Field { from } => self.advance_over_field(at, foreach, from),
                ForeachOver::Stream { stage } => self.advance_over_stream(at, stage),
            },
        }
    }

    /// Whether it is known which units an input comes from.
    fn is_known(&self, input: &InputRef) -> bool {
        let entered = &self.stages[self.index[input.stage.as_str()]];
        match input.index {
            Some(index) => entered.whole || (index as usize) < entered.units.len(),
            None => entered.whole,
        }
    }

    fn expand(&mut self, at: usize, each: Vec<Each>) -> Moved {
        let count = u32::try_from(each.len()).unwrap_or(u32::MAX);
        self.say_expanded(at, count, true);
        for (index, each) in (0..).zip(each) {
            self.enter(at, index, Some(each));
        }
        self.stages[at].whole = true;
        Moved::Yes
    }

    fn say_expanded(&self, at: usize, count: u32, whole: bool) {
        let stage = self.pipeline.stages[at].name.clone();
        self.session.shell.keep(EventBody::Expanded { stage, count, whole });
    }

    fn advance_over_field(&mut self, at: usize, foreach: &Foreach, from: &InputRef) -> Moved {
        if !self.is_known(from) {
            return Moved::No;
        }
        let source = match self.source(from) {
            Ok(source) => source,
            Err(why) => return self.give_up(at, &why),
        };
        if !source.is_ready() {
            return Moved::No;
        }
        let object = match source.get() {
            Ok(object) => object,
            // The session ends by itself when a unit fails.
            Err(_) => return Moved::No,
        };
        let (field, rows) = (&from.field, foreach.rows);
        let each = match object.get(field) {
            Some(Value::Json(Json::Array(values))) => {
                values.iter().map(|value| Each::Argument(value.clone())).collect()
            }
            Some(Value::Tensor(tensor)) => {
                let starts = (0..tensor.rows()).step_by(usize::try_from(rows).unwrap_or(1));
                let part = |start| {
                    let count = rows.min(tensor.rows() - start);
                    let (from, field) = (source.unit(), field.clone());
                    Each::Rows(Input::Rows { from, field, start, count })
                };
                starts.map(part).collect()
            }
            Some(other) => {
                let why = format!("`{field}` is {}, neither a list nor a tensor", other.kind());
                return self.give_up(at, &why);
            }
            None => return self.give_up(at, &format!("the object has no field `{field}`")),
        };
        self.expand(at, each)
    }

    fn advance_over_stream(&mut self, at: usize, stream: &str) -> Moved {
        let from = self.index[stream];
        let entered = &self.stages[from];
        // Everything of an earlier process is kept: its stream need not run again.
        let name = &self.pipeline.stages[at].name;
        if let Some((count, true)) = self.left.expanded.get(name).copied()
            && entered.units.len() == 1
            && entered.stream.is_none()
        {
            for index in 0..count {
                self.enter(at, index, None);
            }
            self.stages[at].whole = true;
            return Moved::Yes;
        }
        if self.stages[at].open() >= STREAM_WINDOW {
            return Moved::No;
        }
        let Some(stream) = &self.stages[from].stream else { return Moved::No };
        let count = u32::try_from(self.stages[at].units.len()).unwrap_or(u32::MAX);
        match stream.poll() {
            Polled::Item(item) => {
                self.say_expanded(at, count + 1, false);
                self.enter(at, count, Some(Each::Item(item)));
                Moved::Yes
            }
            Polled::End(Ok(())) => {
                self.say_expanded(at, count, true);
                self.stages[at].whole = true;
                Moved::Yes
            }
            Polled::End(Err(_)) | Polled::Nothing => Moved::No,
        }
    }

    fn give_up(&mut self, at: usize, why: &str) -> Moved {
        let name = &self.pipeline.stages[at].name;
        self.session.fail(&format!("`foreach` of stage {name}: {why}"));
        self.stages[at].whole = true;
        Moved::Yes
    }

    /// The unit that a reference means.
    fn source(&self, input: &InputRef) -> Result<ObjectRef, String> {
        let units = &self.stages[self.index[input.stage.as_str()]].units;
        let unit = match input.index {
            Some(index) => units.get(index as usize),
            None => units.last(),
        };
        unit.cloned().ok_or_else(|| {
            let (stage, there) = (&input.stage, units.len());
            let index = input.index.unwrap_or(0);
            format!("there is no {stage}[{index}]: the stage ran {there} times")
        })
    }

    /// `item` is the object of the stream that the stage runs for: what is read of the stream's stage is
    /// read of it.
    fn inputs(
        &self,
        spec: &StageSpec,
        item: Option<UnitId>,
    ) -> Result<Vec<(String, Input)>, String> {
        let inputs = spec.inputs.iter().map(|(name, source)| {
            let (stage, field) = (self.index[source.stage.as_str()], source.field.clone());
            if let Some(from) = item.filter(|_| streams_from(spec) == Some(&source.stage)) {
                return Ok((name.clone(), Input::Field { from, field }));
            }
            let all = self.pipeline.stages[stage].foreach.is_some() && source.index.is_none();
            let input = if all {
                let from = self.stages[stage].units.iter().map(ObjectRef::unit).collect();
                Input::Joined { from, field }
            } else {
                Input::Field { from: self.source(source)?.unit(), field }
            };
            Ok((name.clone(), input))
        });
        inputs.collect()
    }

    fn enter(&mut self, at: usize, index: u32, each: Option<Each>) {
        let spec = &self.pipeline.stages[at];
        let item = match &each {
            Some(Each::Item(item)) => Some(item.unit()),
            _ => None,
        };
        let mut inputs = match self.inputs(spec, item) {
            Ok(inputs) => inputs,
            Err(why) => return self.session.fail(&format!("stage {}: {why}", spec.name)),
        };
        let mut own = Arc::clone(&self.specs[at]);
        let mut streamed = None;
        let name = spec.foreach.as_ref().map_or("", |foreach| foreach.name.as_str());
        match each {
            Some(Each::Argument(value)) => {
                Arc::make_mut(&mut own).args.insert(name.to_owned(), value);
            }
            Some(Each::Rows(input)) => inputs.push((name.to_owned(), input)),
            Some(Each::Item(item)) => {
                let named = spec.inputs.values().any(|i| streams_from(spec) == Some(&i.stage));
                if !named {
                    inputs.push((String::new(), Input::All { from: item.unit() }));
                }
                // It is held until the call has been entered.
                streamed = Some(item);
            }
            None => {}
        }
        let stage = StageRef { name: spec.name.clone(), index, repeated: spec.is_repeated() };
        let streams = self.pipeline.stages.iter().any(|o| streams_from(o) == Some(&spec.name));
        let done = self.kept.contains(&stage).then(|| self.left.finished.remove(&stage));
        let done = done.map(Option::unwrap_or_default);
        let unit = UnitId(self.session.inner.new_id());
        let done = done.map(|(object, runtime_s)| {
            // Where there is no memory for it, it is made again when somebody reads it.
            let insert = |object| self.session.inner.objects.insert(unit, object).is_ok();
            (object.is_some_and(insert), runtime_s)
        });
        let slot = Arc::new(Slot::default());
        let streaming = streams && done.is_none();
        let work = self.session.work(stage, own, inputs, streaming, &slot);
        let (actor, limits) = match &spec.kind {
            StageKind::Task { .. } => (None, &spec.limits),
            StageKind::Method { actor, .. } => {
                let handle = self.actors.get(actor.as_str());
                let own = &self.pipeline.actor(actor).expect("a checked pipeline").limits;
                (handle.map(ActorHandle::id), own)
            }
        };
        let need = stage_need(spec, self.pipeline, self.total);
        let entered = self.session.enter(
            Entry { unit, work, actor, need, given: false },
            retry(limits),
            done,
        );
        drop(streamed);
        if streaming {
            self.stages[at].stream = Some(ObjectStream::new(entered.clone()));
        }
        self.stages[at].units.push(entered);
    }

    /// Gives up what is only held for stages that have been entered.
    fn let_go(&mut self) {
        let names: BTreeSet<&str> = self
            .pipeline
            .stages
            .iter()
            .zip(&self.stages)
            .filter(|(_, entered)| !entered.whole)
            .flat_map(|(stage, _)| sources_of(stage))
            .collect();
        for (stage, entered) in self.pipeline.stages.iter().zip(&mut self.stages) {
            let read = self
                .pipeline
                .stages
                .iter()
                .any(|other| sources_of(other).any(|source| source == stage.name));
            if entered.whole && read && !entered.dropped && !names.contains(stage.name.as_str()) {
                entered.units.clear();
                entered.dropped = true;
            }
        }
        let open = |name: &str| {
            let stages = self.pipeline.stages.iter().zip(&self.stages);
            stages.filter(|(_, entered)| !entered.whole).any(|(stage, _)| {
                matches!(&stage.kind, StageKind::Method { actor, .. } if actor == name)
            })
        };
        let done: Vec<&str> = self.actors.keys().copied().filter(|name| !open(name)).collect();
        for name in done {
            self.actors.remove(name);
        }
    }

    /// Waits until a source of some `foreach` is there, or a stream has more, or its window opens.
    fn wait(&self) {
        let waiter = Arc::new(Waiter::default());
        let mut watched: Vec<&ObjectRef> = Vec::new();
        for (stage, entered) in self.pipeline.stages.iter().zip(&self.stages) {
            let Some(foreach) = stage.foreach.as_ref().filter(|_| !entered.whole) else { continue };
            let sources: Vec<&ObjectRef> = match &foreach.over {
                ForeachOver::List { .. } => Vec::new(),
                ForeachOver::Field { from } => {
                    self.stages[self.index[from.stage.as_str()]].units.iter().collect()
                }
                ForeachOver::Stream { stage } => {
                    let stream = self.stages[self.index[stage.as_str()]].units.first();
                    entered.units.get(entered.done).into_iter().chain(stream).collect()
                }
            };
            watched.extend(sources.into_iter().filter(|source| !source.is_ready()));
        }
        let mut any = false;
        for object in &watched {
            if !object.slot().watch(&waiter) {
                waiter.wake();
            }
            any = true;
        }
        // A failed source ends the session; its end is looked at now and then.
        let longest = std::time::Duration::from_millis(if any { 1000 } else { 5 });
        waiter.wait(std::time::Instant::now().checked_add(longest));
        watched.iter().for_each(|object| object.slot().unwatch(&waiter));
    }

    /// References to what nobody in the pipeline reads.
    pub(crate) fn results(&self) -> Vec<(StageRef, ObjectRef)> {
        let stages = self.pipeline.stages.iter().zip(&self.stages);
        let all = stages.flat_map(|(stage, entered)| {
            entered.units.iter().zip(0..).map(|(object, index)| {
                let (name, repeated) = (stage.name.clone(), stage.is_repeated());
                (StageRef { name, index, repeated }, object.clone())
            })
        });
        all.collect()
    }
}

/// What one unit of a stage with `foreach` gets of its own.
enum Each {
    Argument(Json),
    Rows(Input),
    Item(ObjectRef),
}

/// A stage as its calls have it: each would have a copy of the whole list that it runs over.
fn of_a_call(stage: &StageSpec) -> StageSpec {
    StageSpec { foreach: None, ..stage.clone() }
}

/// The stage whose stream a stage runs over.
fn streams_from(stage: &StageSpec) -> Option<&String> {
    match stage.foreach.as_ref().map(|foreach| &foreach.over) {
        Some(ForeachOver::Stream { stage }) => Some(stage),
        _ => None,
    }
}

fn sources_of(stage: &StageSpec) -> impl Iterator<Item = &str> {
    let over = stage.foreach.as_ref().and_then(|foreach| match &foreach.over {
        ForeachOver::List { .. } => None,
        ForeachOver::Field { from } => Some(from.stage.as_str()),
        ForeachOver::Stream { stage } => Some(stage.as_str()),
    });
    stage.inputs.values().map(|input| input.stage.as_str()).chain(over)
}

impl Session {
    fn fail(&self, why: &str) {
        let event = Event::SessionFailed(self.shell.id, why.to_owned());
        self.inner.step(event);
    }
}
