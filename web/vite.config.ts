import { defineConfig } from "vite";

/** Where `npm run dev` and `vite preview` find the API: a real `mobula serve`, or `npm run mock`. */
const api = process.env.MOBULA_SERVER ?? "http://127.0.0.1:7878";
// The server is told the browser's own name for the page (`mobula serve --host localhost:5173`) and checks it.
const proxy = { "/api": { target: api, changeOrigin: false } };

export default defineConfig({
  build: {
    outDir: "dist",
    target: "es2022",
    // The policy allows scripts and styles from the server alone: nothing may be inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { port: 5173, strictPort: true, proxy },
  preview: { port: 5173, strictPort: true, proxy },
});
