/** The built dashboard, under the policy that the real server sets. */

import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export async function serveFile(request, response, url) {
  const path = normalize(decodeURIComponent(url.pathname)).replace(/^(\.\.[/\\])+/, "");
  // Whatever is no file is a view of the dashboard; `/plugins/subset/0.1.0` looks like a file and is none.
  const body =
    (await read(path)) ?? (request.headers.accept?.includes("text/html") ? await read("/index.html") : undefined);
  if (!body) {
    response.writeHead(404, { "content-type": "text/plain" });
    return response.end("not found\n");
  }
  response.writeHead(200, {
    "content-type": TYPES[extname(path)] ?? TYPES[".html"],
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
  });
  return response.end(body);
}

async function read(path) {
  try {
    return await readFile(join(DIST, path));
  } catch {
    return undefined;
  }
}
