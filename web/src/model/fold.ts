/**
 * Folds a run's events into what the run's page shows. Mirrors `report_fold.rs` of the host, and keeps
 * besides what a report leaves out: curves, logs, progress and notices. Pure: the model that comes in is
 * not changed, so that a view may hold on to it; arrays are copied once per batch, not once per event.
 */

import type { EventBody, Level, RunEvent, StageRef } from "../api/events.ts";
import type {
  AccountReport,
  ActorReport,
  CheckpointReport,
  CostReport,
  DecisionReport,
  Json,
  JsonObject,
  OutputNote,
  Receipt,
  RecoveryReport,
  RunStatus,
  StageReport,
} from "../api/types.ts";

/** More log lines than this are not kept; the oldest give way. A browser tab is no archive. */
export const LOGS_MAX = 50_000;

export interface Point {
  step: number;
  value: number;
  /** The repetition that gave it, so that marks find their place on the curve. */
  index: number;
  at_s: number;
}

export interface Curve {
  stage: string;
  name: string;
  /** In order of steps, one point each: work that is repeated after a failure replaces what it repeats. */
  points: Point[];
}

export interface LogLine {
  /** Counted from 0 as lines come in: a name for a row, no more. */
  id: number;
  at_s: number;
  stage: string;
  index: number;
  repeated: boolean;
  level: Level;
  message: string;
}

export interface Notice {
  at_s: number;
  kind: "failure" | "lost" | "restart" | "checkpoint" | "note";
  text: string;
}

export interface RunModel {
  /** Number of the newest event; the stream resumes after it. */
  last: number;
  wall_s: number;
  status: RunStatus;
  workers: number;
  starts: number;
  stages: StageReport[];
  repeated: Record<string, boolean>;
  actors: ActorReport[];
  /** Dedicated workers and whose they are. */
  homes: Record<string, string>;
  checkpoints: (CheckpointReport & { actor: string | null; at_s: number })[];
  decisions: (DecisionReport & { at_s: number })[];
  recoveries: (RecoveryReport & { at_s: number })[];
  cost: CostReport;
  account: Omit<AccountReport, "policies">;
  curves: Curve[];
  logs: LogLine[];
  logs_seen: number;
  progress: Record<string, { done: number; total: number | null }>;
  expanded: Record<string, { count: number; whole: boolean }>;
  notices: Notice[];
  result: JsonObject;
  error: string | null;
}

export function emptyModel(): RunModel {
  return {
    last: 0,
    wall_s: 0,
    status: "queued",
    workers: 0,
    starts: 0,
    stages: [],
    repeated: {},
    actors: [],
    homes: {},
    checkpoints: [],
    decisions: [],
    recoveries: [],
    cost: { calls: 0, cold_calls: 0, wall_s: 0, cpu_s: 0, memory_peak_bytes: 0, bytes_in: 0, bytes_out: 0 },
    account: { blocking_s: 0, background_s: 0, saved_s: 0, lost_s: 0, useful_s: 0 },
    curves: [],
    logs: [],
    logs_seen: 0,
    progress: {},
    expanded: {},
    notices: [],
    result: {},
    error: null,
  };
}

/** How a stage is shown: `train[3]`, or `load` where the index says nothing. */
export function stageName(name: string, index: number, repeated: boolean): string {
  return repeated ? `${name}[${index}]` : name;
}

export function fold(before: RunModel, events: readonly RunEvent[]): RunModel {
  const model = copied(before);
  for (const event of events) {
    // A stream that resumes may say again what is known already.
    if (event.number !== undefined) {
      if (event.number <= model.last) continue;
      model.last = event.number;
    }
    model.wall_s = Math.max(model.wall_s, event.at_s);
    takeIn(model, event.at_s, event.body);
  }
  if (model.logs.length > LOGS_MAX) model.logs = model.logs.slice(-LOGS_MAX);
  return model;
}

/** One level deep, and the entries that events change in place. */
function copied(model: RunModel): RunModel {
  return {
    ...model,
    stages: model.stages.map((stage) => (stage.ended_s === null ? { ...stage } : stage)),
    repeated: { ...model.repeated },
    actors: model.actors.map((actor) => ({ ...actor })),
    homes: { ...model.homes },
    checkpoints: [...model.checkpoints],
    decisions: [...model.decisions],
    recoveries: [...model.recoveries],
    cost: { ...model.cost },
    account: { ...model.account },
    curves: model.curves.map((curve) => ({ ...curve, points: [...curve.points] })),
    logs: [...model.logs],
    progress: { ...model.progress },
    expanded: { ...model.expanded },
    notices: [...model.notices],
  };
}

function takeIn(model: RunModel, at_s: number, body: EventBody): void {
  switch (body.type) {
    case "run_started":
      // What an earlier process was doing when it died never ended.
      if (body.resumed) {
        closeStages(model, "interrupted");
        model.notices.push({ at_s, kind: "restart", text: "resumed by another process" });
      }
      model.status = "running";
      model.workers = body.workers;
      model.starts += 1;
      model.error = null;
      break;
    case "stage_started":
      model.repeated[body.stage.name] = body.stage.repeated;
      model.stages.push({
        name: body.stage.name,
        index: body.stage.index,
        kind: body.on_actor ? "actor" : "task",
        worker: body.worker,
        attempt: body.attempt,
        status: "running",
        started_s: at_s,
        ended_s: null,
        outputs: {},
        replay: body.replay,
      });
      break;
    case "stage_finished": {
      addCost(model.cost, body.receipt);
      const open = close(model, body.stage, at_s, "succeeded");
      if (open) {
        open.outputs = Object.fromEntries(body.outputs.map(([name, note]) => [name, shown(note)]));
        if (body.receipt) open.receipt = body.receipt;
      }
      break;
    }
    case "stage_failed": {
      addCost(model.cost, body.receipt);
      const open = close(model, body.stage, at_s, "failed");
      if (open) {
        open.error = body.message;
        if (body.receipt) open.receipt = body.receipt;
      }
      const name = stageName(body.stage.name, body.stage.index, body.stage.repeated);
      const end = body.retried ? "; it is tried again" : "";
      model.notices.push({ at_s, kind: "failure", text: `${name} failed: ${body.message}${end}` });
      break;
    }
    case "expanded":
      model.expanded[body.stage] = { count: body.count, whole: body.whole };
      break;
    case "actor_started":
      actor(model, body.actor).restarts = body.restarts;
      model.homes[body.worker] = body.actor;
      break;
    case "actor_lost":
      actor(model, body.actor);
      model.notices.push({ at_s, kind: "lost", text: `${body.actor} lost its state: ${body.message}` });
      break;
    case "actor_finished":
      actor(model, body.actor).state_digest = body.state_digest;
      break;
    case "decided":
      model.account.useful_s += body.decision.runtime_s;
      model.decisions.push({ ...body.decision, at_s });
      break;
    case "checkpoint_saved":
      model.account.blocking_s += body.checkpoint.blocking_s;
      model.account.background_s += body.checkpoint.total_s - body.checkpoint.blocking_s;
      model.checkpoints.push({ ...body.checkpoint, actor: body.actor, at_s });
      break;
    case "checkpoint_failed":
      model.notices.push({ at_s, kind: "checkpoint", text: `${body.id} could not be saved: ${body.message}` });
      break;
    case "checkpoint_replaced":
      model.notices.push({ at_s, kind: "checkpoint", text: `${body.id} gave way to a newer one` });
      break;
    case "checkpoint_set_aside":
      model.notices.push({ at_s, kind: "checkpoint", text: `${body.id} is not used: ${body.message}` });
      break;
    case "remembered":
      model.notices.push({ at_s, kind: "note", text: body.note });
      break;
    case "recovered":
      model.account.lost_s += body.recovery.lost_s ?? 0;
      model.account.saved_s += body.recovery.kept_s ?? 0;
      model.recoveries.push({ ...body.recovery, at_s });
      break;
    case "log":
      model.logs.push(logLine(model.logs_seen, at_s, body));
      model.logs_seen += 1;
      break;
    case "metric":
      addPoint(model, body.stage, body.name, { step: body.step, value: body.value, index: body.stage.index, at_s });
      break;
    case "progress":
      model.progress[body.stage.name] = { done: body.done, total: body.total };
      break;
    case "run_ended":
      model.status = body.status;
      model.result = body.result;
      model.error = body.error;
      model.progress = {};
      if (body.status !== "running") closeStages(model, body.status === "succeeded" ? "succeeded" : "interrupted");
      break;
    default:
      // A newer server may know events that this version does not; they change nothing here.
      break;
  }
}

function logLine(id: number, at_s: number, body: Extract<EventBody, { type: "log" }>): LogLine {
  const { stage, level, message } = body;
  return { id, at_s, stage: stage.name, index: stage.index, repeated: stage.repeated, level, message };
}

function addCost(cost: CostReport, receipt: Receipt | null | undefined): void {
  if (!receipt) return;
  cost.calls += 1;
  cost.cold_calls += receipt.cold ? 1 : 0;
  cost.wall_s += receipt.wall_s;
  cost.cpu_s += receipt.cpu_s;
  cost.memory_peak_bytes = Math.max(cost.memory_peak_bytes, receipt.memory_peak_bytes);
  cost.bytes_in += receipt.bytes_in;
  cost.bytes_out += receipt.bytes_out;
}

function close(
  model: RunModel,
  stage: StageRef,
  at_s: number,
  status: "succeeded" | "failed",
): StageReport | undefined {
  const open = model.stages.findLast((s) => s.ended_s === null && s.name === stage.name && s.index === stage.index);
  if (!open) return undefined;
  open.ended_s = at_s;
  open.status = status;
  delete model.progress[stage.name];
  return open;
}

function closeStages(model: RunModel, status: "succeeded" | "interrupted"): void {
  for (const stage of model.stages) if (stage.status === "running") stage.status = status;
}

function actor(model: RunModel, name: string): ActorReport {
  const known = model.actors.find((one) => one.name === name);
  if (known) return known;
  const made: ActorReport = { name, restarts: 0, state_digest: null };
  model.actors.push(made);
  return made;
}

function addPoint(model: RunModel, stage: StageRef, name: string, point: Point): void {
  let curve = model.curves.find((one) => one.stage === stage.name && one.name === name);
  if (!curve) {
    curve = { stage: stage.name, name, points: [] };
    model.curves.push(curve);
  }
  const { points } = curve;
  const at = points.findLastIndex((one) => one.step <= point.step);
  if (at >= 0 && points[at]?.step === point.step) points[at] = point;
  else points.splice(at + 1, 0, point);
}

function shown(note: OutputNote): Json {
  switch (note.kind) {
    case "json":
      return note.value;
    case "tensor":
      return { dtype: note.dtype, shape: note.shape };
    case "bytes":
      return { bytes: note.len };
  }
}
