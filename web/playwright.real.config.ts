import { defineConfig } from "@playwright/test";
import mock from "./playwright.config.ts";

/** The same browser against a real server, which is there already; see `test/real/person.spec.ts`. */
const { webServer: _, ...base } = mock;
export default defineConfig({
  ...base,
  testDir: "test/real",
  testIgnore: [],
  timeout: 180_000,
  use: { ...base.use, baseURL: process.env.MOBULA_URL ?? "http://127.0.0.1:7878" },
});
