/** Data of the server as state of a view: asked when the view opens, again on demand or every so often. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/client.ts";

export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | undefined;
  /** Whether there is nothing to show yet. */
  loading: boolean;
  reload(): void;
}

/**
 * Asks again when `key` changes, and every `every_ms` while the page is seen. What was there stays until
 * the new answer is; an error of a repetition does not take away what is shown.
 */
export function useData<T>(key: string, ask: (signal: AbortSignal) => Promise<T>, every_ms?: number): Loaded<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: ApiError }>({ key });
  const [round, setRound] = useState(0);
  const latest = useRef(ask);
  latest.current = ask;
  // A change of it counts from the next time on, and asks for nothing now.
  const every = useRef(every_ms);
  every.current = every_ms;
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      try {
        const data = await latest.current(stop.signal);
        if (!stop.signal.aborted) setState({ key, data });
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((before) => {
          const data = before.key === key ? before.data : undefined;
          return { key, error: error as ApiError, ...(data !== undefined && { data }) };
        });
      }
      if (every.current && !stop.signal.aborted) timer = setTimeout(again, every.current);
    };
    const again = () => {
      if (document.visibilityState === "visible") void run();
      else document.addEventListener("visibilitychange", again, { once: true });
    };
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", again);
    };
  }, [key, round]);
  const reload = useCallback(() => setRound((n) => n + 1), []);
  const fresh = state.key === key ? state : { key };
  const { data, error } = fresh as typeof state;
  return { data, error, loading: data === undefined && error === undefined, reload };
}

/** The value as it was when it last stood still for so long. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Mobula` : "Mobula";
  }, [title]);
}

/** Milliseconds since 1970, renewed every second while `ticks`. */
export function useNow(ticks = true): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!ticks) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [ticks]);
  return now;
}
