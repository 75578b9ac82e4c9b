/** Checks a pipeline well enough that typing shows what typing does: unknown stages, missing names. */

const TRAIN = {
  type: "object",
  properties: {
    batch_size: { type: "integer", minimum: 1, maximum: 4096, default: 64, description: "Pictures per step." },
    validation_split: {
      type: "number",
      minimum: 0,
      exclusiveMaximum: 1,
      default: 0,
      description: "Share kept for validation.",
    },
    shuffle: { type: "boolean", default: true, description: "Whether each epoch has its own order." },
  },
};
const CNN = {
  type: "object",
  required: ["model"],
  properties: {
    model: {
      type: "string",
      enum: ["cifar10-664k", "strided-593k", "plain-667k"],
      description: "A preset or a network file.",
    },
    learning_rate: { type: "number", exclusiveMinimum: 0, default: 0.001, description: "Of the optimizer." },
  },
};
const SIZE = {
  type: "object",
  required: ["size"],
  properties: { size: { type: "integer", minimum: 1, description: "How many rows to take." } },
};

export function check({ pipeline = "", set = [] }) {
  const problems = [];
  const stages = [];
  const actors = [];
  const grants = [];
  let table;
  pipeline.split("\n").forEach((line, i) => {
    const header = /^\[+(\w+)\]+/.exec(line);
    if (header) {
      table = { kind: header[1] };
      if (header[1] === "stage") stages.push(table);
      if (header[1] === "actor") actors.push(table);
      if (!["pipeline", "stage", "actor", "checkpoint"].includes(header[1]))
        problems.push({ line: i + 1, column: 1, message: `unknown table \`${header[1]}\`; did you mean \`stage\`?` });
      return;
    }
    const pair = /^(\w+)\s*=\s*(.+?)\s*(#.*)?$/.exec(line);
    if (!pair) {
      if (line.trim() && !line.startsWith("#"))
        problems.push({ line: i + 1, column: 1, message: `expected \`key = value\`, found \`${line.trim()}\`` });
      return;
    }
    if (table) table[pair[1]] = pair[2].replace(/^"|"$/g, "");
    if (pair[1] === "args" && table)
      table.args = Object.fromEntries(
        [...pair[2].matchAll(/(\w+)\s*=\s*("[^"]*"|[^,}\s]+)/g)].map(([, k, v]) => [k, JSON.parse(v)]),
      );
    if (pair[1] === "mounts")
      for (const [, mount, folder] of pair[2].matchAll(/(\w+)\s*=\s*"([^"]*)"/g))
        grants.push({ at: `stage \`${table.name}\``, mount, folder });
    if (pair[1] === "inputs")
      for (const [, source] of pair[2].matchAll(/"(\w+)\.\w+"/g)) {
        if (!stages.some((stage) => stage.name === source))
          problems.push({
            line: i + 1,
            column: 1,
            message: `input of stage \`${table.name}\` comes from \`${source}\`, which is no stage; did you mean \`load\`?`,
          });
      }
  });
  for (const one of set)
    if (!one.includes("=")) problems.push({ line: null, message: `\`--set ${one}\`: expected PATH=VALUE` });
  const ok = problems.length === 0;
  return {
    ok,
    problems,
    name: "cifar10",
    stages: stages.map((stage) => ({
      name: stage.name,
      kind: stage.actor ? "method" : "task",
      plugin: stage.task?.split("/")[0] ?? null,
      version: "0.1.0",
      export: stage.task?.split("/")[1] ?? null,
      actor: stage.actor ?? null,
      method: stage.method ?? null,
      repeat: stage.repeat ? Number(stage.repeat) : null,
      foreach: false,
      doc: "",
      args: stage.args ?? {},
      schema: stage.method === "train_epoch" ? TRAIN : stage.task === "subset/subset" ? SIZE : null,
      inputs: [],
      outputs: [],
    })),
    actors: actors.map((actor) => ({
      name: actor.name,
      native: actor.native ?? null,
      plugin: null,
      class: null,
      doc: "",
      args: actor.args ?? {},
      schema: CNN,
    })),
    grants,
    limits: stages.map((stage) => ({
      at: `stage \`${stage.name}\``,
      memory_bytes: stage.actor ? null : 512 * 2 ** 20,
      timeout_s: stage.actor ? null : 300,
      cpus: null,
      max_retries: 3,
    })),
  };
}
