//! Both sides in turn, round after round: while one is measured, the other is stopped.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Effort;
use super::figure::{Aim, Figure, Found};
use super::place::{Place, version};
use crate::peers::child::Child;
use crate::run::say;

/// How long a side does nothing before it is looked at.
const IDLE: Duration = Duration::from_secs(5);
/// Rounds of a queue of tasks, and of how many tasks at most in all rounds of Ray: it needs a millisecond
/// for each.
const QUEUE_ROUNDS: usize = 3;
const RAY_QUEUED: usize = 30_000;
/// A queue of the last length may slow its tasks so much, against one of the first.
const SLOWDOWN: Aim = Aim::AtMost(2.0);
const MB: f64 = 1e6;

/// What both are asked for.
struct Request {
    what: &'static str,
    name: &'static str,
    /// Calls of a round, and of one before that does not count.
    count: usize,
    warm_up: usize,
    aim: Aim,
}

const REQUESTS: [Request; 5] = [
    Request {
        what: "no-op task, submit to result, one at a time (µs)",
        name: "task_us",
        count: 1000,
        warm_up: 200,
        aim: Aim::AtMost(60.0),
    },
    Request {
        what: "no-op tasks per second",
        name: "tasks_per_s",
        count: 5000,
        warm_up: 1000,
        aim: Aim::AtLeast(25_000.0),
    },
    Request {
        what: "actor call, round trip (µs)",
        name: "actor_us",
        count: 1000,
        warm_up: 200,
        aim: Aim::AtMost(20.0),
    },
    Request {
        what: "actor calls per second",
        name: "actor_calls_per_s",
        count: 5000,
        warm_up: 1000,
        aim: Aim::AtLeast(200_000.0),
    },
    Request {
        what: "150 MB object to a task that returns 5,000 shuffled rows (ms)",
        name: "hand_off_ms",
        count: 3,
        warm_up: 3,
        aim: Aim::AtMost(6.0),
    },
];

/// What only we are asked for: Ray has no sandbox that could cost something.
const INTERRUPTION: [Request; 2] = [
    Request {
        what: "cost of interruption, running-stats (%)",
        name: "interruption_actor_percent",
        count: 20,
        warm_up: 1,
        aim: Aim::AtMost(6.0),
    },
    Request {
        what: "cost of interruption, augment (%)",
        name: "interruption_task_percent",
        count: 20,
        warm_up: 1,
        aim: Aim::AtMost(6.0),
    },
];

pub(super) struct Sides {
    pub(super) versions: String,
    ours: Child,
    ray: Option<Child>,
    /// Why there is no Ray.
    failure: Option<String>,
}

impl Sides {
    /// Ours finds its plugins compiled, as any start but the first does. `failure` says why Ray cannot be
    /// run, if that is known already.
    pub(super) fn start(place: &Place, failure: Option<String>) -> Result<Self> {
        let _ = fs::remove_dir_all(place.work.join("cache"));
        place.ours()?.ask(&request("task_us", 1))?;
        let ray = if failure.is_none() { Some(place.ray()?) } else { None };
        let ours = place.ours()?;
        let mut sides = Self { versions: version(), ours, ray, failure };
        if let Some(described) = sides.ask_ray(|ray| ray.ask(&json!({ "do": "describe" }))) {
            let versions = described["versions"].as_str().context("no `versions` of Ray")?;
            sides.versions = format!("{}; {versions}", sides.versions);
        }
        Ok(sides)
    }

    /// The memory of a side that has done a little and does nothing: ours with two plugins, Ray with all
    /// of its processes.
    pub(super) fn memory(&mut self) -> Result<Figure> {
        let memory = |side: &mut Child| {
            side.ask(&request("tasks_per_s", 100))?;
            side.rest(IDLE)?;
            let (bytes, processes) = side.memory().context("the system does not tell")?;
            Ok((bytes as f64 / MB, processes))
        };
        let (mut ours, mut ray) = (Found::default(), Found::default());
        ours.push(memory(&mut self.ours)?.0, 0.0);
        let mut what = "idle memory (MB)".to_owned();
        if let Some((value, processes)) = self.ask_ray(memory) {
            ray.push(value, 0.0);
            what = format!("idle memory, Ray in {processes} processes (MB)");
        }
        let aim = Aim::AtMost(40.0);
        Ok(Figure { what, name: "idle_mb".to_owned(), aim, ours, ray })
    }

    /// Tasks, calls and objects.
    pub(super) fn calls(&mut self, effort: Effort) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for asked in REQUESTS {
            let Request { what, name, count, warm_up, aim } = asked;
            say(what);
            let what = what.to_owned();
            let (ours, ray) = self.both(name, count, warm_up, [effort.rounds; 2])?;
            figures.push(Figure { what, name: name.to_owned(), aim, ours, ray });
        }
        Ok(figures)
    }

    /// Tasks per second while very many wait, and how much slower the longest queue is than the shortest.
    pub(super) fn queues(&mut self, effort: Effort) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for waiting in effort.queues {
            let rounds = effort.rounds.min(QUEUE_ROUNDS);
            let ray_rounds = (RAY_QUEUED / waiting).clamp(1, rounds);
            let what = format!("no-op tasks per second of {waiting} that wait");
            say(&what);
            let name = format!("tasks_per_s_of_{waiting}");
            let (ours, ray) = self.both("tasks_per_s", *waiting, 100, [rounds, ray_rounds])?;
            figures.push(Figure { what, name, aim: Aim::Much, ours, ray });
        }
        let slowdown = |side: fn(&Figure) -> &Found| {
            let rate = |figure: Option<&Figure>| side(figure?).median();
            let slowdown = rate(figures.first()).zip(rate(figures.last()));
            let mut found = Found::default();
            found.values.extend(slowdown.map(|(first, last)| first / last));
            found
        };
        let (ours, ray) = (slowdown(|figure| &figure.ours), slowdown(|figure| &figure.ray));
        let what = "slowdown from the shortest of these queues to the longest (times)".to_owned();
        figures.push(Figure { what, name: "slowdown".to_owned(), aim: SLOWDOWN, ours, ray });
        Ok(figures)
    }

    /// Ours alone.
    pub(super) fn interruption(&mut self, effort: Effort) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for asked in INTERRUPTION {
            let Request { what, name, count, warm_up, aim } = asked;
            say(what);
            self.ours.ask(&request(name, warm_up))?;
            let mut ours = Found::default();
            for _ in 0..effort.rounds {
                let (value, foreign) = value(&mut self.ours, &request(name, count))?;
                ours.push(value, foreign);
            }
            let (what, name) = (what.to_owned(), name.to_owned());
            figures.push(Figure { what, name, aim, ours, ray: Found::default() });
        }
        Ok(figures)
    }

    /// Ends Ray; says why it had ended before.
    pub(super) fn end_ray(&mut self) -> Option<String> {
        self.ray = None;
        self.failure.take()
    }

    /// Ours, then Ray, and again, each as often as is said.
    fn both(
        &mut self,
        name: &str,
        count: usize,
        warm_up: usize,
        rounds: [usize; 2],
    ) -> Result<(Found, Found)> {
        let warm_up = request(name, warm_up);
        self.ours.ask(&warm_up)?;
        self.ask_ray(|ray| ray.ask(&warm_up));
        let asked = request(name, count);
        let (mut ours, mut ray) = (Found::default(), Found::default());
        for round in 0..rounds[0].max(rounds[1]) {
            if round < rounds[0] {
                let (value, foreign) = value(&mut self.ours, &asked)?;
                ours.push(value, foreign);
            }
            if round < rounds[1]
                && let Some((value, foreign)) = self.ask_ray(|ray| value(ray, &asked))
            {
                ray.push(value, foreign);
            }
        }
        Ok((ours, ray))
    }

    /// Ray may be impossible here, or fail; we may not.
    fn ask_ray<T>(&mut self, ask: impl FnOnce(&mut Child) -> Result<T>) -> Option<T> {
        match ask(self.ray.as_mut()?) {
            Ok(answer) => Some(answer),
            Err(e) => {
                say(&format!("  Ray is left out: {e:#}"));
                self.failure = Some(format!("{e:#}"));
                self.ray = None;
                None
            }
        }
    }
}

pub(super) fn request(name: &str, count: usize) -> Value {
    json!({ "do": name, "count": count })
}

/// A figure, and the cores that others used meanwhile.
fn value(side: &mut Child, request: &Value) -> Result<(f64, f64)> {
    let timed = side.time(request)?;
    let value = timed.answer["value"].as_f64().context("no `value` in an answer")?;
    Ok((value, timed.foreign))
}
