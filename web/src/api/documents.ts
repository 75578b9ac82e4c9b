/** The documents of plugins, new runs and administration. */

import type { Json, JsonObject, MemoryUse, OutputNote, PipelineProblem, Quota } from "./types.ts";

/** As much of JSON Schema as forms are made from; what else stands in one is shown, not used. */
export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: Json;
  enum?: Json[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  format?: string;
  properties?: { [name: string]: Schema };
  required?: string[];
  items?: Schema;
}

export interface Port {
  name: string;
  kind?: "tensor" | "json" | "bytes";
  dtype?: string | null;
  shape?: Json;
  optional?: boolean;
  doc?: string;
}

export interface TaskExport {
  name: string;
  doc: string;
  args?: Schema | null;
  inputs: Port[];
  outputs: Port[];
}

export interface ActorExport {
  name: string;
  doc: string;
  args?: Schema | null;
  inputs?: Port[];
  methods: TaskExport[];
}

export interface Plugin {
  name: string;
  version: string;
  digest: string;
  size: number;
  enabled: boolean;
  /** Part of the host: can be neither removed nor disabled. */
  builtin: boolean;
  pushed_ms: number | null;
  tasks: TaskExport[];
  actors: ActorExport[];
  requests: { mounts: string[]; http: string[]; env: string[] };
  imports: string[];
  exports: string[];
  /** Pipelines. */
  used_by: string[];
  /** Why it cannot be used. */
  error: string | null;
}

export interface TryResult {
  /** Rows of tensors alone. */
  outputs: { name: string; note: OutputNote; rows: number[][] }[];
  logs: { level: string; message: string }[];
  seconds: number;
}

/** A sample input: JSON, or a tensor; without data it is filled with a pattern. */
export type TryInput = { json: Json } | { dtype: string; shape: number[]; data: number[] | null };

export interface PipelineText {
  name: string;
  text: string;
  source: "example" | "run";
  run: string | null;
}

export interface CheckedStage {
  name: string;
  kind: "task" | "method";
  plugin: string | null;
  version: string | null;
  export: string | null;
  actor: string | null;
  method: string | null;
  repeat: number | null;
  foreach: boolean;
  doc: string;
  args: JsonObject;
  schema: Schema | null;
  inputs: { name: string; stage: string; field: string }[];
  outputs: string[];
}

export interface CheckedActor {
  name: string;
  native: string | null;
  plugin: string | null;
  class: string | null;
  doc: string;
  args: JsonObject;
  schema: Schema | null;
}

export interface Grant {
  /** Who is granted it, in words. */
  at: string;
  mount: string;
  folder: string;
}

export interface Limit {
  at: string;
  memory_bytes: number | null;
  timeout_s: number | null;
  cpus: number | null;
  max_retries: number;
}

export interface Checked {
  ok: boolean;
  problems: PipelineProblem[];
  name: string | null;
  stages: CheckedStage[];
  actors: CheckedActor[];
  grants: Grant[];
  limits: Limit[];
}

export interface TokenRow {
  id: string;
  label: string;
  admin: boolean;
  kind: "token" | "session";
  created_ms: number;
  expires_ms: number | null;
  revoked_ms: number | null;
  used_ms: number | null;
}

export interface TenantRow {
  name: string;
  created_ms: number;
  quota: Quota;
  use: { runs: number; stored_bytes: number; requests_last_minute: number; memory_bytes: number };
  tokens: TokenRow[];
  mounts: { name: string; folder: string }[];
}

export interface AuditEntry {
  number: number;
  at_ms: number;
  by: string;
  act: string;
  subject: string;
  detail: string;
}

export interface TenantWorkers {
  tenant: string;
  cpus: number;
  cpus_free: number;
  runs: string[];
  memory: MemoryUse;
}
