/**
 * The fold against the host's own: `golden/` holds the events of a run that was made by `mobula run` (a trap, a lost
 * actor, checkpoints always) and the report that `mobula runs show --json` made of them.
 */

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { RunEvent } from "../api/events.ts";
import type { RunReport } from "../api/types.ts";
import { emptyModel, fold } from "./fold.ts";

const golden = <T>(name: string) =>
  JSON.parse(readFileSync(new URL(`golden/${name}.json`, import.meta.url), "utf8")) as T;
const { events } = golden<{ events: RunEvent[] }>("events");
const report = golden<RunReport>("report");

/** Every number of what is expected is met to nine digits, everything else exactly; more fields may stand beside. */
function check(found: unknown, expected: unknown, path: string): void {
  if (typeof expected === "number") {
    expect(found, path).toBeCloseTo(expected, 9);
  } else if (Array.isArray(expected)) {
    expect(found, path).toHaveLength(expected.length);
    expected.forEach((one, i) => check((found as unknown[])[i], one, `${path}[${i}]`));
  } else if (typeof expected === "object" && expected !== null) {
    for (const [name, one] of Object.entries(expected))
      check((found as Record<string, unknown>)[name], one, `${path}.${name}`);
  } else {
    expect(found, path).toBe(expected);
  }
}

it("gives the report that the host gives", () => {
  const model = fold(emptyModel(), events);
  const { policies, ...account } = report.account;
  check(model, { ...report, account, run: undefined, seed: undefined, $type: undefined, error: model.error }, "report");
  expect(policies.length).toBeGreaterThan(0);
  expect(model.recoveries).toHaveLength(1);
  expect(model.stages.some((stage) => stage.status === "failed")).toBe(true);
});

it("gives the same when the events come one by one", () => {
  expect(events.reduce((model, event) => fold(model, [event]), emptyModel())).toEqual(fold(emptyModel(), events));
});
