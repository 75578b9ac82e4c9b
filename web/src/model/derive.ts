/** What views draw, computed from the folded model: marks on curves, lanes of the timeline, states of stages. */

import type { StageReport } from "../api/types.ts";
import type { Curve, RunModel } from "./fold.ts";

export interface Mark {
  /** Where on the curve's axis of steps. */
  step: number;
  kind: "checkpoint" | "recovery";
  label: string;
}

/** Checkpoints and recoveries on the axis of a stage's curves. */
export function marksOf(model: RunModel, stage: string): Mark[] {
  const curves = model.curves.filter((curve) => curve.stage === stage);
  const stepOf = (index: number) => {
    for (const curve of curves) {
      const point = curve.points.findLast((one) => one.index === index);
      if (point) return point.step;
    }
    return index;
  };
  const saved = model.checkpoints
    .filter((one) => one.stage === stage)
    .map((one): Mark => ({ step: stepOf(one.index), kind: "checkpoint", label: `checkpoint ${one.id}` }));
  const restored = model.recoveries
    .filter((one) => one.stage === stage)
    .map((one): Mark => {
      const from = one.from_checkpoint ? `restored from ${one.from_checkpoint}` : "begun again: nothing had been saved";
      return { step: stepOf(one.index), kind: "recovery", label: `recovery: ${from}` };
    });
  return [...saved, ...restored];
}

export interface CurveGroup {
  stage: string;
  /** `loss` for `loss` and `val_loss`: curves of one kind share an axis. */
  title: string;
  curves: Curve[];
}

export function curveGroups(curves: Curve[]): CurveGroup[] {
  const groups: CurveGroup[] = [];
  for (const curve of curves) {
    const title = curve.name.replace(/^(val|train|test)_/, "");
    const group = groups.find((one) => one.stage === curve.stage && one.title === title);
    if (group) group.curves.push(curve);
    else groups.push({ stage: curve.stage, title, curves: [curve] });
  }
  return groups;
}

export interface Lane {
  worker: string;
  /** Whose dedicated worker it is. */
  actor: string | null;
  bars: StageReport[];
}

export function lanesOf(model: RunModel): Lane[] {
  const lanes = new Map<string, Lane>();
  for (const bar of model.stages) {
    const lane = lanes.get(bar.worker) ?? { worker: bar.worker, actor: model.homes[bar.worker] ?? null, bars: [] };
    lane.bars.push(bar);
    lanes.set(bar.worker, lane);
  }
  for (const [worker, actor] of Object.entries(model.homes)) {
    if (!lanes.has(worker)) lanes.set(worker, { worker, actor, bars: [] });
  }
  const byName = (a: Lane, b: Lane) => a.worker.localeCompare(b.worker, "en", { numeric: true });
  return [...lanes.values()].sort((a, b) => Number(a.actor !== null) - Number(b.actor !== null) || byName(a, b));
}

/** How a bar ends on the axis of time: where the process died nobody wrote the end down. */
export function endOf(bar: StageReport, model: RunModel): number {
  if (bar.ended_s !== null) return bar.ended_s;
  if (bar.status === "running") return model.wall_s;
  const next = model.stages.find((one) => one.started_s > bar.started_s && one.worker === bar.worker);
  return next?.started_s ?? model.wall_s;
}

export interface StageState {
  status: "waiting" | StageReport["status"];
  done: number;
  attempts: number;
  failed: number;
  replayed: number;
  seconds: number;
}

/** All attempts of one stage together. */
export function stateOf(model: RunModel, stage: string): StageState {
  const bars = model.stages.filter((bar) => bar.name === stage);
  const done = new Set(bars.filter((bar) => bar.status === "succeeded").map((bar) => bar.index)).size;
  return {
    status: bars.at(-1)?.status ?? "waiting",
    done,
    attempts: bars.length,
    failed: bars.filter((bar) => bar.status === "failed").length,
    replayed: bars.filter((bar) => bar.replay).length,
    seconds: bars.reduce((sum, bar) => sum + (endOf(bar, model) - bar.started_s), 0),
  };
}

/** The newest value of a curve of this name, whichever stage gave it. */
export function newest(model: RunModel, name: string): number | undefined {
  return model.curves.findLast((curve) => curve.name === name)?.points.at(-1)?.value;
}
