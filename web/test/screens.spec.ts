/** A picture of each view, dark and light, wide and narrow, for people to look at: `test/screens/`. */

import { expect, test } from "@playwright/test";
import { listen, logIn, views } from "./views.ts";

const SIZES = { desktop: { width: 1360, height: 900 }, phone: { width: 360, height: 740 } };

for (const scheme of ["light", "dark"] as const) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    test(`each view fits, ${scheme}, ${size}`, async ({ browser }) => {
      test.setTimeout(180_000);
      const page = await browser.newPage({ colorScheme: scheme, viewport });
      const heard = listen(page);
      await page.goto("/login");
      await page.screenshot({ path: `test/screens/login-${scheme}-${size}.png` });
      await logIn(page);
      for (const [name, address, sign] of await views(page)) {
        await page.goto(address);
        await expect(page.locator(sign).first(), name).toBeVisible();
        await page.waitForTimeout(250);
        await page.screenshot({ path: `test/screens/${name}-${scheme}-${size}.png`, fullPage: name !== "runs" });
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(overflow, `${name} is wider than the window`).toBeLessThanOrEqual(0);
      }
      expect(heard).toEqual([]);
      await page.close();
    });
  }
}
