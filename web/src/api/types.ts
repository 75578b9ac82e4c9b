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
  /** The public part of the token. */
  token: string;
  expires_ms: number | null;
}

export interface PipelineProblem {
  line?: number | null;
  column?: number | null;
  message: string;
}

export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  log_id?: string;
  /** Comes with a pipeline that is not valid. */
  problems?: PipelineProblem[];
}

/** Each figure a limit, or `null` for none. */
export interface Quota {
  runs: number | null;
  cpus: number | null;
  memory_bytes: number | null;
  stored_bytes: number | null;
  upload_bytes: number | null;
  requests_per_minute: number | null;
}

export interface MemoryUse {
  used_bytes: number;
  limit_bytes: number | null;
  spilled_bytes: number;
}

export interface Overview {
  version: string;
  uptime_s: number;
  tenant: string;
  workers: number;
  cpus: number;
  memory: MemoryUse;
  store: { used_bytes: number; limit_bytes: number | null };
  runs: Partial<Record<RunStatus, number>>;
  quota: Quota;
}

export interface RunRow {
  run: string;
  pipeline: string;
  status: RunStatus;
  seed: number;
  started_ms: number;
  wall_s: number;
  error: string | null;
  /** Units finished of units known; live runs only. */
  progress: { done: number; total: number } | null;
  accuracy: number | null;
  tenant: string;
  live: boolean;
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

/** `run.finished`. */
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
}

/** A run's report with what only a server knows. */
export interface RunDocument {
  report: RunReport;
  pipeline: string;
  started_ms: number;
  pipeline_text: string | null;
  set: string[];
  /** Whether failures may be injected. */
  chaos: boolean;
  live: boolean;
  tenant: string;
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
  kind: "task" | "method";
  actor: string | null;
  repeat: number | null;
  foreach: boolean;
  status: string;
  done: number;
  total: number | null;
}

export interface Graph {
  nodes: GraphNode[];
  edges: { from: string; to: string; field: string; input: string }[];
}

/** What is known of a value without its bytes; of a JSON document all of it. */
export type OutputNote =
  { kind: "json"; value: Json } | { kind: "tensor"; dtype: string; shape: number[] } | { kind: "bytes"; len: number };

export interface ObjectField {
  name: string;
  note: OutputNote;
  bytes: number | null;
}

export interface ObjectRow {
  stage: string;
  index: number;
  fields: ObjectField[];
  /** Whether its bytes can be looked at. */
  stored: boolean;
}

/** The first rows of a tensor, each as flat numbers. */
export interface ObjectRows {
  field: string;
  dtype: string;
  shape: number[];
  rows: number[][];
}
