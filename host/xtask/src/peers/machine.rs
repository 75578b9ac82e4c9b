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
fn used_s(process: u32) -> Option<f64> {
    let fields = status(process)?;
    let ticks = |i: usize| fields.get(i)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_S)
}

/// A program, all that it started, all that those started, and so on; the program alone where the system does
/// not tell.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let parents: Vec<(u32, u32)> = processes
        .filter_map(|process| Some((process, status(process)?.get(1)?.parse().ok()?)))
        .collect();
    let mut tree = vec![root];
    let mut seen = 0;
    while seen < tree.len() {
        let parent = tree[seen];
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
        seen += 1;
    }
    tree
}

/// Seconds of processor time of a program and of all that it started and that still runs.
pub(crate) fn used_by_tree_s(root: u32) -> f64 {
    tree(root).into_iter().filter_map(used_s).sum()
}

/// Resident memory of one program; a page of several is divided among them.
pub(crate) fn memory_bytes(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// What `/proc` says of a program, from its state on.
fn status(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in brackets, which may hold anything.
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::{memory_bytes, tree};

    #[test]
    fn a_tree_holds_what_a_program_started() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (own, id) = (tree(std::process::id()), child.id());
        if Path::new("/proc/self/smaps_rollup").is_file() {
            assert!(own.contains(&id) && own[0] == std::process::id());
            assert!(memory_bytes(id).is_some_and(|bytes| bytes > 0));
        }
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(tree(id), [id]);
    }
}
