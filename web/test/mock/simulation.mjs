/** A run of the reference pipeline as the events that a host would write, one after another with the time between them. */

const RUN_S = { load: 0.4, train_subset: 0.05, test_subset: 0.03, train: 1.2, evaluate: 0.3 };
const STATE_BYTES = 7_968_000;

export const HOSTILE = [
  `<img src=x onerror="document.title='owned'">`,
  `<script>document.title = "owned"</script>`,
  `</span><style>*{display:none}</style><b>bold</b>`,
  "\u001b[31mred\u001b[0m and ‮reversed‬ and a\nsecond line",
  `a very long line ${"x".repeat(400)}`,
];

/** The same seed gives the same numbers. */
export function random(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const receipt = (wall_s, cold, guest) => ({
  wall_s,
  cpu_s: wall_s * 1.82,
  memory_peak_bytes: guest ? 19_000_000 + Math.round(wall_s * 4e6) : 0,
  bytes_in: guest ? 153_600_000 : 1_024,
  bytes_out: guest ? 15_360_000 : 320,
  cold,
});
const tensor = (dtype, ...shape) => ({ kind: "tensor", dtype, shape });
const json = (value) => ({ kind: "json", value });

/**
 * Yields `[seconds, body]`. `control.injected` is a set of specs such as `train[3]:actor-crash`, looked at
 * before each call; `control.cancelled` ends it.
 */
export function* simulate(run, { epochs, seed, pace = 1, policy = "adaptive", fail = false }, control) {
  const rand = random(seed);
  const ref = (name, index = 0) => ({ name, index, repeated: name === "train" });
  const log = (stage, level, message) => [0.002, { type: "log", stage, level, message }];
  let checkpoints = 0;

  yield [0.01, { type: "run_started", workers: 2, resumed: false }];
  yield [
    0.001,
    { type: "remembered", note: "3 failures in 4.2 h of earlier runs; a save of trainer costs 9 ms", learned: {} },
  ];
  yield* task(
    "load",
    "w1",
    [
      ["x_train", tensor("u8", 50000, 32, 32, 3)],
      ["y_train", tensor("u8", 50000)],
      ["x_test", tensor("u8", 10000, 32, 32, 3)],
      ["y_test", tensor("u8", 10000)],
    ],
    true,
  );
  yield [0.01, { type: "actor_started", actor: "trainer", worker: "a1", restarts: 0 }];
  yield* task(
    "train_subset",
    "w1",
    [
      ["images", tensor("u8", 5000, 32, 32, 3)],
      ["labels", tensor("u8", 5000)],
    ],
    true,
  );
  yield* task(
    "test_subset",
    "w2",
    [
      ["images", tensor("u8", 1000, 32, 32, 3)],
      ["labels", tensor("u8", 1000)],
    ],
    false,
  );

  let restarts = 0;
  let saved = -1;
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    const stage = ref("train", epoch);
    const replay = control.replayUntil !== undefined && epoch <= control.replayUntil;
    const crash =
      take(control, `train[${epoch}]:actor-crash`) ||
      take(control, `train[${epoch}]:worker-crash`) ||
      (!control.replayUntil && fail === epoch);
    yield [
      0.004,
      {
        type: "stage_started",
        stage,
        worker: `a${restarts + 1}`,
        attempt: crash || !replay ? 1 : 2,
        on_actor: true,
        replay,
      },
    ];
    const length = RUN_S.train * pace * (0.95 + rand() * 0.1);
    for (let part = 1; part <= 4; part += 1) {
      if (control.cancelled) return yield [0.05, { type: "run_ended", status: "interrupted", result: {}, error: null }];
      if (crash && part === 3) break;
      yield [length / 4, { type: "progress", stage, done: part * 1125, total: 4500 }];
    }
    if (crash) {
      yield [
        0.02,
        {
          type: "stage_failed",
          stage,
          worker: `a${restarts + 1}`,
          attempt: 1,
          kind: "worker-lost",
          message: "worker of actor trainer died: injected actor-crash",
          retried: true,
        },
      ];
      yield [
        0.001,
        { type: "actor_lost", actor: "trainer", worker: `a${restarts + 1}`, message: "injected actor-crash" },
      ];
      restarts += 1;
      yield [0.09, { type: "actor_started", actor: "trainer", worker: `a${restarts + 1}`, restarts }];
      const lost = (epoch - saved - 1) * length + length / 2;
      yield [
        0.01,
        {
          type: "recovered",
          recovery: {
            stage: "train",
            index: epoch,
            from_checkpoint: saved >= 0 ? `c-${run.slice(2)}-${checkpoints}` : null,
            restored_to: saved >= 0 ? saved : null,
            benefit_s: (saved + 1) * length,
            threshold_before: 1,
            threshold_after: 0.92,
            lost_s: lost,
            kept_s: (saved + 1) * length,
          },
        },
      ];
      control.replayUntil = epoch;
      epoch = saved;
      continue;
    }
    const loss = 2.1 * Math.exp(-epoch / 6) + 0.25 + rand() * 0.05;
    const accuracy = 0.93 - 0.6 * Math.exp(-epoch / 5) + rand() * 0.01;
    const point = (name, value) => [0.0005, { type: "metric", stage, name, step: epoch, value }];
    yield point("loss", loss);
    yield point("accuracy", accuracy);
    yield point("val_loss", loss * 1.08 + rand() * 0.04);
    yield point("val_accuracy", accuracy - 0.03 - rand() * 0.01);
    yield log(stage, "info", `epoch ${epoch}: 4500 images, ${Math.round(4500 / length)} images/s`);
    if (epoch % 3 === 1) yield log(stage, epoch % 2 ? "warn" : "error", HOSTILE[epoch % HOSTILE.length]);
    yield [
      0.004,
      {
        type: "stage_finished",
        stage,
        worker: `a${restarts + 1}`,
        attempt: 1,
        runtime_s: length,
        receipt: receipt(length, false, false),
        outputs: [
          ["loss", json(loss)],
          ["accuracy", json(accuracy)],
          ["val_loss", json(loss * 1.1)],
          ["val_accuracy", json(accuracy - 0.03)],
          ["images_per_s", json(4500 / length)],
        ],
      },
    ];
    const unsaved = (epoch - saved) * length;
    const take_it = epoch - saved >= 3 || (epoch === 0 && policy === "adaptive");
    const ratio = unsaved * 0.11;
    yield [
      0.001,
      {
        type: "decided",
        decision: {
          stage: "train",
          index: epoch,
          checkpoint: take_it,
          runtime_s: length,
          ratio,
          threshold: 0.36,
          budget_left: 4.8 - checkpoints * 0.05,
          expected_loss_s: unsaved * 0.02,
          cost_s: 0.052,
          reason: `${take_it ? "SAVE" : "NO (does not pay yet)"} · ratio ${ratio.toFixed(3)} ${ratio >= 0.36 ? "≥" : "<"} threshold 0.36 · unsaved ${unsaved.toFixed(1)} s · 0.9 failures/h (90 %: 0.2–2.6, 3 seen) · expected loss ${(unsaved * 0.02).toFixed(3)} s vs cost 0.052 s (blocks 0.009 + background 0.043)`,
          detail: {
            unsaved_s: unsaved,
            failures_per_hour: 0.9,
            failures_per_hour_90: [0.2, 2.6],
            failures_seen: 3,
            cost_blocking_s: 0.009,
            cost_background_s: 0.043,
            overhead_used: 0.004,
            refused: take_it ? null : "not-yet",
            due_in_units: take_it ? null : 3 - (epoch - saved),
          },
        },
      },
    ];
    if (take_it) {
      checkpoints += 1;
      saved = epoch;
      yield [
        0.12,
        {
          type: "checkpoint_saved",
          actor: "trainer",
          checkpoint: {
            id: `c-${run.slice(2)}-${checkpoints}`,
            stage: "train",
            index: epoch,
            bytes: STATE_BYTES,
            blocking_s: 0.009,
            total_s: 0.118,
            digest: digest(seed + epoch),
          },
        },
      ];
    }
  }
  const accuracy = 0.9 + rand() * 0.03;
  yield* task(
    "evaluate",
    `a${restarts + 1}`,
    [
      ["accuracy", json(accuracy)],
      ["loss", json(0.31)],
    ],
    false,
    true,
  );
  yield [0.01, { type: "actor_finished", actor: "trainer", state_digest: digest(seed) }];
  yield [
    0.01,
    { type: "run_ended", status: "succeeded", result: { test_accuracy: accuracy, test_loss: 0.31 }, error: null },
  ];

  function* task(name, worker, outputs, cold, on_actor = false) {
    const length = RUN_S[name] * Math.max(pace, 0.2);
    yield [0.003, { type: "stage_started", stage: ref(name), worker, attempt: 1, on_actor, replay: false }];
    if (name === "load") {
      yield log(ref(name), "debug", "reads data_batch_1.bin … data_batch_5.bin, test_batch.bin");
      for (const line of HOSTILE) yield log(ref(name), "warn", line);
    }
    yield [
      length,
      {
        type: "stage_finished",
        stage: ref(name),
        worker,
        attempt: 1,
        runtime_s: length,
        outputs,
        receipt: receipt(length, cold, !on_actor),
      },
    ];
  }
}

function take(control, spec) {
  return control.injected?.delete(spec) ?? false;
}

export function digest(seed) {
  const rand = random(seed + 99);
  return `blake3:${Array.from({ length: 64 }, () => Math.floor(rand() * 16).toString(16)).join("")}`;
}

/** All events of a run that is over, with their numbers and times. */
export function finished(run, options, control = { injected: new Set() }) {
  const events = [];
  let at_s = 0;
  for (const [seconds, body] of simulate(run, options, control)) {
    at_s += seconds;
    if (body.type !== "progress") events.push({ number: events.length + 1, at_s, body });
  }
  return events;
}
