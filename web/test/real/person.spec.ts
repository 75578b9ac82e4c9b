/**
 * What a person does, with a real server: `npm run test:real`. The environment says where it is and who asks:
 *
 *   MOBULA_URL     http://127.0.0.1:7878
 *   MOBULA_TOKEN   an administrator's, of a tenant that has the mount `cifar-10`
 *   MOBULA_OTHER   a token of another tenant
 *   MOBULA_PLUGIN  a component file to upload, of a plugin with a task
 */

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { listen } from "../views.ts";

function given(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

async function logIn(page: Page, token: string): Promise<void> {
  await page.goto("/");
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("heading", { name: "Runs", level: 1 })).toBeVisible();
}

const points = async (page: Page) => page.locator(".chart").first().locator(".chart-data tbody tr").count();

test("upload, start, watch, break, recover, take away; the other tenant sees nothing", async ({ page, browser }) => {
  const heard = listen(page);
  await logIn(page, given("MOBULA_TOKEN"));

  const file = given("MOBULA_PLUGIN");
  await page.goto("/plugins");
  await page.getByLabel("Component file").setInputFiles(file);
  await expect(page, `upload of ${basename(file)}`).toHaveURL(/\/plugins\/.+\/.+/, { timeout: 60_000 });
  const enable = page.getByRole("button", { name: "Enable" });
  if (await enable.isVisible()) await enable.click();
  await expect(page.getByRole("button", { name: "Disable" })).toBeVisible();

  await page.goto("/new?pipeline=cifar10");
  // The example names a folder of its author's; the form offers those that were granted here.
  await page.getByLabel("Folder for data of load").selectOption("cifar-10");
  await expect(page.getByText("valid", { exact: true })).toBeVisible();
  await page.getByText("Other values, failures, chaos").click();
  await page
    .getByLabel("Set", { exact: true })
    .fill(
      "checkpoint.policy=always\nstage.train.repeat=40\nstage.train_subset.args.size=300\nstage.test_subset.args.size=100",
    );
  await page.getByLabel("Allow failures to be injected").check();
  await page.getByRole("button", { name: "Start the run" }).click();
  await expect(page).toHaveURL(/\/runs\/r-/);
  const run = new URL(page.url()).pathname;
  await page.evaluate(() => Object.assign(window, { sameLoad: true }));

  await expect.poll(() => points(page), { timeout: 60_000 }).toBeGreaterThan(0);
  const before = await points(page);
  await expect.poll(() => points(page), { timeout: 30_000 }).toBeGreaterThan(before);

  await page.getByRole("button", { name: "Inject failure" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Repetition, from 0").fill(String((await points(page)) + 4));
  await dialog.getByLabel("The actor loses its state").check();
  await dialog.getByRole("button", { name: "Inject" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.locator(".legend .mark-recovery").first()).toBeVisible({ timeout: 60_000 });
  await expect(page.locator(".head .status")).toHaveText("succeeded", { timeout: 120_000 });
  await expect(page.getByText("test_accuracy")).toBeVisible();
  expect(await page.evaluate(() => "sameLoad" in window)).toBe(true);

  for (const tab of ["Graph", "Timeline", "Decisions", "Logs", "Objects", "Receipts"]) {
    await page.getByRole("link", { name: new RegExp(`^${tab}`) }).click();
    await expect(page.getByRole("alert"), tab).toHaveCount(0);
  }
  await page.getByRole("link", { name: /^Checkpoints/ }).click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.locator(".checkpoint", { hasText: "trainer" }).first().getByRole("link", { name: "Download" }).click(),
  ]);
  const body = await readFile(await download.path());
  const header = JSON.parse(body.subarray(8, 8 + Number(body.readBigUInt64LE(0))).toString()) as Record<
    string,
    unknown
  >;
  expect(Object.keys(header)).toContain("conv1.kernel");

  const other = await browser.newContext();
  const blue = await other.newPage();
  await logIn(blue, given("MOBULA_OTHER"));
  await expect(blue.getByText("No runs yet")).toBeVisible();
  await blue.goto(run);
  await expect(blue.getByText("There is nothing here")).toBeVisible();
  await other.close();
  expect(heard).toEqual([]);
});

test("each view stands on real data", async ({ page }) => {
  const heard = listen(page);
  await logIn(page, given("MOBULA_TOKEN"));
  for (const address of ["/", "/plugins", "/new", "/admin", "/admin/machine", "/admin/audit"]) {
    await page.goto(address);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await expect(page.locator(".state .spinner")).toHaveCount(0);
    await expect(page.getByRole("alert"), address).toHaveCount(0);
    await page.screenshot({ path: `test/screens/real${address.replaceAll("/", "-")}.png` });
  }
  expect(heard).toEqual([]);
});
