/** The routes of the API, each as a function. */

import { ApiError, ask, BASE, query, seg } from "./client.ts";
import type {
  AuditEntry,
  Checked,
  PipelineText,
  Plugin,
  TenantRow,
  TenantWorkers,
  TryInput,
  TryResult,
} from "./documents.ts";
import type { EventPage } from "./events.ts";
import type {
  CheckpointRow,
  Graph,
  ObjectRow,
  ObjectRows,
  Overview,
  Quota,
  RunDocument,
  RunPage,
  Session,
} from "./types.ts";

/** The most events that the server gives at once. */
const EVENTS_PAGE = 2000;

type Wait = AbortSignal | undefined;
const waiting = (signal: Wait) => (signal ? { signal } : {});
const post = (json?: unknown) => ({ method: "POST", json }) as const;

export const getSession = () => ask<Session>("/session");
export const logIn = (token: string) => ask<Session | undefined>("/session", post({ token }));
export const logOut = () => ask<void>("/session", { method: "DELETE" });
export const getOverview = (signal?: Wait) => ask<Overview>("/overview", waiting(signal));

export interface RunFilter {
  status?: string | undefined;
  pipeline?: string | undefined;
  q?: string | undefined;
  after?: string | undefined;
  limit?: number;
}
export const getRuns = (filter: RunFilter, signal?: Wait) =>
  ask<RunPage>(`/runs${query({ ...filter })}`, waiting(signal));

export interface NewRun {
  pipeline: string;
  set: string[];
  inject?: string[];
  from?: string[];
  chaos?: boolean;
}
export const startRun = (run: NewRun) => ask<{ run: string }>("/runs", post(run));
export const checkPipeline = (pipeline: string, set: string[], signal?: Wait) =>
  ask<Checked>("/pipelines/check", { ...post({ pipeline, set }), ...waiting(signal) });
export const getPipelines = (signal?: Wait) => ask<{ pipelines: PipelineText[] }>("/pipelines", waiting(signal));

/** Without the lists that its events tell as well. */
export const getRun = (run: string, signal?: Wait) =>
  ask<RunDocument>(`/runs/${seg(run)}${query({ brief: "true" })}`, waiting(signal));
export const getEvents = (run: string, after: number, signal?: Wait) =>
  ask<EventPage>(`/runs/${seg(run)}/events${query({ after, limit: EVENTS_PAGE })}`, waiting(signal));
export const getGraph = (run: string, signal?: Wait) => ask<Graph>(`/runs/${seg(run)}/graph`, waiting(signal));
export const getObjects = (run: string, signal?: Wait) =>
  ask<{ objects: ObjectRow[] }>(`/runs/${seg(run)}/objects`, waiting(signal));
const objectPath = (run: string, stage: string, index: number) => `/runs/${seg(run)}/objects/${seg(stage)}/${index}`;
export const getObject = (run: string, stage: string, index: number, field: string, rows: number, signal?: Wait) =>
  ask<ObjectRows>(`${objectPath(run, stage, index)}${query({ field, rows })}`, waiting(signal));
export const imageAddress = (run: string, stage: string, index: number, field: string, row: number) =>
  `${BASE}${objectPath(run, stage, index)}/image${query({ field, row })}`;
export const traceAddress = (run: string) => `${BASE}/runs/${seg(run)}/timeline`;
export const RUNS_STREAM = `${BASE}/stream`;
export const streamAddress = (run: string) => `${BASE}/runs/${seg(run)}/stream`;

export const cancelRun = (run: string) => ask<void>(`/runs/${seg(run)}/cancel`, post());
export const resumeRun = (run: string) => ask<void>(`/runs/${seg(run)}/resume`, post());
export const rerun = (run: string, set: string[]) => ask<{ run: string }>(`/runs/${seg(run)}/rerun`, post({ set }));
export const inject = (run: string, spec: string) => ask<void>(`/runs/${seg(run)}/inject`, post({ spec }));

export const getCheckpoints = (run: string, signal?: Wait) =>
  ask<{ checkpoints: CheckpointRow[] }>(`/checkpoints${query({ run })}`, waiting(signal));
export const checkpointAddress = (id: string) => `${BASE}/checkpoints/${seg(id)}/download`;
export const pinCheckpoint = (id: string, pinned: boolean) =>
  ask<void>(`/checkpoints/${seg(id)}/${pinned ? "pin" : "unpin"}`, post());
export const dropCheckpoint = (id: string) => ask<void>(`/checkpoints/${seg(id)}`, { method: "DELETE" });

/** How long an upload waits for a server that went away. */
const UPLOAD_WAIT_MS = 60_000;
const pluginPath = (name: string, version: string) => `/plugins/${seg(name)}/${seg(version)}`;
export const getPlugins = (signal?: Wait) => ask<{ plugins: Plugin[] }>("/plugins", waiting(signal));
export const getPlugin = (name: string, version: string, signal?: Wait) =>
  ask<Plugin>(pluginPath(name, version), waiting(signal));
/** Uploads a component; where the server goes away meanwhile, it gets the file when it is back. */
export async function uploadPlugin(file: Blob): Promise<Plugin> {
  const until = Date.now() + UPLOAD_WAIT_MS;
  for (;;) {
    try {
      return await ask<Plugin>("/plugins", { method: "POST", body: file });
    } catch (cause) {
      const away = cause instanceof ApiError && cause.status === 0;
      if (!away || Date.now() > until) throw cause;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
export const enablePlugin = (name: string, version: string, enabled: boolean) =>
  ask<void>(`${pluginPath(name, version)}/${enabled ? "enable" : "disable"}`, post());
export const removePlugin = (name: string, version: string) =>
  ask<void>(pluginPath(name, version), { method: "DELETE" });
export const tryPlugin = (
  name: string,
  version: string,
  task: string,
  args: unknown,
  inputs: Record<string, TryInput>,
) => ask<TryResult>(`${pluginPath(name, version)}/try`, post({ task, args, inputs }));

export const getTenants = (signal?: Wait) => ask<{ tenants: TenantRow[] }>("/admin/tenants", waiting(signal));
export const addTenant = (name: string) => ask<TenantRow>("/admin/tenants", post({ name }));
export const setQuota = (name: string, quota: Partial<Quota>) =>
  ask<TenantRow>(`/admin/tenants/${seg(name)}/quota`, { method: "PATCH", json: quota });
export const addToken = (tenant: string, label: string, days: number | null, admin: boolean) =>
  ask<{ id: string; token: string }>(`/admin/tenants/${seg(tenant)}/tokens`, post({ label, days, admin }));
export const revokeToken = (tenant: string, id: string) =>
  ask<void>(`/admin/tenants/${seg(tenant)}/tokens/${seg(id)}`, { method: "DELETE" });
const mountPath = (tenant: string, mount: string) => `/admin/tenants/${seg(tenant)}/mounts/${seg(mount)}`;
export const addMount = (tenant: string, mount: string, folder: string) =>
  ask<void>(mountPath(tenant, mount), { method: "PUT", json: { folder } });
export const removeMount = (tenant: string, mount: string) => ask<void>(mountPath(tenant, mount), { method: "DELETE" });
export const removeTenant = (name: string) => ask<void>(`/admin/tenants/${seg(name)}`, { method: "DELETE" });
export const getAudit = (limit: number, signal?: Wait) =>
  ask<{ entries: AuditEntry[] }>(`/admin/audit${query({ limit })}`, waiting(signal));
export const getWorkers = (signal?: Wait) => ask<{ tenants: TenantWorkers[] }>("/admin/workers", waiting(signal));
export const getMounts = (signal?: Wait) => ask<{ mounts: string[] }>("/mounts", waiting(signal));
