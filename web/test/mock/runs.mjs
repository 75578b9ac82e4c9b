/** The history: 10,000 runs that are over, and those that live. */

import { fold, emptyModel } from "./fold.mjs";
import { finished, random, simulate } from "./simulation.mjs";

export const PIPELINE = `# The reference pipeline: load, two subsets in parallel, train with checkpoints, evaluate.

[pipeline]
name = "cifar10"
seed = 7

[[stage]]
name = "load"
task = "cifar10-load/load"
mounts = { data = "cifar-10" }

[[stage]]
name = "train_subset"
task = "subset/subset"
inputs = { images = "load.x_train", labels = "load.y_train" }
args = { size = 5000 }

[[stage]]
name = "test_subset"
task = "subset/subset"
inputs = { images = "load.x_test", labels = "load.y_test" }
args = { size = 1000 }

[[actor]]
name = "trainer"
native = "cnn"
args = { model = "cifar10-664k", learning_rate = 0.001 }

[[stage]]
name = "train"
actor = "trainer"
method = "train_epoch"
repeat = 10
inputs = { images = "train_subset.images", labels = "train_subset.labels" }
args = { batch_size = 64, validation_split = 0.1 }

[[stage]]
name = "evaluate"
actor = "trainer"
method = "evaluate"
inputs = { images = "test_subset.images", labels = "test_subset.labels" }

[checkpoint]
policy = "adaptive"
budget = { overhead = 0.05, bytes = "2GiB" }
keep = 3
`;

const COUNT = 10_000;
const NAMES = ["cifar10", "cifar10", "cifar10-strided", "stream", "augment-sweep"];
const ERRORS = [
  "stage train[4] failed 4 times: limit memory (512 MiB) reached in task subset",
  "stage load: plugin `cifar10-load` asks for mount `data`, which no grant allows",
  `stage augment trapped: <b>unreachable</b> executed in "augment"`,
];
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

export function runId(started_ms, salt) {
  let bits = ((BigInt(started_ms) & ((1n << 44n) - 1n)) << 16n) | BigInt(salt);
  let text = "";
  for (let i = 0; i < 12; i += 1, bits >>= 5n) text = ALPHABET[Number(bits & 31n)] + text;
  return `r-${text}`;
}

/** Newest first. */
export const runs = [];
export const byId = new Map();
const rand = random(42);
const now = Date.now();
for (let i = 0; i < COUNT; i += 1) {
  const started_ms = now - 60_000 * 7 - i * 411_000 - Math.floor(rand() * 200_000);
  const luck = rand();
  const status = luck < 0.86 ? "succeeded" : luck < 0.94 ? "failed" : "interrupted";
  const pipeline = NAMES[Math.floor(rand() * NAMES.length)];
  add(
    {
      run: runId(started_ms, i),
      pipeline,
      status,
      seed: i === 0 ? 7 : Math.floor(rand() * 1000),
      started_ms,
      wall_s: 9 + rand() * 40,
      error: status === "failed" ? ERRORS[i % ERRORS.length] : null,
      progress: null,
      accuracy: status === "succeeded" && pipeline !== "stream" ? 0.86 + rand() * 0.08 : null,
      tenant: "default",
      live: false,
    },
    "push",
    { set: i % 3 === 1 ? ["actor.trainer.args.learning_rate=0.003", "stage.train.repeat=12"] : [] },
  );
}

function add(row, where, more = {}) {
  const entry = {
    row,
    set: [],
    chaos: false,
    text: PIPELINE.replace('name = "cifar10"', `name = "${row.pipeline}"`),
    listeners: new Set(),
    ...more,
  };
  runs[where](entry);
  byId.set(row.run, entry);
  return entry;
}

/** Who listens to the list of runs. */
export const listListeners = new Set();
const changed = (run) => listListeners.forEach((tell) => tell(run));

/** The events of a run; of one that is over they are made when somebody asks. */
export function eventsOf(entry) {
  if (!entry.events) {
    const { run, seed, status, error } = entry.row;
    const repeat = Number(entry.set.find((one) => one.startsWith("stage.train.repeat="))?.split("=")[1] ?? 10);
    let events = finished(run, { epochs: repeat, seed, fail: seed % 3 === 1 ? 5 : false });
    if (status !== "succeeded") {
      events = events.slice(0, Math.floor(events.length * 0.6));
      const number = events.length + 1;
      events.push({ number, at_s: events.at(-1).at_s + 0.1, body: { type: "run_ended", status, result: {}, error } });
    }
    entry.events = events;
  }
  return entry.events;
}

export function begin({ text = PIPELINE, set = [], chaos = false, inject = [], epochs, pace = 1, tenant = "default" }) {
  const started_ms = Date.now();
  const value = (path) => set.findLast((one) => one.startsWith(`${path}=`))?.split("=")[1];
  const repeat = epochs ?? Number(value("stage.train.repeat") ?? /repeat = (\d+)/.exec(text)?.[1] ?? 10);
  const row = {
    run: runId(started_ms, runs.length),
    pipeline: /name = "([^"]+)"/.exec(text)?.[1] ?? "pipeline",
    status: "running",
    seed: 7,
    started_ms,
    wall_s: 0,
    error: null,
    progress: { done: 0, total: repeat + 4 },
    accuracy: null,
    tenant,
    live: true,
  };
  const entry = add(row, "unshift", { set, chaos, text, events: [], control: { injected: new Set(inject) } });
  const steps = simulate(row.run, { epochs: repeat, seed: started_ms % 1000, pace }, entry.control);
  const step = () => {
    const next = steps.next();
    if (next.done) return;
    const [seconds, body] = next.value;
    setTimeout(() => {
      const at_s = (Date.now() - started_ms) / 1000;
      publish(entry, at_s, body);
      step();
    }, seconds * 1000);
  };
  step();
  changed(row.run);
  return entry;
}

function publish(entry, at_s, body) {
  const { row } = entry;
  row.wall_s = at_s;
  if (body.type === "progress") {
    const { stage, done, total } = body;
    entry.listeners.forEach((tell) => tell("progress", { at_s, stage, done, total }));
    return;
  }
  const event = { number: entry.events.length + 1, at_s, body };
  entry.events.push(event);
  if (body.type === "metric" && body.name === "val_accuracy") row.accuracy = body.value;
  if (body.type === "stage_finished") {
    row.progress = {
      ...row.progress,
      done: new Set(
        entry.events
          .filter((e) => e.body.type === "stage_finished")
          .map((e) => `${e.body.stage.name}${e.body.stage.index}`),
      ).size,
    };
    changed(row.run);
  }
  entry.listeners.forEach((tell) => tell("event", event));
  if (body.type === "run_ended") {
    Object.assign(row, {
      status: body.status,
      progress: null,
      live: false,
      accuracy: body.result.test_accuracy ?? row.accuracy,
    });
    entry.listeners.forEach((tell) => tell("end", { status: body.status }));
    changed(row.run);
  }
}

export function documentOf(entry) {
  const { row } = entry;
  const model = eventsOf(entry).reduce(fold, emptyModel());
  const useful = model.account.useful_s;
  const policies =
    useful === 0
      ? []
      : [
          { policy: "adaptive", makespan_s: useful + 0.4, checkpoints: model.checkpoints.length },
          { policy: "young-daly", makespan_s: useful + 1.1, checkpoints: 6 },
          { policy: "every = 1", makespan_s: useful + 1.9, checkpoints: 10 },
          { policy: "never", makespan_s: useful * 1.7, checkpoints: 0 },
        ];
  const report = {
    $type: "run.finished",
    run: row.run,
    status: row.status,
    seed: row.seed,
    wall_s: row.wall_s,
    stages: model.stages,
    actors: [],
    checkpoints: model.checkpoints,
    decisions: model.decisions,
    recoveries: model.recoveries,
    cost: model.cost,
    account: { ...model.account, policies: row.live ? [] : policies },
    result: model.result,
    error: row.error ?? undefined,
  };
  return {
    report,
    pipeline: row.pipeline,
    started_ms: row.started_ms,
    pipeline_text: entry.text,
    set: entry.set,
    chaos: entry.chaos,
    live: row.live,
    tenant: row.tenant,
  };
}
