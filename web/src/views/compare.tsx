/** Two or more runs beside each other: curves overlaid, results and parameters in columns. */

import { useMemo, useState } from "preact/hooks";
import { getEvents, getRun } from "../api/routes.ts";
import type { Json, RunDocument } from "../api/types.ts";
import { curveGroups } from "../model/derive.ts";
import { type RunModel, emptyModel, fold } from "../model/fold.ts";
import { dateTime, number, seconds } from "../model/format.ts";
import { pipelineValues } from "../model/values.ts";
import { params } from "../router.ts";
import { Chart, type Series } from "../ui/chart.tsx";
import { useData, useTitle } from "../ui/hooks.ts";
import { Empty, Failure, Loading, Panel, Scroll, Status } from "../ui/parts.tsx";

/** More columns than this nobody reads, and each costs the events of a run. */
const RUNS_MAX = 8;

interface Entry {
  document: RunDocument;
  model: RunModel;
}

async function load(run: string, signal: AbortSignal): Promise<Entry> {
  const document = await getRun(run, signal);
  let model = emptyModel();
  for (;;) {
    const { events } = await getEvents(run, model.last, signal);
    const before = model.last;
    model = fold(model, events);
    if (events.length === 0 || model.last === before) return { document, model };
  }
}

export function Compare() {
  useTitle("Compare runs");
  const runs = [...new Set((params.value.get("runs") ?? "").split(",").filter(Boolean))].slice(0, RUNS_MAX);
  const loaded = useData(runs.join(","), (signal) => Promise.all(runs.map((run) => load(run, signal))));
  return (
    <>
      <div class="head">
        <div class="head-text">
          <a class="crumb" href="/">
            All runs
          </a>
          <h1>Compare {runs.length} runs</h1>
        </div>
      </div>
      {runs.length < 2 && (
        <Empty title="Select two or more runs">
          <p>
            Tick them in <a href="/">the list</a>.
          </p>
        </Empty>
      )}
      {loaded.loading && <Loading what="the runs" />}
      {loaded.error && <Failure error={loaded.error} retry={loaded.reload} />}
      {loaded.data && runs.length > 1 && <Columns entries={loaded.data} />}
    </>
  );
}

function Columns({ entries }: { entries: Entry[] }) {
  const charts = useMemo(() => overlaid(entries), [entries]);
  const results = tableOf(entries, (entry) => resultsOf(entry));
  const [all, setAll] = useState(false);
  const every = tableOf(entries, (entry) => pipelineValues(entry.document.pipeline_text ?? "", entry.document.set));
  const values = every.filter(([, cells]) => all || new Set(cells).size > 1);
  return (
    <div class="stack">
      <div class="pair">
        {charts.map((chart) => (
          <Panel key={chart.title}>
            <Chart title={chart.title} series={chart.series} percent={chart.title.endsWith("accuracy")} />
          </Panel>
        ))}
      </div>
      <Panel title="Results" flush>
        <Table entries={entries} rows={results} label="Results" head />
      </Panel>
      <Panel
        title="Parameters"
        flush
        aside={
          <label class="check-line">
            <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
            Also those that are equal
          </label>
        }
      >
        {values.length > 0 ? (
          <Table entries={entries} rows={values} label="Parameters" />
        ) : (
          <Empty title="The runs have the same parameters" />
        )}
      </Panel>
    </div>
  );
}

function overlaid(entries: Entry[]): { title: string; series: Series[] }[] {
  const charts: { title: string; series: Series[] }[] = [];
  entries.forEach(({ document, model }, tone) => {
    for (const group of curveGroups(model.curves)) {
      for (const curve of group.curves) {
        let chart = charts.find((one) => one.title === curve.name);
        if (!chart) charts.push((chart = { title: curve.name, series: [] }));
        chart.series.push({ label: document.report.run, points: curve.points, tone });
      }
    }
  });
  return charts;
}

type Row = [name: string, cells: (string | undefined)[]];

function resultsOf({ document: { report }, model }: Entry): Record<string, string> {
  const shown = Object.entries(report.result).map(([name, value]) => [name, text(value)]);
  return {
    "wall time": seconds(report.wall_s),
    "computing time": seconds(model.cost.cpu_s),
    calls: number(model.cost.calls),
    checkpoints: number(model.checkpoints.length),
    recoveries: number(model.recoveries.length),
    "seconds saved": seconds(model.account.saved_s),
    "seconds lost": seconds(model.account.lost_s),
    ...Object.fromEntries(shown),
  };
}

const text = (value: Json) =>
  typeof value === "number" ? number(value) : typeof value === "string" ? value : JSON.stringify(value);

function tableOf(entries: Entry[], of: (entry: Entry) => Record<string, string>): Row[] {
  const columns = entries.map(of);
  const names = [...new Set(columns.flatMap((column) => Object.keys(column)))];
  return names.map((name) => [name, columns.map((column) => column[name])]);
}

function Table({ entries, rows, label, head }: { entries: Entry[]; rows: Row[]; label: string; head?: boolean }) {
  return (
    <Scroll label={label}>
      <table class="compare">
        <thead>
          <tr>
            <th scope="col">
              <span class="sr-only">Name</span>
            </th>
            {entries.map(({ document: { report } }, tone) => (
              <th scope="col" key={report.run}>
                <a href={`/runs/${report.run}`} class={`key tone-${tone % 6}`}>
                  {report.run}
                </a>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {head && (
            <>
              <tr>
                <th scope="row">status</th>
                {entries.map(({ document: { report } }) => (
                  <td key={report.run}>
                    <Status status={report.status} />
                  </td>
                ))}
              </tr>
              <tr>
                <th scope="row">pipeline</th>
                {entries.map(({ document }) => (
                  <td key={document.report.run}>{document.pipeline}</td>
                ))}
              </tr>
              <tr>
                <th scope="row">started</th>
                {entries.map(({ document }) => (
                  <td key={document.report.run}>{dateTime(document.started_ms)}</td>
                ))}
              </tr>
            </>
          )}
          {rows.map(([name, cells]) => {
            const differs = !head && new Set(cells).size > 1;
            return (
              <tr key={name} class={differs ? "differs" : ""}>
                <th scope="row">
                  {name}
                  {differs && <span class="sr-only"> (differs)</span>}
                </th>
                {cells.map((cell, i) => (
                  <td key={i} class="wrap">
                    {cell ?? "–"}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}
