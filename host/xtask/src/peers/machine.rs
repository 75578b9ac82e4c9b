//! The machine and what else runs on it. Where there is no `/proc`, it has nothing to say.

use std::fs;

use serde_json::{Value, json};

/// Ticks of a second in `/proc`, which Linux has long fixed for programs.
const TICKS_PER_S: f64 = 100.0;

/// Processor, cores and load, for the document.
pub(crate) fn describe(cores: usize) -> Value {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    json!({
        "processor": field("model name"),
        "family": field("cpu family"),
        "model": field("model\t"),
        "cores": cores,
        "os": std::env::consts::OS,
        "load": load.split(' ').next().and_then(|load| load.parse::<f64>().ok()),
    })
}

/// The same for a person.
pub(crate) fn line(machine: &Value) -> String {
    let text = |name: &str| match &machine[name] {
        Value::String(text) => text.clone(),
        Value::Null => "?".to_owned(),
        other => other.to_string(),
    };
    format!(
        "{} (family {}, model {}), {} cores, {}, load {}",
        text("processor"),
        text("family"),
        text("model"),
        text("cores"),
        text("os"),
        text("load")
    )
}

/// Seconds of processor time that all programs, and thefts by other machines, have used so far.
pub(crate) fn busy_s() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let fields = text.lines().next()?.split_whitespace().skip(1);
    let ticks: Vec<f64> = fields.map_while(|field| field.parse().ok()).collect();
    // user, nice, system, (idle, iowait,) irq, softirq, steal
    Some((ticks[..3].iter().sum::<f64>() + ticks.get(5..8)?.iter().sum::<f64>()) / TICKS_PER_S)
}

/// Seconds of processor time of one program.
pub(crate) fn used_s(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in brackets, which may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_S)
}
