/**
 * Follows a run's events: server-sent events over `fetch`, because the browser's `EventSource` gives up for
 * good on an error status and cannot be told where to resume. Reconnects with `Last-Event-ID` and waits
 * longer each time; a reader that came back has missed nothing.
 */

import { createParser } from "eventsource-parser";
import { session } from "./client.ts";
import type { RunEvent } from "./events.ts";

/** First wait before another attempt; doubles up to the longest. */
export const RETRY_FIRST_MS = 500;
export const RETRY_MAX_MS = 15_000;

export interface Listener {
  onEvent(event: RunEvent): void;
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
  after: number,
  listener: Listener,
  signal: AbortSignal,
  world: World = browser,
): Promise<void> {
  let last = String(after);
  let wait = RETRY_FIRST_MS;
  while (!signal.aborted) {
    try {
      const headers = { accept: "text/event-stream", "last-event-id": last };
      const response = await world.fetch(address, { headers, signal, credentials: "same-origin" });
      if (response.status === 401) session.value = null;
      // Asking again would get the same answer.
      if ([401, 403, 404].includes(response.status)) return;
      if (!response.ok || !response.body) throw new Error(`the stream answered ${response.status}`);
      listener.onConnection(true);
      await read(response.body, (data, id) => {
        if (id !== undefined) last = id;
        wait = RETRY_FIRST_MS;
        const event = parsed(data);
        if (event) listener.onEvent(event);
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

async function read(body: ReadableStream<Uint8Array>, take: (data: string, id: string | undefined) => void): Promise<void> {
  const parser = createParser({ onEvent: (message) => take(message.data, message.id) });
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(value);
  }
}

function parsed(data: string): RunEvent | undefined {
  try {
    const event = JSON.parse(data) as RunEvent;
    return typeof event?.body?.type === "string" ? event : undefined;
  } catch {
    return undefined;
  }
}
