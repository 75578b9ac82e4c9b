import { defineConfig } from "vitest/config";

/** Tests of the pure parts; those in a browser are Playwright's, in `test/`. */
export default defineConfig({ test: { include: ["src/**/*.test.ts"], environment: "node" } });
