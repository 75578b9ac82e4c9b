/** The stages of a run and what passes between them. */

import { useState } from "preact/hooks";
import { getGraph } from "../../api/routes.ts";
import type { Graph, GraphNode } from "../../api/types.ts";
import { stateOf } from "../../model/derive.ts";
import type { RunModel } from "../../model/fold.ts";
import { number, seconds } from "../../model/format.ts";
import { layout } from "../../model/layout.ts";
import { useData } from "../../ui/hooks.ts";
import { Chip, Empty, Failure, Loading, Panel, Scroll, Status } from "../../ui/parts.tsx";
import type { TabProps } from "./run.tsx";

const NODE = { width: 184, height: 66, gapX: 72, gapY: 26, margin: 12 };

export function GraphTab({ document, model }: TabProps) {
  const { run } = document.report;
  const loaded = useData(run, (signal) => getGraph(run, signal));
  const [chosen, setChosen] = useState<string>();
  if (loaded.loading) return <Loading what="the graph" />;
  if (loaded.error) return <Failure error={loaded.error} retry={loaded.reload} />;
  const graph = loaded.data;
  if (!graph || graph.nodes.length === 0) return <Empty title="The pipeline has no stage" />;
  return (
    <div class="stack">
      <Panel flush>
        <Scroll label="Graph of stages">
          <Picture graph={graph} model={model} chosen={chosen} choose={setChosen} />
        </Scroll>
      </Panel>
      <Panel title={chosen ? `Stage ${chosen}` : "Edges"}>
        <Edges graph={graph} chosen={chosen} model={model} />
      </Panel>
    </div>
  );
}

interface PictureProps {
  graph: Graph;
  model: RunModel;
  chosen: string | undefined;
  choose(id: string): void;
}

function Picture({ graph, model, chosen, choose }: PictureProps) {
  const placed = layout(
    graph.nodes.map((node) => node.id),
    graph.edges,
  );
  const at = new Map(
    placed.nodes.map((node) => [
      node.id,
      {
        x: NODE.margin + node.column * (NODE.width + NODE.gapX),
        y: NODE.margin + node.row * (NODE.height + NODE.gapY),
      },
    ]),
  );
  const width = placed.columns * (NODE.width + NODE.gapX) - NODE.gapX + 2 * NODE.margin;
  const height = placed.rows * (NODE.height + NODE.gapY) - NODE.gapY + 2 * NODE.margin;
  const pairs = [...new Map(graph.edges.map((edge) => [`${edge.from}\n${edge.to}`, edge])).values()];
  return (
    <svg
      class="graph"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="group"
      aria-label="Stages"
    >
      {pairs.map((edge) => {
        const from = at.get(edge.from);
        const to = at.get(edge.to);
        if (!from || !to) return null;
        const [x1, y1, x2, y2] = [from.x + NODE.width, from.y + NODE.height / 2, to.x - 4, to.y + NODE.height / 2];
        const bend = Math.max(30, (x2 - x1) / 2);
        const lit = chosen === edge.from || chosen === edge.to;
        return (
          <g key={`${edge.from}-${edge.to}`} class={`edge${lit ? " lit" : ""}`} aria-hidden="true">
            <path d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 4} ${y2}`} />
            <path class="arrow" d={`M${x2 - 7} ${y2 - 4.5}l8 4.5-8 4.5z`} />
          </g>
        );
      })}
      {graph.nodes.map((node) => {
        const place = at.get(node.id);
        return (
          place && (
            <Node
              key={node.id}
              node={node}
              model={model}
              place={place}
              chosen={chosen === node.id}
              choose={() => choose(node.id)}
            />
          )
        );
      })}
    </svg>
  );
}

function Node({
  node,
  model,
  place,
  chosen,
  choose,
}: {
  node: GraphNode;
  model: RunModel;
  place: { x: number; y: number };
  chosen: boolean;
  choose(): void;
}) {
  const state = stateOf(model, node.id);
  const status = state.attempts > 0 ? state.status : node.status;
  const total = model.expanded[node.id]?.count ?? node.repeat ?? 1;
  const under = node.actor ? `on ${node.actor}` : "task";
  const done =
    total > 1 ? `${number(state.done)} of ${number(total)}` : state.attempts > 0 ? seconds(state.seconds) : "";
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose();
  };
  return (
    <g
      class={`node ${status}${chosen ? " chosen" : ""}${node.actor ? " on-actor" : ""}`}
      transform={`translate(${place.x} ${place.y})`}
      role="button"
      tabindex={0}
      aria-label={`${node.id}, ${under}, ${status}${done && `, ${done}`}`}
      aria-pressed={chosen}
      onClick={choose}
      onKeyDown={onKey}
    >
      <rect width={NODE.width} height={NODE.height} rx="10" />
      <rect class="tone" width="5" height={NODE.height - 20} x="9" y="10" rx="2.5" />
      <text class="title" x="24" y="27">
        {short(node.id, 19)}
      </text>
      <text class="under" x="24" y="48">
        {short(under, Math.min(13, LINE_MAX - (done || status).length))}
      </text>
      <text class="under" x={NODE.width - 12} y="48" text-anchor="end">
        {done || status}
      </text>
    </g>
  );
}

/** Characters that fit side by side below a stage's name. */
const LINE_MAX = 24;
/** A text, or its beginning; nothing where not even that fits. */
const short = (text: string, max: number) => (text.length <= max ? text : max < 4 ? "" : `${text.slice(0, max - 1)}…`);

function Edges({ graph, chosen, model }: { graph: Graph; chosen: string | undefined; model: RunModel }) {
  const edges = graph.edges.filter((edge) => !chosen || edge.from === chosen || edge.to === chosen);
  const state = chosen ? stateOf(model, chosen) : undefined;
  const node = graph.nodes.find((one) => one.id === chosen);
  return (
    <div class="stack tight">
      {state && (
        <p class="head-sub">
          <Status status={state.attempts > 0 ? state.status : (node?.status ?? "waiting")} />
          <span>
            {state.attempts} attempts, {state.failed} failed, {state.replayed} replayed
          </span>
          <span>{seconds(state.seconds)}</span>
        </p>
      )}
      <ul class="edge-list">
        {edges.map((edge) => (
          <li key={`${edge.from}.${edge.field}>${edge.to}`} class="wrap">
            {edge.from} <Chip>{edge.field}</Chip> → {edge.to}
          </li>
        ))}
      </ul>
      {edges.length === 0 && <p class="dim">Nothing passes in or out.</p>}
    </div>
  );
}
