//! `mobula runs compare`: runs side by side. Where they come from, this machine or a server, is the caller's.

use std::collections::BTreeMap;

use mobula_contract::{Pipeline, RunEvent, RunReport};
use mobula_store::Store;
use serde_json::{Map, Value as Json, json};

use crate::home;
use crate::output::{Output, bytes, date, table};

/// Characters of a value in a table; the document has all of it.
const SHOWN_MAX: usize = 32;

/// A run to be set beside others.
pub(crate) struct Compared {
    pub(crate) pipeline: String,
    pub(crate) started_ms: u64,
    pub(crate) report: RunReport,
    /// What was asked of it; `None` where that is not known.
    pub(crate) asked: Option<Pipeline>,
}

/// One quantity, for each run.
type Row = (String, Vec<Option<Json>>);

pub(crate) fn perform(store: &Store, runs: &[String], output: Output) -> anyhow::Result<()> {
    let mut found = Vec::with_capacity(runs.len());
    for run in runs {
        let row = home::run(store, run)?;
        let events = store.events(&row.run, 0).map_err(home::coded)?;
        let events: Vec<RunEvent> = events.into_iter().map(|(_, event)| event).collect();
        found.push(Compared {
            report: RunReport::from_events(row.run.clone(), row.seed, row.status, &events),
            pipeline: row.pipeline,
            started_ms: row.started_ms,
            asked: Some(store.run_pipeline(&row.run).map_err(home::coded)?),
        });
    }
    show(&found, output)
}

/// The document, or a table with a column for each run.
pub(crate) fn show(runs: &[Compared], output: Output) -> anyhow::Result<()> {
    let parameters = parameters(runs);
    let curves = curves(runs);
    let document = json!({
        "$type": "runs.compared",
        "runs": runs.iter().map(summary).collect::<Vec<_>>(),
        "parameters": rows_document("path", &parameters),
        "curves": rows_document("field", &curves),
    });
    output.result(&document, || prose(runs, &parameters, &curves))
}

fn summary(run: &Compared) -> Json {
    let report = &run.report;
    json!({
        "run": report.run, "pipeline": run.pipeline, "status": report.status, "seed": report.seed,
        "started_ms": run.started_ms, "wall_s": report.wall_s, "error": report.error,
        "result": report.result, "cost": report.cost,
        "checkpoints": report.checkpoints.len(), "recoveries": report.recoveries.len(),
        "blocking_s": report.account.blocking_s, "lost_s": report.account.lost_s,
        "saved_s": report.account.saved_s,
        "state_digests": digests(report),
    })
}

fn digests(report: &RunReport) -> Map<String, Json> {
    report.actors.iter().map(|actor| (actor.name.clone(), json!(actor.state_digest))).collect()
}

fn rows_document(key: &str, rows: &[Row]) -> Vec<Json> {
    rows.iter().map(|(name, values)| json!({ key: name, "values": values })).collect()
}

/// What was asked of the runs and is not the same for all, by the paths that `--set` takes.
fn parameters(runs: &[Compared]) -> Vec<Row> {
    let known: Vec<Option<BTreeMap<String, Json>>> =
        runs.iter().map(|run| run.asked.as_ref().map(leaves)).collect();
    // Of a run that nothing is known of nothing can be said.
    if known.iter().any(Option::is_none) {
        return Vec::new();
    }
    let mut rows = side_by_side(known.into_iter().flatten());
    rows.retain(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]));
    rows
}

fn leaves(pipeline: &Pipeline) -> BTreeMap<String, Json> {
    let mut found = BTreeMap::new();
    let document = serde_json::to_value(pipeline).expect("a pipeline becomes JSON");
    walk("", &document, &mut found);
    found
}

fn walk(path: &str, value: &Json, found: &mut BTreeMap<String, Json>) {
    let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let name = |it: &Json| Some(it.as_object()?.get("name")?.as_str()?.to_owned());
    match value {
        Json::Null => {}
        Json::Object(fields) => {
            for (key, value) in fields {
                let key = match (path, key.as_str()) {
                    ("", "stages") => "stage",
                    ("", "actors") => "actor",
                    ("", "plugins") => "plugin",
                    (_, key) => key,
                };
                walk(&at(key), value, found);
            }
        }
        Json::Array(items) if !items.is_empty() && items.iter().all(|it| name(it).is_some()) => {
            for item in items {
                walk(&at(&name(item).unwrap_or_default()), item, found);
            }
        }
        leaf => {
            found.insert(path.to_owned(), leaf.clone());
        }
    }
}

/// The numbers that repeated stages gave, such as losses: a list for each run.
fn curves(runs: &[Compared]) -> Vec<Row> {
    side_by_side(runs.iter().map(|run| {
        let mut points: BTreeMap<String, BTreeMap<u32, f64>> = BTreeMap::new();
        // In order of start: what was repeated after a failure comes after what it replaces.
        for stage in run.report.stages.iter().filter(|stage| stage.status == "succeeded") {
            for (field, value) in &stage.outputs {
                if let Some(number) = value.as_f64() {
                    let curve = points.entry(format!("{}.{field}", stage.name)).or_default();
                    curve.insert(stage.index, number);
                }
            }
        }
        points.retain(|_, curve| curve.keys().any(|index| *index > 0));
        let list = |curve: BTreeMap<u32, f64>| json!(curve.into_values().collect::<Vec<_>>());
        points.into_iter().map(|(name, curve)| (name, list(curve))).collect()
    }))
}

/// Every name that some run has, with the value of each.
fn side_by_side(runs: impl Iterator<Item = BTreeMap<String, Json>>) -> Vec<Row> {
    let runs: Vec<_> = runs.collect();
    let mut names: Vec<&String> = runs.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    let row = |name: &String| {
        (name.clone(), runs.iter().map(|values| values.get(name).cloned()).collect())
    };
    names.into_iter().map(row).collect()
}

fn prose(runs: &[Compared], parameters: &[Row], curves: &[Row]) -> String {
    let line = |name: &str, of: &dyn Fn(&Compared) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(runs.iter().map(of)).collect()
    };
    let cells = |name: String, values: &[Option<Json>], of: &dyn Fn(&Json) -> String| {
        let shown = values.iter().map(|value| value.as_ref().map_or("-".to_owned(), of));
        std::iter::once(name).chain(shown).collect::<Vec<String>>()
    };
    let mut rows = vec![
        line("", &|run| run.report.run.to_string()),
        line("pipeline", &|run| run.pipeline.clone()),
        line("status", &|run| run.report.status.to_string()),
        line("started", &|run| date(run.started_ms)),
        line("seconds", &|run| format!("{:.1}", run.report.wall_s)),
        line("computing", &|run| format!("{:.2} s", run.report.cost.cpu_s)),
        line("guest memory", &|run| bytes(run.report.cost.memory_peak_bytes)),
        line("checkpoints", &|run| run.report.checkpoints.len().to_string()),
        line("recoveries", &|run| run.report.recoveries.len().to_string()),
    ];
    for (name, values) in parameters {
        rows.push(cells(name.clone(), values, &short));
    }
    for (name, values) in curves {
        let last = |curve: &Json| {
            let curve = curve.as_array().map(Vec::as_slice).unwrap_or_default();
            let value = curve.last().and_then(Json::as_f64).unwrap_or(f64::NAN);
            format!("{value:.4} ({} points)", curve.len())
        };
        rows.push(cells(format!("{name}, last"), values, &last));
    }
    let results = side_by_side(
        runs.iter().map(|run| run.report.result.clone().into_iter().collect::<BTreeMap<_, _>>()),
    );
    for (name, values) in &results {
        rows.push(cells(name.clone(), values, &short));
    }
    let states = side_by_side(runs.iter().map(|run| digests(&run.report).into_iter().collect()));
    for (name, values) in &states {
        rows.push(cells(format!("state of {name}"), values, &short));
    }
    let mut text = table(&rows);
    if runs.iter().any(|run| run.asked.is_none()) {
        text += "\nwhat was asked of some of them is not known here: parameters are left out";
    }
    text
}

/// A value as a cell.
fn short(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Number(number) if number.is_f64() => {
            format!("{:.4}", number.as_f64().unwrap_or(f64::NAN))
        }
        other => other.to_string(),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_named_as_set_names_them() {
        let mut found = BTreeMap::new();
        let document = json!({ "seed": 7, "stages": [
            { "name": "train", "args": { "batch_size": 64 }, "repeat": null, "list": [1, 2] },
        ]});
        walk("", &document, &mut found);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["seed", "stage.train.args.batch_size", "stage.train.list", "stage.train.name"]
        );
    }

    #[test]
    fn what_one_run_lacks_is_a_gap_beside_the_others() {
        let one = |name: &str| BTreeMap::from([(name.to_owned(), json!(1))]);
        let rows = side_by_side([one("a"), one("b")].into_iter());
        let a = ("a".to_owned(), vec![Some(json!(1)), None]);
        let b = ("b".to_owned(), vec![None, Some(json!(1))]);
        assert_eq!(rows, [a, b]);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = json!("ü".repeat(100));
        assert_eq!(short(&long).chars().count(), SHOWN_MAX + 1);
        assert_eq!(short(&json!(0.123_456)), "0.1235");
    }
}
