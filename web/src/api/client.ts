/** Asks the API and turns what goes wrong into one kind of error. Knows no route; those are in `routes.ts`. */

import { signal } from "@preact/signals";
import type { PipelineProblem, Problem, Session } from "./types.ts";

/** `undefined` until the server was asked, `null` when nobody is logged in. */
export const session = signal<Session | null | undefined>(undefined);

/** Whether the last thing heard from the server was silence. */
export const offline = signal(false);

/** Whether a run is watched whose stream is away; the stream's own attempts bring it back. */
export const streamAway = signal(false);

/** An answer that is no success; `message` is for the user. */
export class ApiError extends Error {
  readonly status: number;
  readonly logId: string | undefined;
  readonly problems: PipelineProblem[];

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.status = problem.status;
    this.problems = problem.problems ?? [];
    this.logId = problem.log_id;
  }
}

interface Request {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  body?: Blob;
  signal?: AbortSignal;
}

export const BASE = "/api/v1";

export async function ask<T>(path: string, request: Request = {}): Promise<T> {
  const response = await send(path, request);
  if (response.status === 204 || response.headers.get("content-length") === "0") return undefined as T;
  const kind = response.headers.get("content-type") ?? "";
  return (kind.includes("json") ? await response.json() : await response.text()) as T;
}

export async function send(path: string, request: Request = {}): Promise<Response> {
  const method = request.method ?? "GET";
  const headers = new Headers({ accept: "application/json" });
  if (request.json !== undefined) headers.set("content-type", "application/json");
  if (request.body) headers.set("content-type", "application/wasm");
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  if (request.json !== undefined) init.body = JSON.stringify(request.json);
  if (request.body) init.body = request.body;
  if (request.signal) init.signal = request.signal;
  let response: Response;
  try {
    response = await fetch(BASE + path, init);
  } catch (cause) {
    if (request.signal?.aborted) throw cause;
    offline.value = true;
    throw new ApiError({ title: "the server cannot be reached; is it running?", status: 0 });
  }
  offline.value = false;
  if (response.ok) return response;
  throw await problemOf(response);
}

async function problemOf(response: Response): Promise<ApiError> {
  if (response.status === 401) session.value = null;
  try {
    const problem = (await response.json()) as Partial<Problem>;
    const title = problem.title ?? `the server answered ${response.status}`;
    return new ApiError({ ...problem, title, status: response.status });
  } catch {
    return new ApiError({ title: `the server answered ${response.status}`, status: response.status });
  }
}

/** A query string of what is set; empty text is not. */
export function query(parts: Record<string, string | number | null | undefined>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(parts)) {
    if (value !== undefined && value !== null && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return text && `?${text}`;
}

/** One segment of a path, whatever a guest has called it. */
export const seg = encodeURIComponent;
