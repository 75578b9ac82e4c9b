/** Which worker ran what and when: a lane for each, the actor's dedicated one marked, with zoom and pan. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { traceAddress } from "../../api/routes.ts";
import type { StageReport } from "../../api/types.ts";
import { endOf, lanesOf } from "../../model/derive.ts";
import { stageName } from "../../model/fold.ts";
import { seconds } from "../../model/format.ts";
import { isDark } from "../../theme.ts";
import { Button, Empty, LinkButton, Panel, Status } from "../../ui/parts.tsx";
import type { TabProps } from "./run.tsx";
import { AXIS_PX, barAt, draw, LANE_PX, type Scene, type View, clamped, zoomed } from "./timeline-draw.ts";

export function Timeline({ document, model }: TabProps) {
  const { run } = document.report;
  const lanes = useMemo(() => lanesOf(model), [model.stages, model.homes]);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [chosen, setChosen] = useState<StageReport>();
  // Until the user zooms, all of a growing run is in sight.
  const [fixed, setFixed] = useState<View>();
  const whole: View = { from: 0, to: Math.max(model.wall_s, 0.001) };
  const view = fixed ?? whole;
  const marks = [
    ...model.checkpoints.map((one) => ({ at_s: one.at_s, kind: "checkpoint" as const })),
    ...model.recoveries.map((one) => ({ at_s: one.at_s, kind: "recovery" as const })),
  ];
  const name = (bar: StageReport) => stageName(bar.name, bar.index, model.repeated[bar.name] ?? false);
  const scene: Scene = { lanes, view, width, marks, chosen, name, end: (bar) => endOf(bar, model) };
  const height = AXIS_PX + lanes.length * LANE_PX;

  useEffect(() => {
    const element = canvas.current?.parentElement;
    if (!element) return;
    const watch = new ResizeObserver(() => setWidth(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, [lanes.length === 0]);
  const dark = isDark.value;
  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, scene, height);
  }, [lanes, view.from, view.to, width, chosen, dark, model.wall_s]);

  const move = (next: View) => setFixed(clamped(next, whole));
  useWheel(canvas, (event) => {
    if (!event.ctrlKey && Math.abs(event.deltaX) < Math.abs(event.deltaY) && !event.shiftKey) return false;
    const span = view.to - view.from;
    if (event.ctrlKey) move(zoomed(view, Math.exp(event.deltaY / 200), event.offsetX / width));
    else
      move({
        from: view.from + ((event.deltaX || event.deltaY) / width) * span,
        to: view.to + ((event.deltaX || event.deltaY) / width) * span,
      });
    return true;
  });
  const drag = useDrag(width, view, move, (x, y) => setChosen(barAt(scene, x, y)));
  if (lanes.length === 0) return <Empty title="No worker has begun" />;

  const onKey = (event: KeyboardEvent) => {
    const step = (view.to - view.from) / 8;
    const acts: Record<string, () => void> = {
      ArrowLeft: () => move({ from: view.from - step, to: view.to - step }),
      ArrowRight: () => move({ from: view.from + step, to: view.to + step }),
      "+": () => move(zoomed(view, 0.7, 0.5)),
      "=": () => move(zoomed(view, 0.7, 0.5)),
      "-": () => move(zoomed(view, 1.4, 0.5)),
      "0": () => setFixed(undefined),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  return (
    <div class="stack">
      <Panel
        title="Workers over time"
        flush
        aside={
          <>
            <Button onClick={() => move(zoomed(view, 0.6, 0.5))}>Zoom in</Button>
            <Button onClick={() => move(zoomed(view, 1.6, 0.5))}>Zoom out</Button>
            <Button disabled={!fixed} onClick={() => setFixed(undefined)}>
              All
            </Button>
            <LinkButton href={traceAddress(run)} icon="down" download>
              Chrome trace
            </LinkButton>
          </>
        }
      >
        <div class="lanes">
          <ul class="lane-names" aria-hidden="true">
            {lanes.map((lane) => (
              <li key={lane.worker}>
                <span>{lane.worker}</span>
                {lane.actor && <small>for {lane.actor}</small>}
              </li>
            ))}
          </ul>
          <div class="lane-box">
            <canvas
              ref={canvas}
              height={height}
              tabIndex={0}
              role="img"
              aria-label={`${lanes.length} workers, ${model.stages.length} calls from ${seconds(view.from)} to ${seconds(view.to)}. Arrow keys move, plus and minus zoom, 0 shows all. The Receipts tab lists all calls.`}
              onKeyDown={onKey}
              {...drag}
            />
          </div>
        </div>
        <p class="legend lane-legend">
          <span class="key bar-task">task</span>
          <span class="key bar-actor">call of an actor</span>
          <span class="key bar-replay">replayed after a failure</span>
          <span class="key bar-failed">failed or lost</span>
          <span class="key mark-checkpoint">checkpoint</span>
          <span class="key mark-recovery">recovery</span>
          <span class="faint">Drag to move, Ctrl and wheel to zoom.</span>
        </p>
      </Panel>
      <Panel title={chosen ? name(chosen) : "A call"}>
        {chosen ? (
          <dl class="facts">
            <div>
              <dt>status</dt>
              <dd>
                <Status status={chosen.status} />
              </dd>
            </div>
            <div>
              <dt>worker</dt>
              <dd>{chosen.worker}</dd>
            </div>
            <div>
              <dt>attempt</dt>
              <dd>
                {chosen.attempt}
                {chosen.replay && ", a replay"}
              </dd>
            </div>
            <div>
              <dt>from</dt>
              <dd>{seconds(chosen.started_s)}</dd>
            </div>
            <div>
              <dt>took</dt>
              <dd>{seconds(endOf(chosen, model) - chosen.started_s)}</dd>
            </div>
            {chosen.error && (
              <div>
                <dt>error</dt>
                <dd class="wrap">{chosen.error}</dd>
              </div>
            )}
          </dl>
        ) : (
          <p class="dim">Click a bar to see what it was.</p>
        )}
      </Panel>
    </div>
  );
}

/** Wheel listeners of the framework are passive; this one may keep the page from scrolling. */
function useWheel(canvas: { current: HTMLCanvasElement | null }, take: (event: WheelEvent) => boolean): void {
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      if (latest.current(event)) event.preventDefault();
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [canvas.current]);
}

/** A press that moves drags the view; one that does not is a click. */
function useDrag(width: number, view: View, move: (view: View) => void, click: (x: number, y: number) => void) {
  const start = useRef<{ x: number; view: View; moved: boolean } | undefined>(undefined);
  return {
    onPointerDown: (event: PointerEvent) => {
      (event.currentTarget as Element).setPointerCapture(event.pointerId);
      start.current = { x: event.clientX, view, moved: false };
    },
    onPointerMove: (event: PointerEvent) => {
      const from = start.current;
      if (!from || width === 0) return;
      const by = event.clientX - from.x;
      if (Math.abs(by) > 3) from.moved = true;
      if (!from.moved) return;
      const shift = (-by / width) * (from.view.to - from.view.from);
      move({ from: from.view.from + shift, to: from.view.to + shift });
    },
    onPointerUp: (event: PointerEvent) => {
      if (start.current && !start.current.moved) click(event.offsetX, event.offsetY);
      start.current = undefined;
    },
    onPointerCancel: () => (start.current = undefined),
  };
}
