/**
 * The documents of the API, as far as the dashboard reads them. Written by hand from the contract until
 * `npm run types` makes `generated.ts` from the server's OpenAPI document; names are those of the wire.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** How a run stands; a server may say words that this version does not know. */
export type RunStatus = "queued" | "running" | "succeeded" | "failed" | "interrupted";

export interface Session {
  tenant: string;
  admin: boolean;
  csrf?: string;
}

export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  log_id?: string;
}

export interface Overview {
  version: string;
  uptime_s: number;
  workers: number;
  cpus: number;
  memory_used: number;
  memory_limit: number;
  store_bytes: number;
  runs: Partial<Record<RunStatus, number>>;
}

export interface RunRow {
  run: string;
  pipeline: string;
  status: RunStatus;
  started_ms: number;
  wall_s: number;
  error?: string | null;
  progress?: { done: number; total: number } | null;
  accuracy?: number | null;
  tenant?: string;
}

export interface RunPage {
  runs: RunRow[];
  next?: string | null;
}

export interface Receipt {
  wall_s: number;
  cpu_s: number;
  memory_peak_bytes: number;
  bytes_in: number;
  bytes_out: number;
  cold: boolean;
}

export interface StageReport {
  name: string;
  index: number;
  kind: "task" | "actor";
  worker: string;
  attempt: number;
  status: "running" | "succeeded" | "failed" | "interrupted";
  started_s: number;
  ended_s: number | null;
  outputs: JsonObject;
  replay: boolean;
  receipt?: Receipt | null;
  error?: string | null;
}

export interface ActorReport {
  name: string;
  restarts: number;
  state_digest: string | null;
}

export interface CheckpointReport {
  id: string;
  stage: string;
  index: number;
  bytes: number;
  blocking_s: number;
  total_s: number;
  digest: string;
}

export interface DecisionDetail {
  unsaved_s: number;
  failures_per_hour: number;
  failures_per_hour_90: [number, number];
  failures_seen: number;
  cost_blocking_s: number;
  cost_background_s: number;
  overhead_used: number;
  refused?: string | null;
  due_in_units?: number | null;
}

export interface DecisionReport {
  stage: string;
  index: number;
  checkpoint: boolean;
  reason: string;
  runtime_s: number;
  ratio: number;
  threshold: number;
  budget_left: number | null;
  expected_loss_s: number;
  cost_s: number;
  detail?: DecisionDetail | null;
}

export interface RecoveryReport {
  stage: string;
  index: number;
  from_checkpoint: string | null;
  restored_to: number | null;
  benefit_s: number;
  threshold_before: number;
  threshold_after: number;
  lost_s?: number;
  kept_s?: number;
}

export interface CostReport {
  calls: number;
  cold_calls: number;
  wall_s: number;
  cpu_s: number;
  memory_peak_bytes: number;
  bytes_in: number;
  bytes_out: number;
}

export interface PolicyAccount {
  policy: string;
  makespan_s: number;
  checkpoints: number;
}

export interface AccountReport {
  blocking_s: number;
  background_s: number;
  saved_s: number;
  lost_s: number;
  useful_s: number;
  policies: PolicyAccount[];
}

/** `run.finished`, with what only a server knows. */
export interface RunReport {
  run: string;
  status: RunStatus;
  seed: number;
  wall_s: number;
  stages: StageReport[];
  actors: ActorReport[];
  checkpoints: CheckpointReport[];
  decisions: DecisionReport[];
  recoveries: RecoveryReport[];
  cost: CostReport;
  account: AccountReport;
  result: JsonObject;
  error?: string | null;
  pipeline?: string;
  pipeline_text?: string | null;
  set?: string[];
  started_ms?: number;
  tenant?: string;
  live: boolean;
  chaos?: boolean;
}

export interface CheckpointRow {
  id: string;
  run: string | null;
  stage: string;
  index: number;
  actor: string | null;
  position: number;
  bytes: number;
  digest: string;
  created_ms: number;
  damaged: string | null;
  number: number;
  name: string | null;
  metric: number | null;
  better: string | null;
  pinned: boolean;
  root?: string;
}

export interface GraphNode {
  id: string;
  kind: "task" | "actor" | "method" | string;
  actor?: string | null;
  repeat?: number | null;
  status: string;
}

export interface Graph {
  nodes: GraphNode[];
  edges: { from: string; to: string; field: string }[];
}

export interface ObjectField {
  name: string;
  kind: "tensor" | "json" | "bytes";
  dtype?: string | null;
  shape?: number[] | null;
  bytes: number;
  image?: boolean;
}

export interface ObjectRow {
  stage: string;
  index: number;
  bytes: number;
  fields: ObjectField[];
}

/** The first rows of one field; tensors as nested lists, JSON as it is, bytes as hexadecimal text. */
export interface ObjectRows {
  stage: string;
  index: number;
  field: string;
  kind: "tensor" | "json" | "bytes";
  dtype?: string | null;
  shape?: number[] | null;
  bytes: number;
  rows: Json[];
  image?: boolean;
}
