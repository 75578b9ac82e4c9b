/** Curves over steps, drawn by uPlot, with marks as vertical lines; a table of the same for who cannot see them. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { number } from "../model/format.ts";
import { colour, isDark } from "../theme.ts";

export interface Series {
  label: string;
  points: { step: number; value: number }[];
  /** Which of the colours of series; dashes tell validation from training. */
  tone: number;
  dashed?: boolean;
}

export interface ChartMark {
  step: number;
  kind: "checkpoint" | "recovery";
  label: string;
}

interface ChartProps {
  title: string;
  series: Series[];
  marks?: ChartMark[];
  height?: number;
  percent?: boolean;
}

const TONES = ["series-1", "series-2", "series-3", "series-4", "series-5", "series-6"];
const NO_MARKS: ChartMark[] = [];

export function Chart({ title, series, marks = NO_MARKS, height = 240, percent = false }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shownMarks = useRef(marks);
  shownMarks.current = marks;
  const shape = `${isDark.value}:${percent}:${series.map((one) => `${one.label}/${one.tone}/${one.dashed}`).join("|")}`;

  useEffect(() => {
    const host = box.current;
    if (!host) return;
    const made = new uPlot(options(host.clientWidth, height, series, shownMarks, percent), aligned(series), host);
    made.root.setAttribute("aria-hidden", "true");
    plot.current = made;
    const watch = new ResizeObserver(() => {
      if (host.clientWidth > 0) made.setSize({ width: host.clientWidth, height });
    });
    watch.observe(host);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, height]);

  useEffect(() => plot.current?.setData(aligned(series)), [series, marks]);

  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="legend">
          {series.map((one) => (
            <span key={one.label} class={`key tone-${one.tone % TONES.length}${one.dashed ? " dashed" : ""}`}>
              {one.label}
            </span>
          ))}
          {marks.some((mark) => mark.kind === "checkpoint") && <span class="key mark-checkpoint">checkpoint</span>}
          {marks.some((mark) => mark.kind === "recovery") && <span class="key mark-recovery">recovery</span>}
        </span>
      </figcaption>
      <div ref={box} class="chart-box" />
      <details class="chart-data">
        <summary>Values of {title}</summary>
        <Values series={series} marks={marks} />
      </details>
    </figure>
  );
}

function Values({ series, marks }: { series: Series[]; marks: ChartMark[] }) {
  const [steps, ...columns] = aligned(series);
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">step</th>
            {series.map((one) => (
              <th scope="col" class="num" key={one.label}>
                {one.label}
              </th>
            ))}
            <th scope="col">marks</th>
          </tr>
        </thead>
        <tbody>
          {Array.from(steps ?? [], (step, row) => (
            <tr key={step}>
              <th scope="row">{step}</th>
              {columns.map((column, i) => {
                const value = column[row];
                return (
                  <td class="num" key={i}>
                    {value === null || value === undefined ? "–" : number(value)}
                  </td>
                );
              })}
              <td>
                {marks
                  .filter((mark) => mark.step === step)
                  .map((mark) => mark.label)
                  .join("; ")}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** One axis of steps for all series; `null` where a series has none. */
function aligned(series: Series[]): uPlot.AlignedData {
  const steps = [...new Set(series.flatMap((one) => one.points.map((point) => point.step)))].sort((a, b) => a - b);
  const columns = series.map((one) => {
    const at = new Map(one.points.map((point) => [point.step, point.value]));
    return steps.map((step) => at.get(step) ?? null);
  });
  return [steps, ...columns] as uPlot.AlignedData;
}

function options(
  width: number,
  height: number,
  series: Series[],
  marks: { current: ChartMark[] },
  percent: boolean,
): uPlot.Options {
  const faint = colour("text-faint");
  const axis: uPlot.Axis = {
    stroke: faint,
    font: "12px system-ui, sans-serif",
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width: Math.max(width, 120),
    height,
    padding: [12, 12, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    scales: { x: { time: false, range: steps } },
    axes: [
      {
        ...axis,
        size: 30,
        space: 40,
        values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? String(tick) : "")),
      },
      {
        ...axis,
        size: 52,
        values: (_, ticks) =>
          ticks.map((tick) => (percent ? `${number(Number((tick * 100).toFixed(2)))} %` : number(tick))),
      },
    ],
    series: [
      {},
      ...series.map((one): uPlot.Series => ({
        label: one.label,
        stroke: colour(TONES[one.tone % TONES.length] ?? "series-1"),
        width: 2,
        spanGaps: true,
        points: { show: one.points.length < 60, size: 5 },
        ...(one.dashed && { dash: [5, 4] }),
      })),
    ],
    hooks: { draw: [(u) => drawMarks(u, marks.current)] },
    plugins: [tip(percent)],
  };
}

/** More checkpoints than this are shown by their diamonds alone: so many lines would hide the curve. */
const LINES_MAX = 10;

function drawMarks(u: uPlot, marks: ChartMark[]): void {
  const { ctx, bbox } = u;
  const lines = marks.filter((mark) => mark.kind === "checkpoint").length <= LINES_MAX;
  ctx.save();
  const paint = { good: colour("good"), bad: colour("bad") };
  for (const mark of marks) {
    const x = Math.round(u.valToPos(mark.step, "x", true));
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
    const recovery = mark.kind === "recovery";
    ctx.strokeStyle = ctx.fillStyle = recovery ? paint.bad : paint.good;
    ctx.lineWidth = devicePixelRatio * (recovery ? 1.5 : 1);
    ctx.setLineDash(recovery ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    if (lines || recovery) ctx.stroke();
    // A diamond above a checkpoint, a triangle above a recovery: not told apart by colour alone.
    const r = 5 * devicePixelRatio;
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top - r);
    ctx.lineTo(x + r, recovery ? bbox.top + r : bbox.top);
    if (!recovery) ctx.lineTo(x, bbox.top + r);
    ctx.lineTo(x - r, recovery ? bbox.top + r : bbox.top);
    ctx.closePath();
    ctx.fill();
  }
  ctx.restore();
}

/** What is under the cursor, in words. */
/** All steps there are. Of a single one uPlot would make a hundred. */
function steps({ data: [all] }: uPlot, low: number, high: number): uPlot.Range.MinMax {
  const only = all.length === 1 ? (all[0] ?? low) : undefined;
  if (only !== undefined) return [only - 0.5, only + 0.5];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

function tip(percent: boolean): uPlot.Plugin {
  const box = document.createElement("div");
  box.className = "chart-tip";
  box.hidden = true;
  return {
    hooks: {
      init: (u) => u.over.append(box),
      setCursor: (u) => {
        const { idx, left } = u.cursor;
        box.hidden = idx === null || idx === undefined || (left ?? -1) < 0;
        if (box.hidden || idx === null || idx === undefined) return;
        const lines = u.series.slice(1).flatMap((one, i) => {
          const value = u.data[i + 1]?.[idx];
          if (value === null || value === undefined) return [];
          return [`${String(one.label)} ${percent ? `${(value * 100).toFixed(2)} %` : number(value)}`];
        });
        box.textContent = [`step ${u.data[0][idx]}`, ...lines].join("\n");
        const x = Math.round(u.valToPos(u.data[0][idx] ?? 0, "x"));
        const right = x > u.over.clientWidth / 2;
        box.style.left = right ? "" : `${x + 10}px`;
        box.style.right = right ? `${u.over.clientWidth - x + 10}px` : "";
      },
    },
  };
}
