/** The run at a glance: how far it is, its curves with marks, what came out, what went wrong. */

import { useMemo } from "preact/hooks";
import type { Json } from "../../api/types.ts";
import { curveGroups, marksOf, newest, stateOf } from "../../model/derive.ts";
import { stageName, type Notice, type RunModel } from "../../model/fold.ts";
import { bytes, number, percent, seconds } from "../../model/format.ts";
import { pipelineStages } from "../../model/values.ts";
import { Chart } from "../../ui/chart.tsx";
import { Chip, Empty, Meter, Panel, Stat, Status } from "../../ui/parts.tsx";
import type { TabProps } from "./run.tsx";

export function OverviewTab({ document, model }: TabProps) {
  const groups = useMemo(() => curveGroups(model.curves), [model.curves]);
  const stages = [
    ...new Set([...pipelineStages(document.pipeline_text ?? ""), ...model.stages.map((stage) => stage.name)]),
  ];
  return (
    <div class="stack">
      <Panel>
        <Figures model={model} />
      </Panel>
      {groups.length === 0 && model.status === "running" && (
        <Panel>
          <Empty title="No curve yet">
            <p>Curves appear here as soon as a stage reports a metric.</p>
          </Empty>
        </Panel>
      )}
      {groups.length > 0 && (
        <div class="pair">
          {groups.map((group) => (
            <Panel key={`${group.stage}.${group.title}`}>
              <Chart
                title={
                  groups.some((other) => other !== group && other.title === group.title)
                    ? `${group.title} of ${group.stage}`
                    : group.title
                }
                series={group.curves.map((curve, i) => ({
                  label: curve.name,
                  points: curve.points,
                  tone: i,
                  dashed: curve.name.startsWith("val_"),
                }))}
                marks={marksOf(model, group.stage)}
                percent={group.title === "accuracy"}
              />
            </Panel>
          ))}
        </div>
      )}
      <div class="pair">
        <div class="stack">
          <Panel title="Stages" flush>
            <ul class="rows">
              {stages.map((name) => (
                <StageRow key={name} name={name} model={model} />
              ))}
            </ul>
            {stages.length === 0 && <Empty title="No stage has begun" />}
          </Panel>
          {Object.keys(model.result).length > 0 && (
            <Panel title="Result">
              <dl class="facts">
                {Object.entries(model.result).map(([name, value]) => (
                  <div key={name}>
                    <dt>{name}</dt>
                    <dd>{shown(value)}</dd>
                  </div>
                ))}
              </dl>
            </Panel>
          )}
          {model.actors.length > 0 && (
            <Panel title="Actors">
              <dl class="facts">
                {model.actors.map((actor) => (
                  <div key={actor.name}>
                    <dt>{actor.name}</dt>
                    <dd>
                      {actor.restarts === 0
                        ? "never restarted"
                        : `restarted ${actor.restarts === 1 ? "once" : `${actor.restarts} times`}`}
                      {actor.state_digest && <code class="wrap faint">{actor.state_digest}</code>}
                    </dd>
                  </div>
                ))}
              </dl>
            </Panel>
          )}
        </div>
        <Panel title="What happened" flush>
          <Happened model={model} />
        </Panel>
      </div>
    </div>
  );
}

function Figures({ model }: { model: RunModel }) {
  const { account, cost } = model;
  const held = newest(model, "val_accuracy");
  const accuracy = held ?? newest(model, "accuracy");
  const loss = newest(model, "loss");
  return (
    <dl class="stats">
      {loss !== undefined && <Stat label="Loss" value={number(loss)} />}
      {accuracy !== undefined && (
        <Stat label={held === undefined ? "Accuracy" : "Validation accuracy"} value={percent(accuracy)} />
      )}
      <Stat label="Calls" value={number(cost.calls)} note={`${seconds(cost.cpu_s)} computing`} />
      <Stat
        label="Checkpoints"
        value={number(model.checkpoints.length)}
        note={`${seconds(account.blocking_s)} held up`}
      />
      <Stat
        label="Recoveries"
        value={number(model.recoveries.length)}
        note={`${seconds(account.saved_s)} saved, ${seconds(account.lost_s)} lost`}
      />
      <Stat label="Guest memory" value={bytes(cost.memory_peak_bytes)} note="highest of a call" />
    </dl>
  );
}

function StageRow({ name, model }: { name: string; model: RunModel }) {
  const state = stateOf(model, name);
  const progress = model.progress[name];
  const total = model.expanded[name]?.count;
  return (
    <li>
      <div class="row-main">
        <span class="row-name wrap">{name}</span>
        <Status status={state.status} />
      </div>
      <div class="row-sub">
        {state.attempts > 0 && (
          <span>
            {number(state.done)}
            {total ? ` of ${number(total)}` : ""} done in {seconds(state.seconds)}
          </span>
        )}
        {state.failed > 0 && <Chip tone="bad">{state.failed} failed</Chip>}
        {state.replayed > 0 && <Chip tone="odd">{state.replayed} replayed</Chip>}
      </div>
      {progress && (
        <Meter
          value={progress.done}
          max={progress.total ?? progress.done}
          label={`Progress of ${name}`}
          text={progress.total ? `${number(progress.done)} of ${number(progress.total)}` : number(progress.done)}
        />
      )}
    </li>
  );
}

const TONE = {
  failure: "bad",
  lost: "bad",
  restart: "odd",
  checkpoint: "odd",
  note: "calm",
  recovery: "good",
  saved: "good",
} as const;

/** Of the checkpoints only the newest: they must not push failures out of sight, and have a tab of their own. */
const SAVES_MAX = 4;

/** Failures, recoveries and checkpoints in one list, the newest first. */
function Happened({ model }: { model: RunModel }) {
  const entries: { at_s: number; kind: Notice["kind"] | "recovery" | "saved"; text: string }[] = [
    ...model.notices,
    ...model.checkpoints.slice(-SAVES_MAX).map((one) => ({
      at_s: one.at_s,
      kind: "saved" as const,
      text: `${one.id} after ${stageName(one.stage, one.index, model.repeated[one.stage] ?? true)}, ${bytes(one.bytes)}`,
    })),
    ...model.recoveries.map((one) => ({
      at_s: one.at_s,
      kind: "recovery" as const,
      text: `${one.stage} goes on ${one.from_checkpoint ? `from ${one.from_checkpoint}` : "from its beginning"}: ${seconds(one.kept_s ?? 0)} kept, ${seconds(one.lost_s ?? 0)} lost`,
    })),
  ].sort((a, b) => b.at_s - a.at_s);
  if (entries.length === 0) return <Empty title="Nothing out of the ordinary" />;
  return (
    <ol class="rows happened" tabIndex={0} aria-label="What happened">
      {entries.slice(0, 50).map((entry, i) => (
        <li key={`${entry.at_s}-${i}`}>
          <span class="num faint">{seconds(entry.at_s)}</span>
          <Chip tone={TONE[entry.kind]}>{entry.kind}</Chip>
          <span class="wrap">{entry.text}</span>
        </li>
      ))}
    </ol>
  );
}

function shown(value: Json): string {
  if (typeof value === "number") return number(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}
