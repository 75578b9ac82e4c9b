/**
 * Follows a stream of the server: server-sent events over `fetch`, because the browser's `EventSource` gives up for
 * good on an error status and cannot be told where to resume. Reconnects with `Last-Event-ID` and waits
 * longer each time; a reader that came back has missed nothing.
 */

import { createParser, type EventSourceMessage } from "eventsource-parser";
import { session } from "./client.ts";
import type { RunEvent, StageRef } from "./events.ts";

/** First wait before another attempt; doubles up to the longest. */
export const RETRY_FIRST_MS = 500;
export const RETRY_MAX_MS = 15_000;

export interface Message {
  /** The `event:` of the stream. */
  name: string;
  data: unknown;
}

export interface Listener {
  onMessage(message: Message): void;
  onConnection(connected: boolean): void;
  /** Whether there is more to come when the server has closed the stream. */
  goesOn(): boolean;
}

/** How the loop reaches the world; tests bring their own. */
export interface World {
  fetch: typeof fetch;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

const browser: World = {
  fetch: (...request) => fetch(...request),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    }),
};

export async function follow(
  address: string,
  after: number | undefined,
  listener: Listener,
  signal: AbortSignal,
  world: World = browser,
): Promise<void> {
  let last = after === undefined ? undefined : String(after);
  let wait = RETRY_FIRST_MS;
  while (!signal.aborted) {
    try {
      const headers = { accept: "text/event-stream", ...(last !== undefined && { "last-event-id": last }) };
      const response = await world.fetch(address, { headers, signal, credentials: "same-origin" });
      if (response.status === 401) session.value = null;
      // Asking again would get the same answer.
      if ([401, 403, 404].includes(response.status)) return;
      if (!response.ok || !response.body) throw new Error(`the stream answered ${response.status}`);
      listener.onConnection(true);
      await read(response.body, (message) => {
        last = message.id ?? last;
        wait = RETRY_FIRST_MS;
        const data = parsed(message.data);
        if (data !== undefined) listener.onMessage({ name: message.event ?? "message", data });
      });
      if (!listener.goesOn()) return;
    } catch {
      if (signal.aborted) return;
    }
    listener.onConnection(false);
    await world.sleep(wait, signal);
    wait = Math.min(wait * 2, RETRY_MAX_MS);
  }
}

/** A message of a run's stream as an event; progress comes without what every event has. */
export function runEvent({ name, data }: Message): RunEvent | undefined {
  if (name === "progress") {
    const { at_s, stage, done, total } = data as { at_s: number; stage: StageRef; done: number; total: number | null };
    return { at_s, body: { type: "progress", stage, done, total } };
  }
  const event = data as Partial<RunEvent> | null;
  return typeof event?.body?.type === "string" ? (event as RunEvent) : undefined;
}

async function read(body: ReadableStream<Uint8Array>, onEvent: (message: EventSourceMessage) => void): Promise<void> {
  const parser = createParser({ onEvent });
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(value);
  }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return undefined;
  }
}
