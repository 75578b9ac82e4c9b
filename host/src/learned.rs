//! What the controller learned, as the store keeps it between runs: JSON with names that stay.

use mobula_adaptive::{Learned, LearnedRate, LearnedSubject, RATES, SubjectKind};
use mobula_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Raised when the meaning of a field changes: what is of another version is not used.
const VERSION: u32 = 1;

/// Under which name the store keeps it: one document for a pipeline, with all its stages and actors.
const SUBJECT: &str = "controller";

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// Milliseconds since 1970 when it was learned.
    at_ms: u64,
    belief: Vec<f64>,
    up_s: f64,
    failures: f64,
    threshold: f64,
    subjects: Vec<KeptSubject>,
}

#[derive(Serialize, Deserialize)]
struct KeptSubject {
    name: String,
    actor: bool,
    unit_s: Option<f64>,
    blocking_s: Option<f64>,
    background_s: Option<f64>,
    durable_s: Option<f64>,
    restore_s: Option<f64>,
    slowdown: Option<f64>,
    bytes: Option<f64>,
    factor: f64,
    asked: f64,
    reused: f64,
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// What earlier runs of a pipeline learned, if anything.
pub(crate) fn recall(store: &Store, pipeline: &str) -> Result<Option<Json>, StoreError> {
    let kept = store.learned_of(pipeline, SUBJECT)?;
    Ok(kept
        .and_then(|kept| serde_json::from_str(&kept.body).ok())
        .filter(|kept| read(kept).is_some()))
}

/// Keeps it for the next run.
pub(crate) fn keep(store: &Store, pipeline: &str, learned: &Json) -> Result<(), StoreError> {
    store.keep_learned(pipeline, &[(SUBJECT, &learned.to_string())])
}

/// As it is kept.
pub(crate) fn write(learned: &Learned) -> Json {
    let subject = |subject: &LearnedSubject| KeptSubject {
        name: subject.name.clone(),
        actor: subject.kind == SubjectKind::State,
        unit_s: subject.unit_s,
        blocking_s: subject.blocking_s,
        background_s: subject.background_s,
        durable_s: subject.durable_s,
        restore_s: subject.restore_s,
        slowdown: subject.slowdown,
        bytes: subject.bytes,
        factor: subject.factor,
        asked: subject.asked,
        reused: subject.reused,
    };
    let kept = Kept {
        version: VERSION,
        at_ms: now_ms(),
        belief: learned.rate.belief.to_vec(),
        up_s: learned.rate.up_s,
        failures: learned.rate.failures,
        threshold: learned.threshold,
        subjects: learned.subjects.iter().map(subject).collect(),
    };
    serde_json::to_value(kept).expect("plain numbers become JSON")
}

/// As the controller takes it; nothing where it is of another version or damaged.
pub(crate) fn read(kept: &Json) -> Option<Learned> {
    let kept: Kept = serde_json::from_value(kept.clone()).ok()?;
    if kept.version != VERSION {
        return None;
    }
    let belief: [f64; RATES] = kept.belief.try_into().ok()?;
    let subject = |subject: KeptSubject| LearnedSubject {
        name: subject.name,
        kind: if subject.actor { SubjectKind::State } else { SubjectKind::Output },
        unit_s: subject.unit_s,
        blocking_s: subject.blocking_s,
        background_s: subject.background_s,
        durable_s: subject.durable_s,
        restore_s: subject.restore_s,
        slowdown: subject.slowdown,
        bytes: subject.bytes,
        factor: subject.factor,
        asked: subject.asked,
        reused: subject.reused,
    };
    #[expect(clippy::cast_precision_loss, reason = "an age in milliseconds")]
    let age_s = now_ms().saturating_sub(kept.at_ms) as f64 / 1e3;
    Some(Learned {
        age_s,
        rate: LearnedRate { belief, up_s: kept.up_s, failures: kept.failures },
        threshold: kept.threshold,
        subjects: kept.subjects.into_iter().map(subject).collect(),
    })
}
