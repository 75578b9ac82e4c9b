/** The dashboard without a mouse, without sight of colours, and for screen readers. */

import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { finishedRun, logIn, views } from "./views.ts";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

for (const scheme of ["light", "dark"] as const) {
  test(`axe has no serious finding, ${scheme}`, async ({ browser }) => {
    test.setTimeout(240_000);
    // The dark one on a telephone: both looks, both layouts.
    const viewport = scheme === "dark" ? { width: 360, height: 740 } : { width: 1360, height: 900 };
    const context = await browser.newContext({ colorScheme: scheme, reducedMotion: "reduce", viewport });
    const page = await context.newPage();
    const findings: string[] = [];
    const look = async (name: string) => {
      const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
      for (const { id, impact, nodes } of violations) {
        findings.push(
          `${name}: ${impact} ${id}: ${nodes
            .slice(0, 3)
            .map((node) => node.html.slice(0, 160))
            .join(" | ")}`,
        );
      }
    };
    await page.goto("/login");
    await page.getByRole("heading").waitFor();
    await look("login");
    await logIn(page);
    for (const [name, address, sign] of await views(page)) {
      await page.goto(address);
      await expect(page.locator(sign).first(), name).toBeVisible();
      await look(name);
    }
    await page.goto(`/runs/${await finishedRun(page)}`);
    await page.getByRole("button", { name: "Run again" }).click();
    await look("dialog");
    await page.goto("/runs/r-000000000000");
    await page.getByRole("alert").waitFor();
    await look("failure");
    expect(findings).toEqual([]);
    await context.close();
  });
}

test("everything is reached and worked by keys", async ({ page }) => {
  await logIn(page);
  await page.goto("/");
  await page.locator("table.runs tbody tr").first().waitFor();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "New run" }).last()).toBeFocused();
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle);
  expect(outline).toBe("solid");

  const run = await finishedRun(page);
  await page.goto(`/runs/${run}/graph`);
  const node = page.getByRole("button", { name: /^train, on trainer/ });
  await node.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Stage train" })).toBeVisible();

  await page.goto(`/runs/${run}/timeline`);
  const lanes = page.getByRole("img", { name: /workers/ });
  await lanes.focus();
  const before = await lanes.getAttribute("aria-label");
  await page.keyboard.press("+");
  await expect(lanes).not.toHaveAttribute("aria-label", before ?? "");
  await page.keyboard.press("0");
  await expect(lanes).toHaveAttribute("aria-label", before ?? "");

  await page.getByRole("button", { name: "Run again" }).press("Enter");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

test("the colours follow the system until they are chosen, and then are kept", async ({ browser }) => {
  const context = await browser.newContext({ colorScheme: "dark" });
  const page = await context.newPage();
  await logIn(page);
  const shown = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await shown();
  await page.getByRole("button", { name: "Light colours" }).click();
  const light = await shown();
  expect(light).not.toBe(dark);
  await page.reload();
  await expect(page.getByRole("button", { name: "Dark colours" })).toBeVisible();
  expect(await shown()).toBe(light);
  await context.close();
});
