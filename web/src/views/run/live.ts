/** A run as it is and goes on: its report, its events so far, then the stream. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { type ApiError, streamAway } from "../../api/client.ts";
import type { RunEvent } from "../../api/events.ts";
import { getEvents, getRun, streamAddress } from "../../api/routes.ts";
import { follow, runEvent } from "../../api/stream.ts";
import type { RunDocument } from "../../api/types.ts";
import { emptyModel, fold, type RunModel } from "../../model/fold.ts";

/** Events are folded together for so long before the page is drawn: ten times a second is enough. */
const BATCH_MS = 100;

export interface LiveRun {
  document: RunDocument | undefined;
  model: RunModel;
  error: ApiError | undefined;
  /** Asks for everything anew, as after a resume. */
  reload(): void;
}

export function useRun(run: string): LiveRun {
  const [document, setDocument] = useState<RunDocument>();
  const [model, setModel] = useState<RunModel>(emptyModel);
  const [error, setError] = useState<ApiError>();
  const [round, setRound] = useState(0);

  useEffect(() => {
    const stop = new AbortController();
    watch(run, stop.signal, { setDocument, setModel }).catch((cause: ApiError) => {
      if (!stop.signal.aborted) setError(cause);
    });
    return () => {
      stop.abort();
      streamAway.value = false;
    };
  }, [run, round]);

  const reload = useCallback(() => {
    setError(undefined);
    setRound((n) => n + 1);
  }, []);
  return { document, model, error, reload };
}

interface Sink {
  setDocument(document: RunDocument): void;
  setModel(model: RunModel): void;
}

async function watch(run: string, signal: AbortSignal, sink: Sink): Promise<void> {
  const document = await getRun(run, signal);
  sink.setDocument(document);
  let model = await history(run, signal);
  sink.setModel(model);
  // A run of another process on the same home is not the server's own, and goes on all the same.
  if (!document.live && document.report.status !== "running") return;

  let waiting: RunEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    timer = undefined;
    model = fold(model, waiting);
    waiting = [];
    if (!signal.aborted) sink.setModel(model);
  };
  let ended = false;
  await follow(
    streamAddress(run),
    model.last,
    {
      onMessage: (message) => {
        if (message.name === "end") ended = true;
        const event = runEvent(message);
        if (!event) return;
        waiting.push(event);
        timer ??= setTimeout(flush, BATCH_MS);
      },
      onConnection: (connected) => {
        if (!signal.aborted) streamAway.value = !connected;
      },
      goesOn: () => !ended,
    },
    signal,
  );
  clearTimeout(timer);
  if (signal.aborted) return;
  flush();
  // The end brings what only the server computes, such as what other policies would have cost.
  sink.setDocument(await getRun(run, signal));
}

async function history(run: string, signal: AbortSignal): Promise<RunModel> {
  let model = emptyModel();
  for (;;) {
    const { events } = await getEvents(run, model.last, signal);
    const before = model.last;
    model = fold(model, events);
    if (model.last === before) return model;
  }
}
