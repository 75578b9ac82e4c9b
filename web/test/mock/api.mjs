/** The routes of the contract. */

import { deflateSync, crc32 } from "node:zlib";
import { administer } from "./admin.mjs";
import { check } from "./check.mjs";
import { plugins, uploaded } from "./plugins.mjs";
import { begin, byId, documentOf, eventsOf, listListeners, PIPELINE, runs } from "./runs.mjs";

const SESSIONS = {
  mt_admin: { tenant: "default", admin: true, token: "mt_ad111111", expires_ms: null },
  mt_blue: { tenant: "blue", admin: false, token: "mt_bl444444", expires_ms: null },
};
const pinned = new Set();
const dropped = new Set();
const streams = new Set();
/** Until when the server plays dead. */
let away = 0;
/** The one that is live from the beginning, long enough for every test. */
export const first = begin({ epochs: 400, chaos: true });

export async function handle(request, response, url) {
  const { method } = request;
  if (url.pathname === "/mock/away") {
    away = Date.now() + Number(url.searchParams.get("ms"));
    streams.forEach((stream) => stream.destroy());
    return response.end();
  }
  if (Date.now() < away) return request.socket.destroy();
  const [, , , ...path] = url.pathname.split("/").map(decodeURIComponent);
  const send = (status, body, headers = {}) => {
    response.writeHead(status, {
      "content-type": status >= 400 ? "application/problem+json" : "application/json",
      "cache-control": "no-store",
      ...headers,
    });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  const problem = (status, title, detail) =>
    send(status, { type: `/problems/${title.replace(" ", "-")}`, title, status, detail, log_id: "q-3f9a1c" });
  if (method !== "GET" && request.headers.origin !== `http://${request.headers.host}`)
    return problem(403, "denied", "the request comes from another site");

  if (path[0] === "session" && method === "POST") {
    const { token } = JSON.parse(await bodyOf(request));
    if (!SESSIONS[token]) return problem(401, "unauthorized", "unknown token");
    return send(200, SESSIONS[token], { "set-cookie": `mobula_session=${token}; HttpOnly; SameSite=Strict; Path=/` });
  }
  if (path[0] === "login") {
    response.writeHead(303, {
      location: "/",
      "set-cookie": "mobula_session=mt_admin; HttpOnly; SameSite=Strict; Path=/",
    });
    return response.end();
  }
  const session = SESSIONS[/mobula_session=(\w+)/.exec(request.headers.cookie ?? "")?.[1]];
  if (!session) return problem(401, "unauthorized", "log in first");
  if (path[0] === "session")
    return method === "DELETE"
      ? send(204, undefined, { "set-cookie": "mobula_session=; Max-Age=0; Path=/" })
      : send(200, session);
  const mine = session.tenant === "default";
  const missing = () =>
    problem(404, "not found", `no ${path[0]?.replace(/s$/, "")} \`${path[1]}\`: it never was, or is another's`);

  switch (path[0]) {
    case "overview":
      return send(200, {
        version: "0.1.0",
        uptime_s: process.uptime() + 90_000,
        tenant: session.tenant,
        workers: 2,
        cpus: 2,
        memory: { used_bytes: 7.3e8, limit_bytes: 2 ** 31, spilled_bytes: 0 },
        store: { used_bytes: 3.6e9, limit_bytes: null },
        runs: { running: 1, succeeded: 8600 },
        quota: {},
      });
    case "stream":
      return stream(request, response, () => {
        const tell = (run) => message(response, "runs", { run });
        listListeners.add(tell);
        return () => listListeners.delete(tell);
      });
    case "runs":
      if (path.length === 1 && method === "GET") return send(200, listed(mine ? runs : [], url.searchParams));
      if (path.length === 1) {
        const { pipeline, set, chaos, inject } = JSON.parse(await bodyOf(request));
        const { ok, problems } = check({ pipeline, set });
        if (!ok)
          return send(422, {
            type: "/problems/invalid",
            title: "invalid pipeline",
            status: 422,
            detail: "the pipeline has problems",
            problems,
          });
        return send(201, { run: begin({ text: pipeline, set, chaos, inject }).row.run });
      }
      return mine && byId.has(path[1])
        ? ofRun(byId.get(path[1]), method, path.slice(2), { request, response, url, send, problem })
        : missing();
    case "pipelines":
      if (path[1] === "check") return send(200, check(JSON.parse(await bodyOf(request))));
      return send(200, {
        pipelines: [
          { name: "cifar10", text: PIPELINE, source: "example", run: null },
          { name: "stream", text: PIPELINE.replace("cifar10", "stream"), source: "run", run: runs[3].row.run },
        ],
      });
    case "mounts":
      return send(200, { mounts: ["cifar-10"] });
    case "checkpoints":
      if (!mine) return path.length === 1 ? send(200, { checkpoints: [] }) : missing();
      return ofCheckpoint(method, path, { url, send, response, missing });
    case "plugins":
      return ofPlugins(method, path, { request, send, problem, missing, list: mine ? plugins : [] });
    case "admin": {
      if (!session.admin) return problem(403, "denied", "only an administrator may do this");
      const body = method === "GET" || method === "DELETE" ? undefined : JSON.parse((await bodyOf(request)) || "{}");
      const answer = administer(method, path.slice(1), body);
      return answer ? send(...answer) : missing();
    }
    default:
      return missing();
  }
}

function listed(all, params) {
  const q = (params.get("q") ?? "").toLowerCase();
  const limit = Number(params.get("limit") ?? 50);
  const after = params.get("after");
  const wanted = all
    .map((entry) => entry.row)
    .filter(
      (row) =>
        (!params.get("status") || row.status === params.get("status")) &&
        (!params.get("pipeline") || row.pipeline === params.get("pipeline")) &&
        (!q || `${row.run} ${row.pipeline} ${row.error ?? ""}`.toLowerCase().includes(q)),
    );
  const from = after ? wanted.findIndex((row) => row.run === after) + 1 : 0;
  const page = wanted.slice(from, from + limit);
  return { runs: page, next: from + limit < wanted.length ? page.at(-1).run : null };
}

async function ofRun(entry, method, [part, ...rest], { request, response, url, send, problem }) {
  const { row } = entry;
  if (method === "POST") {
    const body = JSON.parse((await bodyOf(request)) || "{}");
    if (part === "cancel") return ((entry.control.cancelled = true), send(202, { run: row.run }));
    if (part === "resume") return (Object.assign(row, { status: "running" }), send(202, { run: row.run }));
    if (part === "rerun")
      return send(201, { run: begin({ text: entry.text, set: [...entry.set, ...(body.set ?? [])] }).row.run });
    if (part === "inject") {
      if (!entry.chaos) return problem(409, "conflict", "the run was not started with chaos");
      return (entry.control.injected.add(body.spec), send(202, { run: row.run }));
    }
  }
  const events = eventsOf(entry);
  switch (part) {
    case undefined:
      return send(200, documentOf(entry));
    case "events": {
      const after = Number(url.searchParams.get("after") ?? 0);
      return send(200, { events: events.slice(after, after + 2000), last: events.length });
    }
    case "stream": {
      const last = Number(request.headers["last-event-id"] ?? url.searchParams.get("after") ?? 0);
      return stream(request, response, () => {
        const tell = (name, data) => {
          message(response, name, data, data.number);
          if (name === "end") response.end();
        };
        for (const event of events.slice(last)) tell("event", event);
        if (!row.live) return (tell("end", { status: row.status }), () => undefined);
        entry.listeners.add(tell);
        return () => entry.listeners.delete(tell);
      });
    }
    case "graph":
      return send(200, graph());
    case "timeline":
      return send(200, { traceEvents: [] }, { "content-disposition": `attachment; filename="${row.run}.json"` });
    case "objects":
      return rest.length === 0
        ? send(200, { objects: objects(events) })
        : rest[2] === "image"
          ? picture(response, url)
          : rows(send, url);
    default:
      return problem(404, "not found", "a run has no such part");
  }
}

function graph() {
  const node = (id, more = {}) => ({
    id,
    kind: "task",
    actor: null,
    repeat: null,
    foreach: false,
    status: "waiting",
    done: 0,
    total: 1,
    ...more,
  });
  const edge = (from, to, field, input) => ({ from, to, field, input });
  return {
    nodes: [
      node("load"),
      node("train_subset"),
      node("test_subset"),
      node("train", { kind: "method", actor: "trainer", repeat: 10 }),
      node("evaluate", { kind: "method", actor: "trainer" }),
    ],
    edges: [
      edge("load", "train_subset", "x_train", "images"),
      edge("load", "train_subset", "y_train", "labels"),
      edge("load", "test_subset", "x_test", "images"),
      edge("load", "test_subset", "y_test", "labels"),
      edge("train_subset", "train", "images", "images"),
      edge("train_subset", "train", "labels", "labels"),
      edge("test_subset", "evaluate", "images", "images"),
      edge("test_subset", "evaluate", "labels", "labels"),
    ],
  };
}

function objects(events) {
  return events
    .filter((event) => event.body.type === "stage_finished")
    .slice(0, 12)
    .map(({ body }) => ({
      stage: body.stage.name,
      index: body.stage.index,
      stored: body.stage.name !== "load",
      fields: body.outputs.map(([name, note]) => ({
        name,
        note,
        bytes: note.kind === "tensor" ? note.shape.reduce((all, one) => all * one, 1) : null,
      })),
    }));
}

function rows(send, url) {
  const count = Number(url.searchParams.get("rows") ?? 5);
  return send(200, {
    field: url.searchParams.get("field"),
    dtype: "u8",
    shape: [5000],
    rows: Array.from({ length: count }, (_, i) => [(i * 7) % 10]),
  });
}

/** A gradient as PNG, another for each row. */
function picture(response, url) {
  const row = Number(url.searchParams.get("row"));
  const size = 32;
  const raw = Buffer.alloc(size * (1 + size * 3));
  for (let y = 0; y < size; y += 1)
    for (let x = 0; x < size; x += 1) {
      raw.set(
        [(x * 8 + row * 37) & 255, (y * 7 + row * 11) & 255, ((x ^ y) * 6 + row * 53) & 255],
        y * (1 + size * 3) + 1 + x * 3,
      );
    }
  const chunk = (type, data) => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(data.length);
    const body = Buffer.concat([Buffer.from(type), data]);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([head, body, sum]);
  };
  const header = Buffer.from([0, 0, 0, size, 0, 0, 0, size, 8, 2, 0, 0, 0]);
  response.writeHead(200, { "content-type": "image/png" });
  response.end(
    Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]),
      chunk("IHDR", header),
      chunk("IDAT", deflateSync(raw)),
      chunk("IEND", Buffer.alloc(0)),
    ]),
  );
}

function ofCheckpoint(method, path, { url, send, response, missing }) {
  if (path.length === 1) {
    const entry = byId.get(url.searchParams.get("run"));
    const saved = entry ? eventsOf(entry).filter((event) => event.body.type === "checkpoint_saved") : [];
    const checkpoints = saved
      .map(({ at_s, body }, i) => ({
        ...body.checkpoint,
        run: entry.row.run,
        actor: body.actor,
        position: body.checkpoint.index + 1,
        created_ms: entry.row.started_ms + at_s * 1000,
        damaged: null,
        number: i + 1,
        name: null,
        metric: 0.7 + i / 40,
        better: "higher",
        pinned: pinned.has(body.checkpoint.id),
        root: "",
      }))
      .filter((row) => !dropped.has(row.id))
      .slice(-4);
    return send(200, { checkpoints });
  }
  const [, id, act] = path;
  if (method === "DELETE") return (dropped.add(id), send(204));
  if (act === "pin") return (pinned.add(id), send(204));
  if (act === "unpin") return (pinned.delete(id), send(204));
  if (act !== "download") return missing();
  const head = Buffer.from(JSON.stringify({ "conv1.bias": { dtype: "F32", shape: [2], data_offsets: [0, 8] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-disposition": `attachment; filename="${id}.safetensors"`,
  });
  return response.end(Buffer.concat([length, head, Buffer.alloc(8)]));
}

async function ofPlugins(method, [, name, version, act], { request, send, problem, missing, list }) {
  if (!name && method === "GET") return send(200, { plugins: list });
  if (!name) {
    const answer = uploaded(await bytesOf(request));
    return answer.plugin ? send(201, answer.plugin) : problem(422, "invalid", answer.problem);
  }
  const found = list.find((one) => one.name === name && one.version === version);
  if (!found) return missing();
  if (method === "DELETE") return (list.splice(list.indexOf(found), 1), send(204));
  if (act === "enable" || act === "disable") return ((found.enabled = act === "enable"), send(204));
  if (act === "try") {
    const { args } = JSON.parse(await bodyOf(request));
    return send(200, {
      outputs: [
        {
          name: "images",
          note: { kind: "tensor", dtype: "u8", shape: [args.size ?? 4, 3] },
          rows: [
            [1, 2, 3],
            [4, 5, 6],
          ],
        },
      ],
      logs: [{ level: "info", message: "<b>tried</b>" }],
      seconds: 0.0042,
    });
  }
  return send(200, found);
}

function stream(request, response, subscribe) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(": hello\n\n");
  streams.add(response);
  const leave = subscribe();
  request.on("close", () => {
    streams.delete(response);
    leave();
  });
}

function message(response, name, data, id) {
  response.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}

async function bytesOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

const bodyOf = async (request) => (await bytesOf(request)).toString();
