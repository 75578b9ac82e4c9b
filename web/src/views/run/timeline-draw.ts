/** Draws lanes and bars on a canvas, and finds the bar under a point. Knows nothing of events or state. */

import type { StageReport } from "../../api/types.ts";
import type { Lane } from "../../model/derive.ts";
import { seconds } from "../../model/format.ts";
import { colour } from "../../theme.ts";

/** Heights, as in `pictures.css`. */
export const AXIS_PX = 28;
export const LANE_PX = 44;
const BAR_PX = 28;
/** A call of microseconds is still seen, and can be clicked. */
const BAR_MIN_PX = 2;
/** More checkpoints than this are shown by their diamonds alone. */
const LINES_MAX = 10;
/** Closer than this nobody looks. */
const SPAN_MIN_S = 0.0005;

/** Seconds in sight. */
export interface View {
  from: number;
  to: number;
}

export interface Scene {
  lanes: Lane[];
  view: View;
  width: number;
  marks: { at_s: number; kind: "checkpoint" | "recovery" }[];
  chosen: StageReport | undefined;
  name(bar: StageReport): string;
  end(bar: StageReport): number;
}

export function zoomed(view: View, factor: number, around: number): View {
  const span = Math.max((view.to - view.from) * factor, SPAN_MIN_S);
  const centre = view.from + (view.to - view.from) * around;
  return { from: centre - span * around, to: centre + span * (1 - around) };
}

/** Kept within the run; `undefined` when all of it is in sight. */
export function clamped(view: View, whole: View): View | undefined {
  const span = view.to - view.from;
  if (span >= whole.to - whole.from) return undefined;
  const from = Math.min(Math.max(view.from, whole.from), whole.to - span);
  return { from, to: from + span };
}

function xOf(scene: Scene, at_s: number): number {
  return ((at_s - scene.view.from) / (scene.view.to - scene.view.from)) * scene.width;
}

export function barAt(scene: Scene, x: number, y: number): StageReport | undefined {
  const lane = scene.lanes[Math.floor((y - AXIS_PX) / LANE_PX)];
  return lane?.bars.findLast((bar) => {
    const from = xOf(scene, bar.started_s);
    return x >= from - 1 && x <= Math.max(xOf(scene, scene.end(bar)), from + BAR_MIN_PX) + 1;
  });
}

export function draw(canvas: HTMLCanvasElement, scene: Scene, height: number): void {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(scene.width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${scene.width}px`;
  canvas.style.height = `${height}px`;
  const ctx = canvas.getContext("2d");
  if (!ctx) return;
  const paint = palette();
  ctx.scale(ratio, ratio);
  ctx.font = "12px system-ui, sans-serif";
  ctx.textBaseline = "middle";
  drawGrid(ctx, scene, height, paint);
  scene.lanes.forEach((lane, i) => {
    for (const bar of lane.bars) drawBar(ctx, scene, bar, AXIS_PX + i * LANE_PX + (LANE_PX - BAR_PX) / 2, paint);
  });
  const lines = scene.marks.filter((mark) => mark.kind === "checkpoint").length <= LINES_MAX;
  for (const mark of scene.marks) {
    const foot = lines || mark.kind === "recovery" ? height : AXIS_PX;
    drawMark(ctx, xOf(scene, mark.at_s), mark.kind, foot, paint);
  }
}

function palette() {
  const names = [
    "accent",
    "series-3",
    "bad",
    "odd",
    "good",
    "text",
    "text-faint",
    "line",
    "surface",
    "sunken",
  ] as const;
  return Object.fromEntries(names.map((name) => [name, colour(name)])) as Record<(typeof names)[number], string>;
}
type Palette = ReturnType<typeof palette>;

function drawGrid(ctx: CanvasRenderingContext2D, scene: Scene, height: number, paint: Palette): void {
  scene.lanes.forEach((lane, i) => {
    if (lane.actor === null) return;
    ctx.fillStyle = paint.sunken;
    ctx.fillRect(0, AXIS_PX + i * LANE_PX, scene.width, LANE_PX);
  });
  const step = tickStep((scene.view.to - scene.view.from) / Math.max(2, scene.width / 110));
  ctx.strokeStyle = paint.line;
  ctx.fillStyle = paint["text-faint"];
  for (let at = Math.ceil(scene.view.from / step) * step; at <= scene.view.to; at += step) {
    const x = Math.round(xOf(scene, at)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(x, AXIS_PX - 4);
    ctx.lineTo(x, height);
    ctx.stroke();
    const label = seconds(Math.max(0, at));
    if (x + ctx.measureText(label).width + 4 < scene.width) ctx.fillText(label, x + 4, 12);
  }
  for (let i = 0; i <= scene.lanes.length; i += 1) {
    ctx.beginPath();
    ctx.moveTo(0, AXIS_PX + i * LANE_PX + 0.5);
    ctx.lineTo(scene.width, AXIS_PX + i * LANE_PX + 0.5);
    ctx.stroke();
  }
}

/** 1, 2 or 5 times a power of ten. */
function tickStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10);
}

function drawBar(ctx: CanvasRenderingContext2D, scene: Scene, bar: StageReport, y: number, paint: Palette): void {
  const from = xOf(scene, bar.started_s);
  const to = Math.max(xOf(scene, scene.end(bar)), from + BAR_MIN_PX);
  if (to < 0 || from > scene.width) return;
  const left = Math.max(from, -4);
  const width = Math.min(to, scene.width + 4) - left;
  const lost = bar.status === "failed" || bar.status === "interrupted";
  ctx.fillStyle = lost ? paint.bad : bar.replay ? paint.odd : bar.kind === "actor" ? paint["series-3"] : paint.accent;
  ctx.globalAlpha = bar.status === "running" ? 0.6 : 1;
  ctx.beginPath();
  ctx.roundRect(left, y, Math.max(width - 1, BAR_MIN_PX), BAR_PX, width > 8 ? 5 : 0);
  ctx.fill();
  ctx.globalAlpha = 1;
  if (bar === scene.chosen) {
    ctx.strokeStyle = paint.text;
    ctx.lineWidth = 2;
    ctx.stroke();
    ctx.lineWidth = 1;
  }
  const label = scene.name(bar);
  if (width > ctx.measureText(label).width + 14) {
    ctx.fillStyle = paint.surface;
    ctx.fillText(label, Math.max(left, 0) + 7, y + BAR_PX / 2 + 0.5);
  }
}

function drawMark(
  ctx: CanvasRenderingContext2D,
  x: number,
  kind: "checkpoint" | "recovery",
  height: number,
  paint: Palette,
): void {
  const recovery = kind === "recovery";
  ctx.strokeStyle = ctx.fillStyle = recovery ? paint.bad : paint.good;
  ctx.setLineDash(recovery ? [] : [3, 3]);
  ctx.beginPath();
  ctx.moveTo(x, AXIS_PX - 4);
  ctx.lineTo(x, height);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.beginPath();
  ctx.moveTo(x, AXIS_PX - 10);
  ctx.lineTo(x + 5, recovery ? AXIS_PX : AXIS_PX - 5);
  if (!recovery) ctx.lineTo(x, AXIS_PX);
  ctx.lineTo(x - 5, recovery ? AXIS_PX : AXIS_PX - 5);
  ctx.closePath();
  ctx.fill();
}
