//! The store against a small model of it, with random operations; a failure names its seed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use mobula_contract::{CheckpointId, EventBody, RunEvent, RunId, RunStatus};
use mobula_store::{Better, Metric, NewCheckpoint, Retention, Store, Subject};

mod common;
use common::{Dice, create, of_actor, pattern, small_sizes};

const ACTORS: [&str; 2] = ["a", "b"];

#[derive(Clone)]
struct Kept {
    run: usize,
    actor: &'static str,
    number: u64,
    bytes: Vec<u8>,
    metric: Option<f64>,
    pinned: bool,
}

struct Model {
    kept: Vec<Kept>,
    succeeded: [bool; 2],
    /// What was ever saved, so that equal states come again.
    old: Vec<Vec<u8>>,
}

impl Model {
    /// Of one subject: those that stay, by number.
    fn stay(&self, run: usize, actor: &str, newest: usize, best: usize) -> Vec<u64> {
        let mut all: Vec<&Kept> =
            self.kept.iter().filter(|k| k.run == run && k.actor == actor).collect();
        all.sort_by_key(|k| std::cmp::Reverse(k.number));
        let mut stay: Vec<u64> = all.iter().take(newest).map(|k| k.number).collect();
        stay.extend(all.iter().filter(|k| k.pinned).map(|k| k.number));
        let mut good: Vec<&&Kept> = all.iter().filter(|k| k.metric.is_some()).collect();
        good.sort_by(|x, y| y.metric.partial_cmp(&x.metric).unwrap());
        stay.extend(good.iter().take(best).map(|k| k.number));
        stay
    }

    fn retain(&mut self, run: usize, actor: &str, newest: usize, best: usize) {
        let stay = self.stay(run, actor, newest, best);
        self.kept.retain(|k| k.run != run || k.actor != actor || stay.contains(&k.number));
    }
}

fn end(store: &Store, run: &RunId) {
    let body = EventBody::RunEnded {
        status: RunStatus::Succeeded,
        result: serde_json::Map::new(),
        error: None,
    };
    store.append(run, &[RunEvent { at_s: 1.0, body }]).unwrap();
}

fn compare(store: &Store, runs: &[RunId], model: &Model, seed: u64) {
    let rows = store.checkpoints(None).unwrap();
    let mut found: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    let mut expected: Vec<String> =
        model.kept.iter().map(|k| CheckpointId::new(&runs[k.run], k.number).to_string()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "seed {seed}");
    for kept in &model.kept {
        let id = CheckpointId::new(&runs[kept.run], kept.number);
        assert_eq!(store.load_checkpoint(&id).unwrap(), kept.bytes, "seed {seed} {id}");
        assert_eq!(store.checkpoint(id.as_str()).unwrap().pinned, kept.pinned, "seed {seed} {id}");
    }
}

fn play(seed: u64) {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open_with(home.path(), &small_sizes()).unwrap();
    let mut dice = Dice(seed);
    let runs = [create(&store, 1), create(&store, 2)];
    let mut model = Model { kept: Vec::new(), succeeded: [false; 2], old: Vec::new() };
    let mut numbers: BTreeMap<usize, u64> = BTreeMap::new();
    for _ in 0..60 {
        let run = usize::try_from(dice.roll(2)).unwrap();
        let actor = ACTORS[usize::try_from(dice.roll(2)).unwrap()];
        match dice.roll(12) {
            0..=5 => {
                let number = numbers.entry(run).or_default();
                *number += 1;
                let again = dice.roll(4) == 0 && !model.old.is_empty();
                let bytes = if again {
                    let old = usize::try_from(dice.roll(model.old.len() as u64)).unwrap();
                    model.old[old].clone()
                } else {
                    let len =
                        [0, 1, 70_000, 300_000, 2 << 20][usize::try_from(dice.roll(5)).unwrap()];
                    pattern(len, dice.roll(1 << 30))
                };
                model.old.push(bytes.clone());
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let metric =
                    (dice.roll(2) == 0).then(|| dice.roll(1 << 20) as f64 + *number as f64 / 1e3);
                let id = CheckpointId::new(&runs[run], *number);
                let new = NewCheckpoint {
                    metric: metric.map(|value| Metric { value, better: Better::Higher }),
                    ..of_actor(&id, &runs[run], actor, *number, &bytes)
                };
                let keep = Retention {
                    newest: 1 + u32::try_from(dice.roll(3)).unwrap(),
                    best: u32::try_from(dice.roll(3)).unwrap(),
                    by_age: false,
                };
                store.save_checkpoint(&new, &keep).unwrap();
                let number = *number;
                model.kept.push(Kept { run, actor, number, bytes, metric, pinned: false });
                model.retain(run, actor, keep.newest as usize, keep.best as usize);
            }
            6 => {
                let newest = store.newest_valid(&runs[run], Subject::Actor(actor)).unwrap();
                let expected = model.kept.iter().filter(|k| k.run == run && k.actor == actor);
                let expected = expected.max_by_key(|k| k.number);
                assert_eq!(
                    newest.found.map(|(row, bytes)| (row.number, bytes)).map(|(_, b)| b),
                    expected.map(|k| k.bytes.clone()),
                    "seed {seed}"
                );
            }
            7 => {
                if let Some(kept) = model.kept.last_mut() {
                    kept.pinned = !kept.pinned;
                    let id = CheckpointId::new(&runs[kept.run], kept.number);
                    store.pin(&id, kept.pinned).unwrap();
                }
            }
            8 => {
                store.collect(false).unwrap();
                for run in 0..2 {
                    if model.succeeded[run] {
                        ACTORS.iter().for_each(|actor| model.retain(run, actor, 1, 1));
                    }
                }
            }
            9 => {
                drop(store);
                store = Store::open_with(home.path(), &small_sizes()).unwrap();
            }
            10 => {
                if dice.roll(4) == 0 {
                    end(&store, &runs[run]);
                    model.succeeded[run] = true;
                }
            }
            _ => store.tend().unwrap(),
        }
        compare(&store, &runs, &model, seed);
    }
    store.collect(false).unwrap();
    let found = store.verify(None).unwrap();
    assert!(found.is_good() && found.orphans.is_empty(), "seed {seed}: {found:?}");
}

#[test]
fn the_store_does_what_its_model_does() {
    for seed in 0..8 {
        play(seed);
    }
}
