//! What the soak does in one session, and what must come of each thing: a value, or a kind of failure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mobula_contract::{Failure, FailureKind, Object};
use mobula_engine::{Fault, FaultKind, ObjectRef, ObjectStream, Session, Task};
use serde_json::{Value as Json, json};

use crate::guests::{Dice, found, images, numbers};

/// Longer than anything may take that is not a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Rows of the tensor that is handed on, and bytes of each.
const ROWS: u32 = 512;
const ROW_BYTES: usize = 4096;
/// Memory of guests that try to have more.
const GUEST_BYTES: u64 = 4 << 20;

/// What an object must be.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Nothing,
    Found(String),
    /// So many different images of the first that were numbered.
    Images(usize),
}

/// What must come of something.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    object: Option<What>,
    failures: Vec<(FailureKind, &'static str)>,
}

impl Wanted {
    fn object(what: What) -> Self {
        Self { object: Some(what), failures: Vec::new() }
    }

    fn found(text: impl fmt::Display) -> Self {
        Self::object(What::Found(text.to_string()))
    }

    fn fails(kind: FailureKind, words: &'static str) -> Self {
        Self { object: None, failures: vec![(kind, words)] }
    }

    fn or(mut self, kind: FailureKind, words: &'static str) -> Self {
        self.failures.push((kind, words));
        self
    }
}

/// Something under way.
pub(crate) struct Act {
    name: String,
    under_way: UnderWay,
}

enum UnderWay {
    Object(ObjectRef, Wanted),
    /// A stream of so many, and how many of them are read.
    Stream(ObjectStream, u64, u64),
}

impl Act {
    /// Cancels what never ends by itself.
    pub(crate) fn stop(&self) {
        if let UnderWay::Object(object, wanted) = &self.under_way
            && wanted.object.is_none()
            && wanted.failures.iter().all(|(_, words)| *words == CANCELLED)
        {
            object.cancel();
        }
    }

    /// Waits for the end, and says what is wrong with it. After a session that was dropped, what had not
    /// ended was cancelled, or not tried again.
    pub(crate) fn check(self, dropped: bool) -> Result<(), String> {
        let Self { name, under_way } = self;
        let wrong = |what: String| format!("{name}: {what}");
        match under_way {
            UnderWay::Object(object, wanted) => {
                let result =
                    object.get_timeout(PATIENCE).ok_or_else(|| wrong("a hang".to_owned()))?;
                judge(result, &wanted, dropped).map_err(wrong)
            }
            UnderWay::Stream(stream, count, read) => {
                read_stream(stream, count, read, dropped).map_err(wrong)
            }
        }
    }
}

fn judge(
    result: Result<Arc<Object>, Failure>,
    wanted: &Wanted,
    dropped: bool,
) -> Result<(), String> {
    match (&result, &wanted.object) {
        (Err(failure), _) => {
            let as_wanted = |(kind, words): &(FailureKind, &str)| {
                failure.kind == *kind && failure.message.contains(words)
            };
            let lost = [FailureKind::Cancelled, FailureKind::Trap, FailureKind::WorkerLost];
            let stopped = dropped && lost.contains(&failure.kind);
            (stopped || wanted.failures.iter().any(as_wanted))
                .then_some(())
                .ok_or_else(|| format!("{failure:?}, wanted {wanted:?}"))
        }
        (Ok(object), Some(What::Nothing)) if object.fields.is_empty() => Ok(()),
        (Ok(object), Some(What::Found(text))) if found(object).starts_with(text) => Ok(()),
        (Ok(object), Some(What::Images(count))) => {
            let mut numbers = numbers(object)?;
            numbers.sort_unstable();
            numbers.dedup();
            let known = numbers.last().is_none_or(|number| *number < ROWS);
            (known && numbers.len() == *count)
                .then_some(())
                .ok_or_else(|| format!("{} images, wanted {count}", numbers.len()))
        }
        _ => Err(format!("{result:?}, wanted {wanted:?}")),
    }
}

fn read_stream(
    mut stream: ObjectStream,
    count: u64,
    read: u64,
    dropped: bool,
) -> Result<(), String> {
    for index in 0..read {
        let item = match stream.next() {
            Some(Ok(item)) => item,
            Some(Err(failure)) if dropped => return judge(Err(failure), &Wanted::default(), true),
            other => return Err(format!("{other:?} in place of object {index} of {count}")),
        };
        match item.get_timeout(PATIENCE).ok_or("a hang in a stream")? {
            Ok(object) => {
                let rows = object.tensor("rows").ok_or("no rows")?;
                let there = object.get("index").map(|index| format!("{index:?}"));
                let right = there.is_some_and(|there| there.contains(&index.to_string()));
                if !right || rows.bytes() != [7; 1024] {
                    return Err(format!("{object:?} in place of object {index}"));
                }
            }
            Err(failure) => return judge(Err(failure), &Wanted::default(), dropped),
        }
    }
    if read < count {
        return Ok(());
    }
    match stream.next() {
        None => {}
        Some(Err(failure)) => return judge(Err(failure), &Wanted::default(), dropped),
        Some(Ok(_)) => return Err(format!("more than {count} objects")),
    }
    let whole = stream.returned().get_timeout(PATIENCE).ok_or("a hang at the end of a stream")?;
    judge(whole, &Wanted::found("all"), dropped)
}

const CANCELLED: &str = "was cancelled";

/// Names the acts of a session, and makes the failures that its configuration asked for.
pub(crate) struct Script<'a> {
    session: &'a Session,
    dice: &'a mut Dice,
    acts: Vec<Act>,
    actors: usize,
}

/// How many acts of a session have a fault planned for them: it has to be said before they begin.
const PLANNED: u64 = 400;

/// Faults for some of the acts of a session.
pub(crate) fn faults(dice: &mut Dice) -> Vec<Fault> {
    let kinds = [FaultKind::Trap, FaultKind::WorkerCrash, FaultKind::ActorCrash];
    let share = 1 + dice.below(12);
    let planned = (0..PLANNED).filter(|_| dice.below(share + 3) == 0).collect::<Vec<_>>();
    let fault = |number| Fault {
        stage: format!("act-{number}"),
        index: 0,
        kind: dice.pick(&kinds),
        at: dice.pick(&[0.0, 1.0]),
    };
    planned.into_iter().map(fault).collect()
}

impl<'a> Script<'a> {
    pub(crate) fn new(session: &'a Session, dice: &'a mut Dice) -> Self {
        Self { session, dice, acts: Vec::new(), actors: 0 }
    }

    pub(crate) fn acts(self) -> Vec<Act> {
        self.acts
    }

    fn name(&self) -> String {
        format!("act-{}", self.acts.len())
    }

    fn enter(&mut self, task: Task<'_>, wanted: Wanted) -> Result<ObjectRef, Failure> {
        let name = self.name();
        let object = task.named(&name).submit()?;
        self.acts.push(Act { name, under_way: UnderWay::Object(object.clone(), wanted) });
        Ok(object)
    }

    /// One thing by chance.
    pub(crate) fn act(&mut self) -> Result<(), Failure> {
        match self.dice.below(20) {
            0..5 => self.good(),
            5..11 => self.bad(),
            11..13 => self.endless(),
            13..16 => self.stream(),
            16..18 => self.tensors(),
            _ => self.actor(),
        }
    }

    fn hostile(&self, task: &str, args: Json) -> Task<'a> {
        self.session.task(&format!("hostile/{task}")).args(args)
    }

    fn good(&mut self) -> Result<(), Failure> {
        let (task, args, what) = match self.dice.below(5) {
            0 => ("talks", json!({ "amount": 3000 }), What::Nothing),
            1 => ("reports", json!({ "amount": 3000 }), What::Nothing),
            2 => ("grows_memory", json!({ "amount": 1 }), What::Found("grown".to_owned())),
            3 => ("sleeps", json!({}), What::Found("slept 3600".to_owned())),
            _ => ("nothing", json!({}), What::Nothing),
        };
        let task = self.hostile(task, args);
        self.enter(task, Wanted::object(what)).map(drop)
    }

    fn bad(&mut self) -> Result<(), Failure> {
        use FailureKind::{Cancelled, Denied, Failed, Invalid, OutOfBounds, Quota, Trap};
        let amount = |amount: u64| json!({ "amount": amount });
        let kind = |kind: &str| json!({ "kind": kind });
        let (task, args, failure, words) = match self.dice.below(16) {
            0 => ("fail", kind("invalid"), Invalid, "as invalid asked"),
            1 => ("fail", kind("out-of-bounds"), OutOfBounds, "as out-of-bounds asked"),
            2 => ("fail", kind("quota"), Quota, "as quota asked"),
            3 => ("fail", kind("denied"), Denied, "as denied asked"),
            4 => ("fail", kind("cancelled"), Cancelled, "cancelled"),
            5 => ("fail", kind("failed"), Failed, "as failed asked"),
            6 => ("panics", amount(3), Trap, "the bottom is reached"),
            7 => ("overflows", json!({}), Trap, "stack"),
            8 => ("eats_memory", amount(2 * GUEST_BYTES), Quota, "limit memory (4 MiB)"),
            9 => ("grows_memory", amount(65_000), Quota, "limit memory (4 MiB)"),
            10 => ("large_tensor", amount(1 << 40), Quota, "limit tensor bytes"),
            11 => ("returns_fields", amount(1025), Quota, "limit fields (1024)"),
            12 => ("fails_long", amount(1 << 16), Failed, "no"),
            13 => ("nosuch", json!({}), Invalid, "has no task `nosuch`"),
            14 => ("many_handles", amount(5000), Quota, "limit handles (4096)"),
            _ => ("loops", json!({}), Quota, "limit time (0.03 s)"),
        };
        let mut call = self.hostile(task, args).memory(GUEST_BYTES).max_retries(2);
        if task == "loops" {
            call = call.timeout_s(0.03);
        }
        if task == "many_handles" {
            let small = self.session.put(images(3, 8))?;
            call = call.input("images", small.field("images"));
        }
        self.enter(call, Wanted::fails(failure, words).or(Quota, "limit stack")).map(drop)
    }

    /// Without a fault, so that the one failure is that it was cancelled.
    fn endless(&mut self) -> Result<(), Failure> {
        let object =
            self.hostile("loops", json!({})).named("endless").timeout_s(3600.0).submit()?;
        let wanted = Wanted::fails(FailureKind::Cancelled, CANCELLED);
        self.acts
            .push(Act { name: "endless".to_owned(), under_way: UnderWay::Object(object, wanted) });
        Ok(())
    }

    fn stream(&mut self) -> Result<(), Failure> {
        let count = self.dice.below(30);
        let read = self.dice.pick(&[count, count, count / 2, 0]);
        let name = self.name();
        let task = self.hostile("emits", json!({ "amount": count })).named(&name);
        let stream = task.stream()?;
        let name = format!("{name} (a stream)");
        self.acts.push(Act { name, under_way: UnderWay::Stream(stream, count, read) });
        Ok(())
    }

    /// Tensors that are handed on: rows of rows, views, and some put together again.
    fn tensors(&mut self) -> Result<(), Failure> {
        let whole = self.session.put(images(ROWS, ROW_BYTES))?;
        let subset = |size: u32| self.session.task("subset/subset").args(json!({ "size": size }));
        let images = |count| Wanted::object(What::Images(count));
        let half = whole.field("images").rows(0..u64::from(ROWS / 2));
        let calls = [
            (subset(256).inputs_of(&whole), images(256)),
            (subset(100).input("images", half), images(100)),
            (subset(ROWS).inputs_of(&whole), images(ROWS as usize)),
        ];
        let mut taken = Vec::new();
        for (call, wanted) in calls {
            taken.push(self.enter(call, wanted)?);
        }
        let again = self.session.task("subset/subset").args(json!({ "size": 200 }));
        self.enter(again.clone().inputs_of(&taken[0]), images(200))?;
        let both = [whole.field("images"), taken[1].field("images")];
        let joined = self.session.task("subset/subset").args(json!({ "size": ROWS + 100 }));
        self.enter(joined.joined("images", &both), images(ROWS as usize))?;
        let beyond = Wanted::fails(FailureKind::Invalid, "size 200 of only 100 rows");
        self.enter(again.inputs_of(&taken[1]), beyond).map(drop)
    }

    fn actor(&mut self) -> Result<(), Failure> {
        let fate = self.dice.pick(&["steady", "steady", "doomed", "killed"]);
        let restarts = if fate == "doomed" { self.dice.pick(&[0, 2]) } else { 100 };
        self.actors += 1;
        let name = format!("{fate}-{}", self.actors);
        let start = self.dice.below(1000);
        let actor = self.session.actor(&name).plugin("hostile/Counter");
        let actor = actor.args(json!({ "amount": start })).max_restarts(restarts).create()?;
        let mut sum = start;
        let ended = |wanted: Wanted| {
            let wanted = wanted.or(FailureKind::Invalid, "was ended");
            let wanted = wanted.or(FailureKind::Trap, "injected");
            wanted.or(FailureKind::Cancelled, CANCELLED).or(FailureKind::WorkerLost, "")
        };
        for _ in 0..self.dice.below(20) {
            let amount = self.dice.below(100);
            sum += amount;
            let add = actor.method(self.session, "add").args(json!({ "amount": amount }));
            let wanted = Wanted::found(sum);
            match fate {
                "killed" => self.enter(add, ended(wanted))?,
                // More faults than restarts are the end.
                "doomed" => self.enter(add, gone(wanted))?,
                _ => self.enter(add, wanted)?,
            };
        }
        if fate == "killed" {
            self.session.kill_actor(&name);
        }
        if fate == "doomed" {
            let traps = actor.method(self.session, "traps");
            self.enter(traps, gone(Wanted::default()))?;
            let add = actor.method(self.session, "add").args(json!({ "amount": 1 }));
            self.enter(add, gone(Wanted::default()))?;
        }
        Ok(())
    }
}

/// By its own fault, or because its actor is over.
fn gone(wanted: Wanted) -> Wanted {
    let wanted = wanted.or(FailureKind::Trap, "").or(FailureKind::WorkerLost, "");
    wanted.or(FailureKind::Invalid, "no such actor")
}
