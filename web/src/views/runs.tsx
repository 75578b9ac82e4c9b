/** The history: all runs of the tenant, newest first, a page at a time; the newest page renews itself. */

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { getRuns, RUNS_STREAM } from "../api/routes.ts";
import { follow } from "../api/stream.ts";
import type { RunRow } from "../api/types.ts";
import { ago, dateTime, percent, seconds } from "../model/format.ts";
import { go, params, withParams } from "../router.ts";
import { useData, useNow, useSettled, useTitle } from "../ui/hooks.ts";
import { Icon } from "../ui/icons.tsx";
import { Button, Empty, Failure, LinkButton, Loading, Meter, Status } from "../ui/parts.tsx";

const PAGE = 50;
/**
 * How often the page is asked for again, while something in it runs and otherwise; a change that the server
 * tells of is shown after a moment, in which more may come. A tenant has so many requests per minute.
 */
const LIVE_MS = 4000;
const IDLE_MS = 20_000;
const CHANGE_MS = 1000;
const STATUSES = ["running", "succeeded", "failed", "interrupted"];

/** Survives paging and filtering: runs of different pages can be compared. */
const chosen = signal<string[]>([]);
/** The cursors of the pages before this one, as far as this visit has seen them. */
const trail = signal<string[]>([]);

export function Runs() {
  useTitle("Runs");
  const filter = {
    status: params.value.get("status") ?? "",
    pipeline: params.value.get("pipeline") ?? "",
    q: params.value.get("q") ?? "",
    after: params.value.get("after") ?? "",
  };
  const [live, setLive] = useState(true);
  const page = useData(
    JSON.stringify(filter),
    (signal) => getRuns({ ...filter, limit: PAGE }, signal),
    live ? LIVE_MS : IDLE_MS,
  );
  const runs = page.data?.runs;
  const anyLive = runs?.some((run) => run.status === "running" || run.status === "queued") ?? false;
  useEffect(() => setLive(anyLive), [anyLive]);
  useRunsStream(page.reload);
  const filtered = Boolean(filter.status || filter.pipeline || filter.q);

  return (
    <>
      <div class="head">
        <h1>Runs</h1>
        <div class="actions">
          {chosen.value.length > 0 && (
            <Button kind="quiet" onClick={() => (chosen.value = [])}>
              Clear selection
            </Button>
          )}
          {chosen.value.length === 1 && <Button disabled>Select one more to compare</Button>}
          {chosen.value.length > 1 && (
            <LinkButton href={`/compare?runs=${chosen.value.join(",")}`} kind="primary">
              Compare {chosen.value.length} runs
            </LinkButton>
          )}
          {chosen.value.length === 0 && (
            <LinkButton href="/new" kind="primary" icon="plus">
              New run
            </LinkButton>
          )}
        </div>
      </div>
      <Filters status={filter.status} pipeline={filter.pipeline} q={filter.q} />
      {page.loading && <Loading what="runs" />}
      {page.error && !runs && <Failure error={page.error} retry={page.reload} />}
      {runs?.length === 0 && (filtered || filter.after ? <NoMatch /> : <NoRuns />)}
      {runs && runs.length > 0 && <RunTable runs={runs} live={anyLive} />}
      {runs && <Pages after={filter.after} next={page.data?.next ?? null} count={runs.length} />}
    </>
  );
}

/** The list is asked for again as soon as the server says that it changed. */
function useRunsStream(changed: () => void): void {
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        changed();
      }, CHANGE_MS);
    };
    void follow(
      RUNS_STREAM,
      undefined,
      { onMessage: soon, onConnection: () => undefined, goesOn: () => true },
      stop.signal,
    );
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [changed]);
}

function Filters({ status, pipeline, q }: { status: string; pipeline: string; q: string }) {
  const [text, setText] = useState(q);
  const settled = useSettled(text, 200);
  // The address may change by other ways than typing.
  useEffect(() => {
    if (q !== settled) setText(q);
  }, [q]);
  useEffect(() => {
    if (settled !== (params.peek().get("q") ?? "")) change({ q: settled });
  }, [settled]);
  const change = (changes: Record<string, string | undefined>) => {
    trail.value = [];
    go(withParams({ ...changes, after: undefined }), "replace");
  };
  return (
    <form class="bar filters" role="search" aria-label="Runs" onSubmit={(event) => event.preventDefault()}>
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          aria-label="Search runs by id, pipeline or error"
          placeholder="Search id, pipeline, error"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </div>
      <select aria-label="Status" value={status} onChange={(event) => change({ status: event.currentTarget.value })}>
        <option value="">All statuses</option>
        {STATUSES.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
      {pipeline && (
        <Button icon="close" onClick={() => change({ pipeline: undefined })}>
          pipeline {pipeline}
          <span class="sr-only">: show all pipelines</span>
        </Button>
      )}
    </form>
  );
}

function RunTable({ runs, live }: { runs: RunRow[]; live: boolean }) {
  const now = useNow(live);
  const tenants = runs.some((run) => run.tenant);
  return (
    <div class="panel flush">
      <table class="cards runs">
        <caption class="sr-only">Runs, newest first</caption>
        <thead>
          <tr>
            <th class="tick">
              <span class="sr-only">Compare</span>
            </th>
            <th scope="col">Run</th>
            <th scope="col">Status</th>
            <th scope="col">Progress</th>
            <th scope="col" class="num">
              Accuracy
            </th>
            {tenants && <th scope="col">Tenant</th>}
            <th scope="col" class="num">
              Duration
            </th>
            <th scope="col" class="num">
              Started
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <Row key={run.run} run={run} now={now} tenants={tenants} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ run, now, tenants }: { run: RunRow; now: number; tenants: boolean }) {
  const picked = chosen.value.includes(run.run);
  const pick = () =>
    (chosen.value = picked ? chosen.value.filter((one) => one !== run.run) : [...chosen.value, run.run]);
  const wall_s = run.status === "running" ? Math.max(run.wall_s, (now - run.started_ms) / 1000) : run.wall_s;
  return (
    <tr class={picked ? "picked" : ""}>
      <td class="tick">
        <input type="checkbox" checked={picked} onChange={pick} aria-label={`Compare ${run.run}`} />
      </td>
      <th scope="row" class="run-name">
        <a href={`/runs/${run.run}`}>{run.pipeline}</a>
        <span class="mono faint">{run.run}</span>
        {run.error && <span class="run-error">{run.error}</span>}
      </th>
      <td data-label="Status">
        <Status status={run.status} />
      </td>
      <td data-label="Progress">
        {run.progress ? (
          <Meter
            value={run.progress.done}
            max={run.progress.total}
            label={`Progress of ${run.run}`}
            text={`${run.progress.done} of ${run.progress.total}`}
          />
        ) : (
          <span class="faint">–</span>
        )}
      </td>
      <td class="num" data-label="Accuracy">
        {run.accuracy === null ? <span class="faint">–</span> : percent(run.accuracy)}
      </td>
      {tenants && <td data-label="Tenant">{run.tenant}</td>}
      <td class="num" data-label="Duration">
        {seconds(wall_s)}
      </td>
      <td class="num" data-label="Started">
        <time dateTime={new Date(run.started_ms).toISOString()} title={dateTime(run.started_ms)}>
          {ago(run.started_ms, now)}
        </time>
      </td>
    </tr>
  );
}

function Pages({ after, next, count }: { after: string; next: string | null; count: number }) {
  if (!after && !next) return count > 1 ? <p class="pages faint">All {count} of them.</p> : null;
  const newer = () => {
    const known = trail.value;
    trail.value = known.slice(0, -1);
    go(withParams({ after: known.at(-1) }));
  };
  const older = () => {
    trail.value = [...trail.value, after];
    go(withParams({ after: next ?? undefined }));
  };
  return (
    <nav class="pages" aria-label="Pages of runs">
      <Button disabled={!after} onClick={() => ((trail.value = []), go(withParams({ after: undefined })))}>
        Newest
      </Button>
      <Button icon="left" disabled={!after || trail.value.length === 0} onClick={newer}>
        Newer
      </Button>
      <Button disabled={!next} onClick={older}>
        Older
        <Icon name="right" />
      </Button>
    </nav>
  );
}

function NoRuns() {
  return (
    <Empty title="No runs yet">
      <p>
        <a href="/new">Start one here</a>, or with <code>mobula run FILE</code> on a terminal.
      </p>
    </Empty>
  );
}

function NoMatch() {
  return (
    <Empty title="No run matches">
      <p>
        <a href="/">Show all runs</a>
      </p>
    </Empty>
  );
}
