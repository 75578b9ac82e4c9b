/** The documents of plugins, new runs and administration. */

import type { Json, JsonObject } from "./types.ts";

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
  tasks: TaskExport[];
  actors: ActorExport[];
  requests: { mounts: string[]; http: string[]; env: string[] };
  imports: string[];
  exports: string[];
  size: number;
  digest: string;
  enabled: boolean;
  uploaded_ms?: number | null;
  used_by?: { run: string; pipeline: string }[];
}

export interface TryResult {
  outputs: JsonObject;
  logs?: { level: string; message: string }[];
  receipt?: { wall_s: number; cpu_s: number; memory_peak_bytes: number } | null;
  error?: string | null;
}

export interface PipelineText {
  name: string;
  text: string;
}

export interface CheckProblem {
  line?: number | null;
  message: string;
  suggestion?: string | null;
}

export interface CheckedStage {
  name: string;
  kind: "task" | "actor";
  /** `plugin/task`, or `actor.method`. */
  runs: string;
  repeat?: number | null;
  doc?: string;
  args: JsonObject;
  schema?: Schema | null;
}

export interface CheckedActor {
  name: string;
  runs: string;
  doc?: string;
  args: JsonObject;
  schema?: Schema | null;
}

export interface Grant {
  subject: string;
  kind: "mount" | "http" | "env" | string;
  name: string;
  value?: string | null;
  granted: boolean;
}

export interface Limit {
  subject: string;
  name: string;
  value: string;
  source?: string | null;
}

export interface Checked {
  problems: CheckProblem[];
  stages: CheckedStage[];
  actors: CheckedActor[];
  grants: Grant[];
  limits: Limit[];
}

export interface Quota {
  runs: number;
  cpus: number;
  memory: number;
  store_bytes: number;
  upload_bytes: number;
  requests_per_minute: number;
}

export interface TokenRow {
  id: string;
  label?: string | null;
  created_ms: number;
  expires_ms?: number | null;
  used_ms?: number | null;
  revoked: boolean;
}

export interface TenantRow {
  name: string;
  admin: boolean;
  created_ms: number;
  quota: Quota;
  used: Partial<Record<keyof Quota, number>>;
  tokens: TokenRow[];
}

export interface AuditRow {
  number: number;
  at_ms: number;
  actor: string;
  action: string;
  subject: string;
  detail?: string | null;
}

export interface WorkerRow {
  tenant: string;
  worker: string;
  state: "idle" | "busy" | "dedicated" | string;
  run?: string | null;
  stage?: string | null;
  since_s?: number | null;
}
