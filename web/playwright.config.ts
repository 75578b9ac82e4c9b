import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { defineConfig } from "@playwright/test";

/** Debian's, unless `CHROMIUM` names another; without either, the browser that Playwright brought along. */
const chromium = [process.env.CHROMIUM, "/usr/bin/chromium"].find((path) => path && existsSync(path));
/** A free one, the same for the test processes that read this file again. */
process.env.PORT ??= String(await free());
const port = Number(process.env.PORT);

function free(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

export default defineConfig({
  testDir: "test",
  testIgnore: "real/**",
  outputDir: "test/results",
  workers: 1,
  retries: 0,
  timeout: 240_000,
  expect: { timeout: 30_000 },
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
