// What a JavaScript plugin imports: tensors, errors, logging, and `plugin`, which joins plain functions and
// classes to the exports of the world. Runs in QuickJS and in StarlingMonkey.

import * as host from "mobula:plugin/context@0.1.0";
import * as hostStream from "mobula:plugin/stream@0.1.0";
import { Builder as HostBuilder } from "mobula:plugin/tensors@0.1.0";

/** How a plugin fails; the kind decides what the host does next. */
export class PluginError extends Error {
  constructor(tag, message) {
    super(message);
    this.payload = tag === "cancelled" ? { tag } : { tag, val: message };
  }
}
/** The caller's mistake: not tried again. */
export const invalid = (message) => new PluginError("invalid", message);
/** The plugin's own failure: tried again. */
export const failed = (message) => new PluginError("failed", message);
/** The run was cancelled. */
export const cancelled = () => new PluginError("cancelled", "cancelled");

/** What a stage may say to and ask of its host. */
export const context = {
  log: (level, message) => host.log(level, String(message)),
  debug: (message) => host.log("debug", String(message)),
  info: (message) => host.log("info", String(message)),
  warn: (message) => host.log("warn", String(message)),
  error: (message) => host.log("error", String(message)),
  progress: (done, total) => ours(() => host.progress(whole(done), total === undefined ? undefined : whole(total))),
  metric: (name, step, value) => host.metric(name, whole(step), value),
  /** The seed of this stage in this run, as a BigInt of 64 bits. */
  seed: () => {
    // A u64 would come as a double. Half of one comes exactly, though QuickJS's top bit is a sign.
    const [high, low] = host.seedHalves().map((half) => BigInt(half >>> 0));
    return (high << 32n) | low;
  },
  cancelled: () => host.cancelled(),
};

// The two engines disagree on how a u64 goes to the host; which one this is shows in what comes from it.
const big = () => typeof host.seed() === "bigint";
const whole = (value) => (big() ? BigInt(value) : Number(value));

/** Calls the host, whose errors become ours. */
function ours(call) {
  try {
    return call();
  } catch (error) {
    const payload = error && error.payload;
    if (payload && payload.tag) throw new PluginError(payload.tag, payload.val ?? payload.tag);
    throw error;
  }
}

const KINDS = {
  bool: [1, Uint8Array],
  u8: [1, Uint8Array],
  s32: [4, Int32Array],
  s64: [8, BigInt64Array],
  f32: [4, Float32Array],
  f64: [8, Float64Array],
};
/** Bytes read or written at a time. */
const PART = 256 << 10;

/** An immutable tensor in the host; the first axis counts rows. */
export class Tensor {
  constructor(handle) {
    this.handle = handle;
  }
  /** A tensor of these values: `Tensor.of("f32", [2, 2], [1, 2, 3, 4])`. */
  static of(dtype, shape, values) {
    const builder = new TensorBuilder(dtype, shape.slice(1), shape[0]);
    builder.push(values);
    return builder.finish();
  }
  get dtype() {
    return this.handle.dtype();
  }
  get shape() {
    return Array.from(this.handle.shape(), Number);
  }
  get rows() {
    return this.shape[0];
  }
  get byteLength() {
    return Number(this.handle.byteLen());
  }
  /** Bytes of one row. */
  get rowLength() {
    return this.shape.slice(1).reduce((all, axis) => all * axis, KINDS[this.dtype][0]);
  }
  /** `length` bytes from `offset`. */
  read(offset, length) {
    return ours(() => this.handle.read(whole(offset), length));
  }
  /** `count` rows from `start`, as an array of numbers (of BigInts, for s64). */
  values(start = 0, count = this.rows - start) {
    const [row, [, Kind]] = [this.rowLength, KINDS[this.dtype]];
    const bytes = new Uint8Array(row * count);
    for (let at = 0; at < bytes.length; at += PART) {
      const length = Math.min(PART, bytes.length - at);
      bytes.set(this.read(start * row + at, length), at);
    }
    return new Kind(bytes.buffer);
  }
  /** The rows, some at a time: `for (const { start, rows, values } of images.parts())`. */
  *parts(lot = Math.max(1, Math.floor(PART / Math.max(1, this.rowLength)))) {
    for (let start = 0; start < this.rows; start += lot) {
      const rows = Math.min(lot, this.rows - start);
      yield { start, rows, values: this.values(start, rows) };
    }
  }
  /** A new tensor of these rows. The host copies them: the bytes never enter the plugin. */
  gather(rows) {
    return new Tensor(ours(() => this.handle.gather(Uint32Array.from(rows))));
  }
  /** A view of `count` rows from `start`; nothing is copied. */
  slice(start, count) {
    return new Tensor(ours(() => this.handle.slice(whole(start), whole(count))));
  }
  dup() {
    return new Tensor(this.handle.dup());
  }
}

/** A tensor in the making; its rows are known in advance. */
export class TensorBuilder {
  constructor(dtype, rowShape, rows) {
    if (!KINDS[dtype]) throw invalid(`no dtype \`${dtype}\`: ${Object.keys(KINDS).join(", ")}`);
    this.dtype = dtype;
    this.handle = ours(() => HostBuilder.create(rowShape.map(whole), dtype, whole(rows)));
  }
  /** The next elements. */
  push(values) {
    const Kind = KINDS[this.dtype][1];
    const convert = Kind === BigInt64Array ? (value) => BigInt(value) : Number;
    const typed = values instanceof Kind ? values : Kind.from(values, convert);
    const bytes = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
    for (let at = 0; at < bytes.length; at += PART) {
      const part = bytes.slice(at, at + PART);
      ours(() => this.handle.append(part));
    }
  }
  /** The next rows, copied by the host from another tensor. */
  appendRows(source, rows) {
    ours(() => this.handle.appendRows(source.handle, Uint32Array.from(rows)));
  }
  finish() {
    return new Tensor(ours(() => HostBuilder.finish(this.handle)));
  }
}

/** Random numbers from a seed, the same on every machine and in every language: SplitMix64. */
export class Random {
  constructor(seed) {
    this.state = BigInt.asUintN(64, BigInt(seed));
  }
  /** 64 bits, as a BigInt. */
  bits() {
    const wrap = (value) => BigInt.asUintN(64, value);
    this.state = wrap(this.state + 0x9e3779b97f4a7c15n);
    let z = this.state;
    z = wrap((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = wrap((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }
  /** A whole number below `bound`, each as likely (Lemire, 2019). */
  below(bound) {
    const wide = BigInt(bound);
    for (;;) {
      const product = (this.bits() >> 32n) * wide;
      const low = product & 0xffffffffn;
      if (low >= wide || low >= (4294967296n - wide) % (wide || 1n)) return Number(product >> 32n);
    }
  }
}

/** Hands one object of a stream to its readers. */
export const emit = (object) => ours(() => hostStream.emit(fields(object)));

function fields(object) {
  const list = Object.entries(object ?? {}).filter(([, value]) => value !== undefined && value !== null);
  return list.map(([name, value]) => {
    if (value instanceof Tensor) return [name, { tag: "tensor", val: value.handle }];
    if (value instanceof Uint8Array) return [name, { tag: "bytes", val: value }];
    const text = JSON.stringify(value);
    if (text === undefined) throw failed(`output \`${name}\` is no JSON`);
    return [name, { tag: "json", val: text }];
  });
}

function kindOf(port) {
  return port.kind ?? "tensor";
}

/** Why a shape is not as a port writes it, such as `[N, …, 3]`; `known` are the lengths of names in this call. */
function fit(known, pattern, shape) {
  const parts = pattern.replace(/^\[|\]$/g, "").split(",").map((part) => part.trim());
  const isGap = (part) => part === "…" || part === "...";
  if (!/^\[.*\]$/.test(pattern) || !parts.every((part) => isGap(part) || /^\w+$/.test(part))) return undefined;
  const wrong = `it takes the shape ${pattern}, but got [${shape.join(", ")}]`;
  const gap = parts.findIndex(isGap);
  const [first, last] = gap < 0 ? [parts, []] : [parts.slice(0, gap), parts.slice(gap + 1)];
  const named = first.length + last.length;
  if (shape.length < named || (gap < 0 && shape.length !== named)) return wrong;
  const ends = [...first.map((part, i) => [part, shape[i]]), ...last.map((part, i) => [part, shape[shape.length - last.length + i]])];
  for (const [part, length] of ends) {
    if (/^\d+$/.test(part)) {
      if (Number(part) !== length) return wrong;
    } else if ((known[part] ??= length) !== length) {
      return `its shape is [${shape.join(", ")}], where ${part} of ${pattern} is ${known[part]} elsewhere`;
    }
  }
  return undefined;
}

/** The fields of a call by their names, held against the ports. */
function take(place, ports = {}, given) {
  const [inputs, axes] = [{}, {}];
  for (const [name, { tag, val }] of given) {
    const port = ports[name];
    if (!port) throw invalid(`${place}: no input is called \`${name}\`: there is ${Object.keys(ports).join(", ") || "none"}`);
    if (kindOf(port) !== tag) throw invalid(`${place}: input \`${name}\` takes ${kindOf(port)}, but got ${tag}`);
    inputs[name] = tag === "tensor" ? new Tensor(val) : tag === "json" ? JSON.parse(val) : val;
    if (tag === "tensor" && port.dtype && inputs[name].dtype !== port.dtype) {
      throw invalid(`${place}: input \`${name}\` takes a tensor of ${port.dtype}, but got one of ${inputs[name].dtype}`);
    }
    const why = tag === "tensor" && port.shape && fit(axes, port.shape, inputs[name].shape);
    if (why) throw invalid(`${place}: input \`${name}\`: ${why}`);
  }
  for (const [name, port] of Object.entries(ports)) {
    if (!port.optional && !(name in inputs)) throw invalid(`${place}: input \`${name}\` is missing: it takes a ${kindOf(port)}`);
  }
  return inputs;
}

const TYPES = {
  integer: (value) => Number.isInteger(value),
  number: (value) => typeof value === "number",
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  array: Array.isArray,
  object: (value) => value !== null && typeof value === "object" && !Array.isArray(value),
  null: (value) => value === null,
};

/** The arguments with their defaults, held against their schemas. */
function check(place, schemas, text) {
  const given = JSON.parse(text || "{}") ?? {};
  const args = {};
  for (const name of Object.keys(given)) {
    if (!schemas || !(name in schemas)) {
      const there = Object.keys(schemas ?? {}).join(", ");
      throw invalid(`${place}: args: unknown field \`${name}\`, ${there ? `there is ${there}` : "it takes no args"}`);
    }
  }
  for (const [name, schema] of Object.entries(schemas ?? {})) {
    if (!(name in given)) {
      if (!("default" in schema)) throw invalid(`${place}: args: missing field \`${name}\``);
      args[name] = schema.default;
      continue;
    }
    const value = given[name];
    const wrong = (why) => invalid(`${place}: args.${name}: ${why}`);
    const types = [schema.type ?? []].flat();
    if (types.length && !types.some((type) => TYPES[type](value))) throw wrong(`${JSON.stringify(value)} is no ${types.join(" or ")}`);
    // JSON.parse has rounded it already: another number than the one that was given, and nobody would know.
    if (types.includes("integer") && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw wrong(`${value} is beyond 2^53, where JavaScript rounds whole numbers: take it as a string`);
    }
    if (typeof value === "number" && value < schema.minimum) throw wrong(`${value} is below ${schema.minimum}`);
    if (typeof value === "number" && value > schema.maximum) throw wrong(`${value} is above ${schema.maximum}`);
    if (schema.enum && !schema.enum.includes(value)) throw wrong(`\`${value}\` is none of ${schema.enum.join(", ")}`);
    args[name] = value;
  }
  return args;
}

function describe(name, { doc = "", args, inputs = {}, outputs = {}, methods }) {
  const ports = (all) => Object.entries(all).map(([name, port]) => ({ name, ...port }));
  const required = Object.entries(args ?? {}).filter(([, schema]) => !("default" in schema)).map(([name]) => name);
  const schema = args && { type: "object", properties: args, required, additionalProperties: false };
  const exported = { name, doc, args: schema ?? null, inputs: ports(inputs) };
  if (methods) return { ...exported, methods: Object.entries(methods).map(([name, method]) => describe(name, method)) };
  return { ...exported, outputs: ports(outputs) };
}

/** Runs what the author wrote: an exception that is none of ours is the plugin's own failure, with its place. */
function guarded(place, call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof PluginError) throw error;
    const stack = String((error && error.stack) || "").trim().split("\n").map((line) => line.trim());
    throw failed(`${place}: ${error} ${stack.slice(0, 3).join(" < ")}`.trim());
  }
}

const named = (all, name, what, owner) => {
  if (Object.hasOwn(all, name)) return all[name];
  throw invalid(`${owner} has no ${what} \`${name}\`: ${Object.keys(all).join(", ")}`);
};

/**
 * Makes a module a plugin: `export const { meta, task, actor } = plugin({ name, version, tasks, actors });`.
 * A task is `{ doc, args, inputs, outputs, run(inputs, args) }`. An actor is `{ doc, args, methods, create(args) }`,
 * where `create` gives a plain object, the state, and a method is `{ doc, args, inputs, outputs,
 * run(state, inputs, args) }`; the state must be JSON.
 */
export function plugin({ name, version, tasks = {}, actors = {}, mounts = [] }) {
  class Instance {
    constructor(owner, state) {
      this.owner = owner;
      this.state = state;
    }
    static create(owner, args, inputs) {
      const place = `actor \`${owner}\``;
      const actor = named(actors, owner, "actor", name);
      take(place, actor.inputs, inputs);
      const checked = check(place, actor.args, args);
      return guarded(place, () => new Instance(owner, actor.create(checked)));
    }
    static restore(owner, version, bytes) {
      const actor = named(actors, owner, "actor", name);
      const own = actor.version ?? 1;
      if (version !== own) throw invalid(`the state of ${owner} has version ${version}, this plugin reads only ${own}`);
      try {
        return new Instance(owner, JSON.parse(decode(bytes)));
      } catch (error) {
        throw invalid(`state of ${owner}: ${error.message}`);
      }
    }
    call(method, args, inputs) {
      const place = `method \`${this.owner}.${method}\``;
      const found = named(actors[this.owner].methods, method, "method", this.owner);
      const taken = take(place, found.inputs, inputs);
      const checked = check(place, found.args, args);
      return guarded(place, () => fields(found.run(this.state, taken, checked)));
    }
    snapshot() {
      return [actors[this.owner].version ?? 1, encode(JSON.stringify(this.state))];
    }
  }
  return {
    meta: {
      describe: () =>
        JSON.stringify({
          name,
          version,
          tasks: Object.entries(tasks).map(([name, task]) => describe(name, task)),
          actors: Object.entries(actors).map(([name, actor]) => describe(name, actor)),
          requests: { mounts },
        }),
    },
    task: {
      run: (task, args, inputs) => {
        const place = `task \`${task}\``;
        const found = named(tasks, task, "task", name);
        const taken = take(place, found.inputs, inputs);
        const checked = check(place, found.args, args);
        return guarded(place, () => fields(found.run(taken, checked)));
      },
    },
    actor: { Instance },
  };
}

// UTF-8 by hand: not every engine has TextEncoder.
function encode(text) {
  const escaped = unescape(encodeURIComponent(text));
  return Uint8Array.from(escaped, (c) => c.charCodeAt(0));
}
function decode(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return decodeURIComponent(escape(text));
}
