import { describe, expect, it } from "vitest";
import type { EventBody, RunEvent, StageRef } from "../api/events.ts";
import { curveGroups, endOf, lanesOf, marksOf, stateOf } from "./derive.ts";
import { emptyModel, fold, LOGS_MAX } from "./fold.ts";

const train = (index: number): StageRef => ({ name: "train", index, repeated: true });
const receipt = { wall_s: 2, cpu_s: 1.5, memory_peak_bytes: 10, bytes_in: 3, bytes_out: 4, cold: true };

/** Numbers the bodies from 1, a second apart. */
function events(...bodies: EventBody[]): RunEvent[] {
  return bodies.map((body, i) => ({ number: i + 1, at_s: i + 1, body }));
}
const started = (
  index: number,
  more: Partial<{ replay: boolean; attempt: number; worker: string }> = {},
): EventBody => ({
  type: "stage_started",
  stage: train(index),
  worker: more.worker ?? "a1",
  attempt: more.attempt ?? 1,
  on_actor: true,
  replay: more.replay ?? false,
});
const finished = (index: number): EventBody => ({
  type: "stage_finished",
  stage: train(index),
  worker: "a1",
  attempt: 1,
  runtime_s: 1,
  outputs: [
    ["loss", { kind: "json", value: 0.5 }],
    ["image", { kind: "tensor", dtype: "u8", shape: [2, 3] }],
    ["blob", { kind: "bytes", len: 9 }],
  ],
  receipt,
});
const metric = (index: number, value: number, name = "loss"): EventBody => ({
  type: "metric",
  stage: train(index),
  name,
  step: index,
  value,
});
const saved = (index: number): EventBody => ({
  type: "checkpoint_saved",
  actor: "trainer",
  checkpoint: { id: `c-${index}`, stage: "train", index, bytes: 1, blocking_s: 0.25, total_s: 1, digest: "blake3:0" },
});
const recovered: EventBody = {
  type: "recovered",
  recovery: {
    stage: "train",
    index: 2,
    from_checkpoint: "c-1",
    restored_to: 1,
    benefit_s: 1,
    threshold_before: 1,
    threshold_after: 0.9,
    lost_s: 3,
    kept_s: 5,
  },
};

describe("fold", () => {
  it("keeps attempts in order with their outputs and adds receipts up", () => {
    const model = fold(
      emptyModel(),
      events({ type: "run_started", workers: 2, resumed: false }, started(0), finished(0)),
    );
    expect(model.stages).toHaveLength(1);
    expect(model.stages[0]).toMatchObject({ status: "succeeded", started_s: 2, ended_s: 3, kind: "actor" });
    expect(model.stages[0]?.outputs).toEqual({ loss: 0.5, image: { dtype: "u8", shape: [2, 3] }, blob: { bytes: 9 } });
    expect(model.cost).toEqual({
      calls: 1,
      cold_calls: 1,
      wall_s: 2,
      cpu_s: 1.5,
      memory_peak_bytes: 10,
      bytes_in: 3,
      bytes_out: 4,
    });
    expect(model.wall_s).toBe(3);
  });

  it("does not change the model that came in", () => {
    const before = fold(emptyModel(), events(started(0), metric(0, 1)));
    const copy = structuredClone(before);
    fold(before, [
      { number: 3, at_s: 9, body: finished(0) },
      { number: 4, at_s: 9, body: metric(0, 2) },
      { number: 5, at_s: 9, body: { type: "actor_started", actor: "trainer", worker: "a1", restarts: 1 } },
    ]);
    expect(before).toEqual(copy);
  });

  it("gives the same in one batch and in many", () => {
    const all = events(started(0), metric(0, 1), finished(0), saved(0), started(1), recovered, started(1), finished(1));
    const oneByOne = all.reduce((model, event) => fold(model, [event]), emptyModel());
    expect(oneByOne).toEqual(fold(emptyModel(), all));
  });

  it("skips events that a resumed stream says again", () => {
    const all = events(started(0), finished(0));
    const model = fold(fold(emptyModel(), all), all);
    expect(model.stages).toHaveLength(1);
    expect(model.cost.calls).toBe(1);
  });

  it("closes as interrupted what a dead process was doing", () => {
    const model = fold(
      emptyModel(),
      events(started(0), { type: "run_started", workers: 2, resumed: true }, started(0)),
    );
    expect(model.stages.map((stage) => stage.status)).toEqual(["interrupted", "running"]);
    expect(model.stages[0]?.ended_s).toBeNull();
  });

  it("closes the newest open attempt of a stage", () => {
    const failed: EventBody = {
      type: "stage_failed",
      stage: train(0),
      worker: "a1",
      attempt: 1,
      kind: "trap",
      message: "unreachable",
      retried: true,
    };
    const model = fold(emptyModel(), events(started(0), failed, started(0, { attempt: 2 }), finished(0)));
    expect(model.stages.map((stage) => stage.status)).toEqual(["failed", "succeeded"]);
    expect(model.stages[0]?.error).toBe("unreachable");
    expect(model.notices[0]?.text).toContain("train[0] failed: unreachable; it is tried again");
  });

  it("replaces a point of a curve that is computed again", () => {
    const model = fold(emptyModel(), events(metric(0, 3), metric(1, 2), metric(2, 1), metric(1, 2.5), metric(2, 1.5)));
    expect(model.curves[0]?.points.map((point) => [point.step, point.value])).toEqual([
      [0, 3],
      [1, 2.5],
      [2, 1.5],
    ]);
  });

  it("accounts for checkpoints, decisions and recoveries as the host does", () => {
    const decided: EventBody = {
      type: "decided",
      decision: {
        stage: "train",
        index: 0,
        checkpoint: true,
        reason: "SAVE",
        runtime_s: 7,
        ratio: 1,
        threshold: 1,
        budget_left: null,
        expected_loss_s: 1,
        cost_s: 1,
      },
    };
    const model = fold(emptyModel(), events(decided, saved(0), saved(1), recovered));
    expect(model.account).toEqual({ blocking_s: 0.5, background_s: 1.5, saved_s: 5, lost_s: 3, useful_s: 7 });
  });

  it("ends open stages with the run, and forgets progress", () => {
    const model = fold(
      emptyModel(),
      events(
        started(0),
        { type: "progress", stage: train(0), done: 1, total: 2 },
        {
          type: "run_ended",
          status: "failed",
          result: {},
          error: "no",
        },
      ),
    );
    expect(model.status).toBe("failed");
    expect(model.stages[0]?.status).toBe("interrupted");
    expect(model.progress).toEqual({});
  });

  it("keeps a bounded number of log lines, the newest", () => {
    const lines = Array.from({ length: LOGS_MAX + 10 }, (_, i): RunEvent => ({
      number: i + 1,
      at_s: i,
      body: { type: "log", stage: train(0), level: "info", message: String(i) },
    }));
    const model = fold(emptyModel(), lines);
    expect(model.logs).toHaveLength(LOGS_MAX);
    expect(model.logs.at(-1)?.message).toBe(String(LOGS_MAX + 9));
    expect(model.logs[0]?.id).toBe(10);
  });

  it("lets unknown events of a newer server pass", () => {
    const strange = { number: 1, at_s: 4, body: { type: "teleported" } } as unknown as RunEvent;
    expect(fold(emptyModel(), [strange]).wall_s).toBe(4);
  });
});

describe("derived views", () => {
  it("puts marks where the curve has the repetition", () => {
    const late: EventBody = { type: "metric", stage: train(1), name: "loss", step: 40, value: 1 };
    const model = fold(emptyModel(), events(metric(0, 3), late, saved(1), recovered));
    expect(marksOf(model, "train").map((mark) => [mark.kind, mark.step])).toEqual([
      ["checkpoint", 40],
      ["recovery", 2],
    ]);
  });

  it("draws a curve and its validation on one chart", () => {
    const model = fold(emptyModel(), events(metric(0, 1), metric(0, 1, "val_loss"), metric(0, 1, "accuracy")));
    expect(curveGroups(model.curves).map((group) => [group.title, group.curves.length])).toEqual([
      ["loss", 2],
      ["accuracy", 1],
    ]);
  });

  it("puts the actor's dedicated lane last, also before its first call", () => {
    const model = fold(
      emptyModel(),
      events(
        { type: "actor_started", actor: "trainer", worker: "a1", restarts: 0 },
        started(0, { worker: "w10" }),
        started(1, { worker: "w2" }),
      ),
    );
    expect(lanesOf(model).map((lane) => [lane.worker, lane.actor])).toEqual([
      ["w2", null],
      ["w10", null],
      ["a1", "trainer"],
    ]);
  });

  it("ends a bar whose end nobody wrote down at the next one of its lane", () => {
    const model = fold(
      emptyModel(),
      events(started(0), { type: "run_started", workers: 1, resumed: true }, started(0)),
    );
    expect(model.stages[0] && endOf(model.stages[0], model)).toBe(3);
    expect(stateOf(model, "train")).toMatchObject({ status: "running", attempts: 2, done: 0 });
    expect(stateOf(model, "evaluate").status).toBe("waiting");
  });
});
