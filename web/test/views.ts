/** What the browser tests share: logging in, the views and their addresses, and the ears for what may not happen. */

import { expect, type Page } from "@playwright/test";

export async function logIn(page: Page, token = "mt_admin"): Promise<void> {
  await page.goto("/login");
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("heading", { name: "Runs", level: 1 })).toBeVisible();
}

interface Row {
  run: string;
  status: string;
  chaos?: boolean;
}

async function rows(page: Page, query: string): Promise<Row[]> {
  const answer = await page.request.get(`/api/v1/runs?${query}`);
  return ((await answer.json()) as { runs: Row[] }).runs;
}

export async function liveRun(page: Page): Promise<string> {
  const all = await rows(page, "status=running&limit=200");
  const oldest = all.at(-1);
  if (!oldest) throw new Error("the mock has no live run");
  return oldest.run;
}

/** A run that is over, of the reference pipeline, with a failure in it that it recovered from. */
export async function finishedRun(page: Page): Promise<string> {
  for (const { run } of await rows(page, "status=succeeded&pipeline=cifar10&limit=60")) {
    const answer = await page.request.get(`/api/v1/runs/${run}`);
    const { report } = (await answer.json()) as { report: { recoveries: unknown[] } };
    if (report.recoveries.length > 0) return run;
  }
  throw new Error("the mock has no run with a recovery");
}

/** Every view by name, with what shows that it is there. */
export async function views(page: Page): Promise<[name: string, address: string, sign: string][]> {
  const run = await finishedRun(page);
  const live = await liveRun(page);
  const two = (await rows(page, "status=succeeded&pipeline=cifar10&limit=3")).map((row) => row.run).join(",");
  return [
    ["runs", "/", "table.runs tbody tr"],
    ["compare", `/compare?runs=${two}`, ".compare tbody tr"],
    ["run-live", `/runs/${live}`, ".chart canvas"],
    ["run", `/runs/${run}`, ".chart canvas"],
    ["graph", `/runs/${run}/graph`, ".graph .node"],
    ["timeline", `/runs/${run}/timeline`, ".lanes canvas"],
    ["decisions", `/runs/${run}/decisions`, ".ledger tbody tr"],
    ["logs", `/runs/${run}/logs`, ".log-line"],
    ["objects", `/runs/${run}/objects?object=train_subset%2F0%2Fimages`, ".pictures img"],
    ["checkpoints", `/runs/${run}/checkpoints`, ".checkpoint"],
    ["receipts", `/runs/${run}/receipts`, "table tbody tr"],
    ["plugins", "/plugins", ".plugin-card"],
    ["plugin", "/plugins/augment/0.1.0", ".ports"],
    ["new", "/new", ".problems, .part"],
    ["admin", "/admin", ".quotas"],
    ["machine", "/admin/machine", "table tbody tr"],
    ["audit", "/admin/audit", "table tbody tr"],
  ];
}

/** Errors of the page and breaches of its policy; a test ends by expecting none. */
export function listen(page: Page): string[] {
  const heard: string[] = [];
  page.on("pageerror", (error) => heard.push(String(error)));
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    // What the network says of answers that a test asks for is not the page's fault.
    if (/Failed to load resource/.test(message.text())) return;
    heard.push(message.text());
  });
  return heard;
}
