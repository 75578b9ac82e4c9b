/** The log, live: filter by level and stage, search; only the lines in sight are in the page. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Level } from "../../api/events.ts";
import { type LogLine, LOGS_MAX, stageName } from "../../model/fold.ts";
import { number, visible } from "../../model/format.ts";
import { go, params, withParams } from "../../router.ts";
import { Icon } from "../../ui/icons.tsx";
import { Empty, Panel } from "../../ui/parts.tsx";
import type { TabProps } from "./run.tsx";

const LEVELS: Level[] = ["trace", "debug", "info", "warn", "error"];
/** Height of a line, as in `run.css`. */
const LINE_PX = 22;
/** Lines drawn above and below those in sight, so that scrolling shows no gaps. */
const MARGIN = 20;
/** Of a line that are drawn; a guest may log a megabyte without an end of line. */
const CHARS_MAX = 2000;

export function Logs({ model }: TabProps) {
  const level = (params.value.get("level") as Level | null) ?? "trace";
  const stage = params.value.get("stage") ?? "";
  const [text, setText] = useState(params.peek().get("q") ?? "");
  const stages = useMemo(() => [...new Set(model.logs.map((line) => line.stage))], [model.logs]);
  const lines = useMemo(() => filtered(model.logs, level, stage, text), [model.logs, level, stage, text]);
  const set = (changes: Record<string, string>) => go(withParams(changes), "replace");
  return (
    <div class="stack tight">
      <form class="bar filters" role="search" aria-label="Log" onSubmit={(event) => event.preventDefault()}>
        <div class="search">
          <Icon name="search" />
          <input
            type="search"
            aria-label="Search the log"
            placeholder="Search"
            value={text}
            onInput={(event) => (setText(event.currentTarget.value), set({ q: event.currentTarget.value }))}
          />
        </div>
        <select aria-label="Least level" value={level} onChange={(event) => set({ level: event.currentTarget.value })}>
          {LEVELS.map((one) => (
            <option key={one} value={one}>
              {one === "trace" ? "all levels" : one === "error" ? "errors" : `${one} and above`}
            </option>
          ))}
        </select>
        <select aria-label="Stage" value={stage} onChange={(event) => set({ stage: event.currentTarget.value })}>
          <option value="">all stages</option>
          {stages.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
        <span class="dim" role="status">
          {lines.length === 1 ? "1 line" : `${number(lines.length)} lines`}
        </span>
      </form>
      {model.logs_seen > LOGS_MAX && (
        <p class="hint">
          Only the newest {number(LOGS_MAX)} lines are kept here; <code>mobula runs logs</code> has all.
        </p>
      )}
      <Panel flush>
        {lines.length > 0 ? (
          <Lines lines={lines} />
        ) : (
          <Empty title={model.logs.length > 0 ? "No line matches" : "Nothing was logged yet"} />
        )}
      </Panel>
    </div>
  );
}

function textOf(message: string): string {
  return message.length > CHARS_MAX ? `${visible(message.slice(0, CHARS_MAX))}…` : visible(message);
}

function filtered(lines: LogLine[], level: Level, stage: string, text: string): LogLine[] {
  const least = LEVELS.indexOf(level);
  const needle = text.toLowerCase();
  return lines.filter(
    (line) =>
      LEVELS.indexOf(line.level) >= least &&
      (!stage || line.stage === stage) &&
      (!needle || line.message.toLowerCase().includes(needle)),
  );
}

function Lines({ lines }: { lines: LogLine[] }) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(480);
  const atEnd = useRef(true);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    setHeight(element.clientHeight);
    // Whoever reads the end sees new lines come in; whoever has scrolled up is left alone.
    if (atEnd.current) element.scrollTop = element.scrollHeight;
  }, [lines]);
  const scrolled = () => {
    const element = box.current;
    if (!element) return;
    atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < LINE_PX;
    setTop(element.scrollTop);
  };
  const first = Math.max(0, Math.floor(top / LINE_PX) - MARGIN);
  const shown = lines.slice(first, first + Math.ceil(height / LINE_PX) + 2 * MARGIN);
  return (
    <div ref={box} class="log" role="region" aria-label="Log lines" tabIndex={0} onScroll={scrolled}>
      <div class="log-all" style={{ height: `${lines.length * LINE_PX}px` }}>
        <ol class="log-lines" style={{ transform: `translateY(${first * LINE_PX}px)` }}>
          {shown.map((line) => (
            <li key={line.id} class={`log-line ${line.level}`}>
              <span class="log-at">{line.at_s.toFixed(3)}</span>
              <span class="log-level">{line.level}</span>
              <span class="log-stage">{stageName(line.stage, line.index, line.repeated)}</span>
              <span class="log-text">{textOf(line.message)}</span>
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}
