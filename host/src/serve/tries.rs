//! A task of a plugin on a sample, before it is enabled: in an engine of its own, with little of everything.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mobula_contract::{
    CheckpointId, DType, EventBody, Failure, FailureKind, RunEvent, Tensor, Value,
};
use mobula_engine::{Journal, Save, SessionConfig};
use mobula_server::documents as doc;
use mobula_server::{Answer, Caller, Refusal, Why};

use super::objects::{first_rows, note};
use super::refuse::refusal;
use super::{HostHouse, lock};
use crate::embed::engine_over;
use crate::stages::HostStages;

/// Seconds that a sample may take.
const TIME_MAX: Duration = Duration::from_secs(20);
/// Bytes of its tensors.
const SAMPLE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of objects and guest beside the process itself.
const MEMORY_BYTES: u64 = 256 << 20;
/// Rows that are shown of each output.
const ROWS: usize = 5;
/// Lines that are shown.
const LINES_MAX: usize = 200;

/// Keeps what a task says.
struct Lines(Arc<Mutex<Vec<doc::TriedLog>>>);

impl Journal for Lines {
    fn record(&mut self, events: &[RunEvent]) -> Result<(), Failure> {
        let mut lines = lock(&self.0);
        for event in events {
            if let EventBody::Log { level, message, .. } = &event.body
                && lines.len() < LINES_MAX
            {
                lines.push(doc::TriedLog { level: *level, message: message.clone() });
            }
        }
        Ok(())
    }

    fn save(&mut self, _save: Save<'_>) -> Result<String, Failure> {
        Err(Failure::new(FailureKind::Invalid, "a sample keeps nothing"))
    }

    fn load(&mut self, _id: &CheckpointId) -> Result<Vec<u8>, Failure> {
        Err(Failure::new(FailureKind::Invalid, "a sample keeps nothing"))
    }
}

impl HostHouse {
    pub(super) fn try_sample(
        &self,
        caller: &Caller,
        name: &str,
        version: &str,
        sample: &doc::Try,
    ) -> Answer<doc::Tried> {
        self.is_going()?;
        let tenant = self.of(caller)?;
        let plugin = self.component(&tenant, name, version)?;
        let Ok(_one) = tenant.trying.try_lock() else {
            let detail = "another sample is under way: try again when it has ended";
            return Err(Refusal::new(Why::Conflict, detail));
        };
        if plugin.manifest().task(&sample.task).is_none() {
            let detail = format!("plugin {name}@{version} has no task of this name");
            return Err(Refusal::new(Why::NotFound, detail));
        }
        let catalogue = Arc::new(tenant.catalogue.only(plugin));
        let memory = Some(MEMORY_BYTES + mobula_engine::PROCESS_BYTES);
        let stages = HostStages { catalogue, kept: None };
        let engine = engine_over(Arc::new(stages), Some(1.0), memory).map_err(|e| refusal(&e))?;
        let lines = Arc::default();
        let journal = Lines(Arc::clone(&lines));
        let session = engine.session(SessionConfig {
            journal: Some(Box::new(journal)),
            ..SessionConfig::default()
        });
        let export = format!("{name}@{version}/{}", sample.task);
        let mut task = session.task(&export).args(sample.args.clone().into()).max_retries(0);
        for (input, value) in &sample.inputs {
            task = task.value(input, value_of(input, value)?);
        }
        let begun = Instant::now();
        let given = task.timeout_s(TIME_MAX.as_secs_f64()).submit().map_err(failed)?;
        let object = match given.get_timeout(2 * TIME_MAX) {
            Some(object) => object.map_err(failed)?,
            None => return Err(Refusal::new(Why::Invalid, "the task did not end in time")),
        };
        let seconds = begun.elapsed().as_secs_f64();
        drop(given);
        let _ = session.finish();
        let outputs = object.fields.iter().map(|(name, value)| {
            let rows = match value {
                Value::Tensor(tensor) => first_rows(tensor, ROWS),
                _ => Vec::new(),
            };
            doc::TriedField { name: name.clone(), note: note(value), rows }
        });
        let outputs = outputs.collect();
        let logs = std::mem::take(&mut *lock(&lines));
        Ok(doc::Tried { outputs, logs, seconds })
    }
}

fn failed(failure: Failure) -> Refusal {
    Refusal::new(Why::Invalid, failure.message)
}

fn value_of(name: &str, input: &doc::TryInput) -> Answer<Value> {
    let invalid = |why: &str| Refusal::new(Why::Invalid, format!("input `{name}`: {why}"));
    let doc::TryInput { dtype, shape, data, json } = input;
    if let Some(json) = json {
        return Ok(Value::Json(json.clone()));
    }
    let (Some(dtype), Some(shape)) = (dtype, shape) else {
        return Err(invalid("give `json`, or `dtype` and `shape`"));
    };
    let all = [DType::Bool, DType::U8, DType::S32, DType::S64, DType::F32, DType::F64];
    let dtype = all.into_iter().find(|known| known.name() == dtype);
    let dtype = dtype.ok_or_else(|| invalid("dtype is bool, u8, s32, s64, f32 or f64"))?;
    let count = shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
    let fits = |count: &u64| count.saturating_mul(dtype.size()) <= SAMPLE_BYTES_MAX;
    let count = count.filter(fits).ok_or_else(|| invalid("it has more than 16 MiB"))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if data.as_ref().is_some_and(|data| data.len() != count) {
        return Err(invalid(&format!("`data` needs {count} numbers")));
    }
    let mut bytes = Vec::new();
    for at in 0..count {
        let number = match data {
            Some(data) => data[at],
            // A pattern that is no constant, and in the range of pixels and small integers.
            #[expect(clippy::cast_precision_loss, reason = "below 251")]
            None => ((at * 31 + at / 97) % 251) as f64,
        };
        push(&mut bytes, dtype, number);
    }
    let tensor = Tensor::new(dtype, shape.clone(), bytes).map_err(|e| invalid(&e.to_string()))?;
    Ok(Value::Tensor(tensor))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number that does not fit becomes the nearest"
)]
fn push(bytes: &mut Vec<u8>, dtype: DType, number: f64) {
    match dtype {
        DType::Bool => bytes.push(u8::from(number != 0.0)),
        DType::U8 => bytes.push(number as u8),
        DType::S32 => bytes.extend_from_slice(&(number as i32).to_le_bytes()),
        DType::S64 => bytes.extend_from_slice(&(number as i64).to_le_bytes()),
        DType::F32 => bytes.extend_from_slice(&(number as f32).to_le_bytes()),
        DType::F64 => bytes.extend_from_slice(&number.to_le_bytes()),
    }
}
