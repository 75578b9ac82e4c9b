import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

/** Debian's, unless `CHROMIUM` names another; without either, the browser that Playwright brought along. */
const chromium = [process.env.CHROMIUM, "/usr/bin/chromium"].find((path) => path && existsSync(path));
const port = Number(process.env.PORT ?? 7901);

export default defineConfig({
  testDir: "test",
  testIgnore: "real/**",
  outputDir: "test/results",
  workers: 1,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  use: {
    baseURL: `http://127.0.0.1:${port}`,
    browserName: "chromium",
    locale: "en-GB",
    launchOptions: {
      ...(chromium && { executablePath: chromium }),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  webServer: {
    command: `node test/mock.mjs --port ${port}`,
    url: `http://127.0.0.1:${port}/icon.svg`,
    reuseExistingServer: false,
  },
});
