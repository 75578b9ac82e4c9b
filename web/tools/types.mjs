/**
 * Types from the server's OpenAPI document: `npm run types -- FILE`, where FILE is what
 * `GET /api/v1/openapi.json` answers. Writes `src/api/generated.ts`.
 */

import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import openapi, { astToString } from "openapi-typescript";

const file = process.argv[2];
if (!file) {
  process.stderr.write("usage: npm run types -- openapi.json\n");
  process.exit(2);
}
const document = JSON.parse(await readFile(file, "utf8"));
const types = astToString(await openapi(document, { cwd: pathToFileURL(`${process.cwd()}/`) }));
const head = "/* Made by `npm run types` from the server's OpenAPI document; not to be edited. */\n\n";
const out = new URL("../src/api/generated.ts", import.meta.url);
await writeFile(out, head + types);
process.stderr.write(
  `${Object.keys(document.paths ?? {}).length} routes, ${Object.keys(document.components?.schemas ?? {}).length} documents\n`,
);
