import { defineConfig } from "vite";

/** Where `npm run dev` finds the API: a real `mobula serve`, or `npm run mock`. */
const api = process.env.MOBULA_SERVER ?? "http://127.0.0.1:7878";

export default defineConfig({
  build: {
    outDir: "dist",
    target: "es2022",
    // The policy is default-src 'self': nothing may be inlined as a data: address or a script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { proxy: { "/api": { target: api, changeOrigin: true } } },
});
