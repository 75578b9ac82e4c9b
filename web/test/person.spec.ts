/** What a person does. */

import { readFile, writeFile } from "node:fs/promises";
import { expect, type Page, test } from "@playwright/test";
import { finishedRun, listen, liveRun, logIn } from "./views.ts";

let heard: string[];
test.beforeEach(({ page }) => {
  heard = listen(page);
});
test.afterEach(() => expect(heard).toEqual([]));

/** Fails the test when the page is loaded anew. */
async function mark(page: Page): Promise<() => Promise<void>> {
  await page.evaluate(() => Object.assign(window, { sameLoad: true }));
  return async () => expect(await page.evaluate(() => "sameLoad" in window)).toBe(true);
}

const pointCount = async (page: Page) => page.locator(".chart").first().locator(".chart-data tbody tr").count();

/** Starts a short run in the page's session. */
async function start(page: Page, repeat: number): Promise<string> {
  await page.goto("/new");
  await page.getByLabel("repeat").fill(String(repeat));
  await page.getByText("Other values, failures, chaos").click();
  await page.getByLabel("Allow failures to be injected").check();
  await page.getByRole("button", { name: "Start the run" }).click();
  await expect(page).toHaveURL(/\/runs\/r-/);
  return new URL(page.url()).pathname.split("/")[2] ?? "";
}

test("a wrong token is refused in words, a right one logs in, logging out leaves nothing", async ({ page }) => {
  await page.goto("/plugins");
  await page.getByLabel("Token", { exact: true }).fill("mt_wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toContainText("unknown, expired or revoked");
  await page.getByLabel("Token", { exact: true }).fill("mt_admin");
  await page.getByRole("button", { name: "Log in" }).click();
  // The address that was asked for is the one that is shown.
  await expect(page.getByRole("heading", { name: "Plugins" })).toBeVisible();
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in to Mobula" })).toBeVisible();
  expect(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain("mt_");
});

test("the one-time link logs in", async ({ page }) => {
  await page.goto("/login?code=abc");
  await expect(page.getByRole("heading", { name: "Runs", level: 1 })).toBeVisible();
});

test("the list is live, is searched, filtered and paged, and remembers by its address", async ({ page }) => {
  await logIn(page);
  const stays = await mark(page);
  const table = page.locator("table.runs");
  const progress = table.locator("tbody tr", { hasText: "running" }).first().locator(".meter-text");
  const before = await progress.textContent();
  await expect(progress).not.toHaveText(before ?? "");
  await page.getByRole("button", { name: "Older" }).click();
  await expect(page).toHaveURL(/after=/);
  await expect(table).not.toContainText("running");
  await page.getByRole("button", { name: "Newer" }).click();
  await expect(table).toContainText("running");
  await page.getByLabel("Status").selectOption("failed");
  await expect(table.locator("tbody tr").first()).toContainText("failed");
  await page.getByLabel(/Search runs/).fill("no grant allows");
  await expect(page).toHaveURL(/q=no/);
  await expect(table.locator("tbody tr").first()).toContainText("no grant allows");
  await stays();
  const address = page.url();
  await page.goto(address);
  await expect(table.locator("tbody tr").first()).toContainText("no grant allows");
  await page.getByLabel(/Search runs/).fill("there is no such run");
  await expect(page.getByText("No run matches")).toBeVisible();
});

test("the first view of 10,000 runs asks for one page and draws no more", async ({ page }) => {
  await logIn(page);
  await page.goto("about:blank");
  const asked: string[] = [];
  page.on("request", (request) => {
    if (/\/runs\?/.test(request.url())) asked.push(request.url());
  });
  const begun = Date.now();
  await page.goto("/", { waitUntil: "commit" });
  await page.locator("table.runs tbody tr").nth(49).waitFor();
  // How long depends on the machine: it is said, not judged.
  process.stdout.write(`first view of 10,000 runs: ${Date.now() - begun} ms\n`);
  expect(asked).toHaveLength(1);
  expect(await page.locator("table.runs tbody tr").count()).toBe(50);
});

test("two runs are compared by ticking them", async ({ page }) => {
  await logIn(page);
  await page.goto("/?status=succeeded&pipeline=cifar10");
  const boxes = page.getByRole("checkbox", { name: /Compare/ });
  await boxes.nth(0).check();
  await boxes.nth(1).check();
  await boxes.nth(2).check();
  await page.getByRole("link", { name: "Compare 3 runs" }).click();
  await expect(page.getByRole("heading", { name: "Compare 3 runs" })).toBeVisible();
  await expect(page.locator(".chart").first().locator(".legend .key")).toHaveCount(3);
  await expect(page.getByRole("rowheader", { name: "test_accuracy" })).toBeVisible();
  await expect(page.getByRole("rowheader", { name: /learning_rate/ })).toBeVisible();
});

test("a run is started, its curve grows without reload, a failure is injected, its recovery is marked", async ({
  page,
}) => {
  await logIn(page);
  await start(page, 12);
  const stays = await mark(page);
  await expect.poll(() => pointCount(page), { timeout: 20_000 }).toBeGreaterThan(1);
  const before = await pointCount(page);
  await expect.poll(() => pointCount(page)).toBeGreaterThan(before);

  await page.getByRole("button", { name: "Inject failure" }).click();
  const dialog = page.getByRole("dialog", { name: "Inject a failure" });
  // Far enough ahead that a slow machine does not get there first.
  await dialog.getByLabel("Repetition, from 0").fill(String((await pointCount(page)) + 3));
  await dialog.getByLabel("The actor loses its state").check();
  await dialog.getByRole("button", { name: "Inject" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.locator(".legend .mark-recovery").first()).toBeVisible({ timeout: 20_000 });
  await expect(page.locator(".happened")).toContainText("trainer lost its state");
  await expect(page.locator(".happened")).toContainText("train goes on from c-");
  await page.getByRole("link", { name: "Timeline" }).click();
  await expect(page.locator(".lane-names")).toContainText("a2");
  await stays();

  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the run" }).click();
  await expect(page.locator(".head .status")).toHaveText("interrupted");
  await expect(page.getByRole("button", { name: "Resume" })).toBeVisible();
  await stays();
});

test("a run that ends while it is watched shows its result and what other policies would have cost", async ({
  page,
}) => {
  await logIn(page);
  await start(page, 2);
  await expect(page.locator(".head .status")).toHaveText("succeeded", { timeout: 20_000 });
  await expect(page.getByText("test_accuracy")).toBeVisible();
  await page.getByRole("link", { name: /Decisions/ }).click();
  await expect(page.getByRole("heading", { name: "What other policies would have cost" })).toBeVisible();
});

test("a lost connection is said, and what happened meanwhile is caught up with", async ({ page }) => {
  await logIn(page);
  await page.goto(`/runs/${await liveRun(page)}`);
  await expect.poll(() => pointCount(page)).toBeGreaterThan(0);
  const before = await pointCount(page);
  await page.request.get("/mock/away?ms=3500");
  const banner = page.getByText("The connection to the server is lost.");
  await expect(banner).toBeVisible();
  await expect(banner).toBeHidden({ timeout: 20_000 });
  await expect.poll(() => pointCount(page)).toBeGreaterThan(before + 1);
  const steps = await page.locator(".chart").first().locator(".chart-data tbody th").allTextContents();
  expect(steps).toEqual(steps.map((_, i) => String(i)));
});

test("what guests write stays text", async ({ page }) => {
  await logIn(page);
  const run = await finishedRun(page);
  await page.goto(`/runs/${run}/logs`);
  await expect(page.locator(".log-line", { hasText: '<img src=x onerror="document.title' }).first()).toBeVisible();
  await expect(page.locator(".log-line", { hasText: "<script>" }).first()).toBeVisible();
  expect(await page.locator(".log img, .log script, .log style, .log b").count()).toBe(0);
  await page.goto("/plugins");
  await expect(page.getByText("Written by someone you do not trust")).toBeVisible();
  await page.goto("/admin/audit");
  await expect(page.getByText('<script>document.title="owned"</script>')).toBeVisible();
  expect(await page.title()).not.toContain("owned");
});

test("the page's policy lets no foreign script run", async ({ page }) => {
  await logIn(page);
  const ran = await page.evaluate(async () => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    await new Promise((resolve) => setTimeout(resolve, 100));
    return "ran" in window;
  });
  expect(ran).toBe(false);
  expect(heard.splice(0).join()).toContain("Content Security Policy");
});

test("the log is filtered and searched", async ({ page }) => {
  await logIn(page);
  await page.goto(`/runs/${await finishedRun(page)}/logs`);
  await page.getByLabel("Least level").selectOption("error");
  await expect(page.locator(".log-line.warn")).toHaveCount(0);
  await page.getByLabel("Least level").selectOption("trace");
  await page.getByLabel("Search the log").fill("epoch 3");
  await expect(page.locator(".log-line")).toHaveCount(1);
});

test("a checkpoint is pinned, downloaded as safetensors, and begun from", async ({ page }) => {
  await logIn(page);
  await page.goto(`/runs/${await finishedRun(page)}/checkpoints`);
  const first = page.locator(".checkpoint").first();
  await first.getByRole("button", { name: "Pin" }).click();
  await expect(first.getByText("pinned")).toBeVisible();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    first.getByRole("link", { name: "Download" }).click(),
  ]);
  const body = await readFile(await download.path());
  expect(download.suggestedFilename()).toMatch(/^c-.*\.safetensors$/);
  const header = JSON.parse(body.subarray(8, 8 + Number(body.readBigUInt64LE(0))).toString()) as Record<
    string,
    { dtype: string }
  >;
  expect(header["conv1.bias"]?.dtype).toBe("F32");
  await first.getByRole("link", { name: "New run from here" }).click();
  await expect(page.getByText("The actor begins from a checkpoint:")).toBeVisible();
  await page.getByRole("button", { name: "Start the run" }).click();
  await expect(page).toHaveURL(/\/runs\/r-/);
});

test("a run is begun again with another value", async ({ page }) => {
  await logIn(page);
  await page.goto(`/runs/${await finishedRun(page)}`);
  const before = page.url();
  await page.getByRole("button", { name: "Run again" }).click();
  await page.getByLabel("stage.train.repeat").fill("3");
  await expect(page.getByText("1 changed")).toBeVisible();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await expect(page).not.toHaveURL(before);
  await expect(page.locator(".head .status")).toHaveText("running");
});

test("a plugin is dragged in, looked at, tried and enabled; what is none is refused in words", async ({
  page,
}, info) => {
  await logIn(page);
  await page.goto("/plugins");
  const drop = async (name: string, bytes: number[]) => {
    const data = await page.evaluateHandle(
      ([file, content]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(content)], file, { type: "application/wasm" }));
        return transfer;
      },
      [name, bytes] as const,
    );
    await page.locator(".drop").dispatchEvent("drop", { dataTransfer: data });
  };
  await drop("notes.txt", [1, 2, 3]);
  await expect(page.getByRole("alert")).toContainText("this is no WebAssembly component");
  await drop("sharpen.wasm", [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]);
  await expect(page.getByRole("heading", { name: "sharpen 1.0.0" })).toBeVisible();
  await expect(page.getByText("not enabled").first()).toBeVisible();
  await page.getByLabel("amount").fill("9");
  await expect(page.getByText("At most 4.")).toBeVisible();
  await page.getByLabel("amount").fill("0.7");
  await page.getByRole("button", { name: "Run once" }).click();
  await expect(page.getByText(/Done in/)).toBeVisible();
  await page.getByRole("button", { name: "Enable" }).click();
  await expect(page.getByRole("button", { name: "Disable" })).toBeVisible();

  const file = info.outputPath("again.wasm");
  await writeFile(file, Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]));
  await page.goto("/plugins");
  // The server goes away in the middle, and comes back.
  let away = 2;
  await page.route("**/api/v1/plugins", (route) =>
    route.request().method() === "POST" && away-- > 0 ? route.abort("connectionreset") : route.fallback(),
  );
  await page.getByLabel("Component file").setInputFiles(file);
  await expect(page.getByRole("heading", { name: "sharpen 1.0.0" })).toBeVisible();
});

test("a pipeline is checked as it is typed, and cannot start while it is wrong", async ({ page }) => {
  await logIn(page);
  await page.goto("/new");
  await expect(page.getByText("valid", { exact: true })).toBeVisible();
  await expect(page.getByText("stage load reads")).toBeVisible();
  const editor = page.getByLabel("Pipeline file, TOML");
  await editor.fill((await editor.inputValue()).replace('"load.x_train"', '"lod.x_train"'));
  await expect(page.getByLabel("Problems")).toContainText("which is no stage; did you mean `load`?");
  await expect(page.locator(".gutter .bad-line")).toHaveCount(1);
  await expect(page.getByRole("button", { name: "Start the run" })).toBeDisabled();
});

test("a second tenant sees nothing of the first", async ({ page, browser }) => {
  await logIn(page);
  const run = await finishedRun(page);
  const other = await browser.newContext();
  const blue = await other.newPage();
  await logIn(blue, "mt_blue");
  await expect(blue.getByText("No runs yet")).toBeVisible();
  await expect(blue.getByRole("link", { name: "Admin" })).toHaveCount(0);
  await blue.goto("/plugins");
  await expect(blue.getByText("No plugin yet")).toBeVisible();
  await blue.goto(`/runs/${run}`);
  await expect(blue.getByText("it never was, or is another's")).toBeVisible();
  await blue.goto("/admin");
  await expect(blue.getByText("There is no such page")).toBeVisible();
  await other.close();
});

test("an administrator makes a token that is shown once, and sets a quota", async ({ page }) => {
  await logIn(page);
  await page.goto("/admin");
  await page.getByRole("button", { name: "Make one for blue" }).click();
  await page.getByLabel("Label").fill("desk");
  await page.getByRole("button", { name: "Make it" }).click();
  await expect(page.locator(".secret")).toContainText("mt_nw666666_");
  await page.getByRole("button", { name: "I have it" }).click();
  await expect(page.locator(".secret")).toHaveCount(0);
  await expect(page.getByText("desk")).toBeVisible();
  await page.getByRole("button", { name: "Quota of blue" }).click();
  await page.getByRole("dialog").getByLabel("Runs at once").fill("5");
  await page.getByRole("button", { name: "Set" }).click();
  await expect(page.getByText("0 of 5")).toBeVisible();
  await page.getByRole("link", { name: "Audit log" }).click();
  await expect(page.getByText("tenant.quota")).toBeVisible();
});
