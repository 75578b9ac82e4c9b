/**
 * Stands in for `mobula serve` while the dashboard is worked on and tested: the API of the contract over
 * data that looks real, 10,000 runs, one of them live, and guests that try to inject HTML.
 * `node test/mock.mjs [--port 7878]`; prints the address. Token of an administrator: `mt_admin`, of another tenant: `mt_blue`.
 */

import { createServer } from "node:http";
import { handle } from "./mock/api.mjs";
import { serveFile } from "./mock/files.mjs";

const at = process.argv.indexOf("--port");
const port = Number(at > 0 ? process.argv[at + 1] : (process.env.PORT ?? 7878));

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://mock");
  const answer = url.pathname.startsWith("/api/") || url.pathname.startsWith("/mock/") ? handle : serveFile;
  Promise.resolve(answer(request, response, url)).catch((error) => {
    process.stderr.write(`${request.method} ${request.url}: ${error.stack}\n`);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  });
});
server.listen(port, "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
