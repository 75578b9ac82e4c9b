/** Plugins as `inspect` describes them, one with words that try to be HTML. */

import { digest } from "./simulation.mjs";

const images = (optional = false) => ({
  name: "images",
  kind: "tensor",
  dtype: "u8",
  shape: ["N", 32, 32, 3],
  optional,
  doc: "Pictures, a row each.",
});
const labels = { name: "labels", kind: "tensor", dtype: "u8", shape: ["N"], doc: "The class of each." };

function plugin(name, version, seed, more) {
  return {
    name,
    version,
    digest: digest(seed),
    size: 84_000 + seed * 1731,
    enabled: true,
    builtin: false,
    pushed_ms: Date.now() - seed * 86_400_000 * 3,
    tasks: [],
    actors: [],
    requests: { mounts: [], http: [], env: [] },
    imports: ["mobula:plugin/tensors@0.1.0", "mobula:plugin/context@0.1.0", "wasi:io/streams@0.2.3"],
    exports: ["mobula:plugin/meta@0.1.0", "mobula:plugin/task@0.1.0", "mobula:plugin/actor@0.1.0"],
    used_by: ["cifar10"],
    error: null,
    ...more,
  };
}

const sizes = {
  type: "object",
  required: ["size"],
  properties: {
    size: { type: "integer", minimum: 1, description: "How many rows to take." },
    stratified: { type: "boolean", default: false, description: "Whether each class keeps its share." },
  },
};
const subset = {
  name: "subset",
  doc: "Take `size` random rows of a data set.",
  args: sizes,
  inputs: [images(), labels],
  outputs: [images(), labels],
};

export const plugins = [
  plugin("cifar10-load", "0.1.0", 1, {
    requests: { mounts: ["data"], http: [], env: [] },
    tasks: [
      {
        name: "load",
        doc: "Read CIFAR-10 in its binary layout.",
        args: null,
        inputs: [],
        outputs: [
          { ...images(), name: "x_train" },
          { ...labels, name: "y_train" },
          { ...images(), name: "x_test" },
          { ...labels, name: "y_test" },
        ],
      },
    ],
  }),
  plugin("subset", "0.2.0", 2, { tasks: [subset] }),
  plugin("subset", "0.1.0", 3, { tasks: [subset], enabled: false, used_by: [] }),
  plugin("augment", "0.1.0", 4, {
    used_by: ["augment-sweep"],
    tasks: [
      {
        name: "augment",
        doc: `Flip and shift each picture at random. <img src=x onerror="document.title='owned'"> Written by someone you do not trust.`,
        args: {
          type: "object",
          properties: {
            flip: { type: "boolean", default: true, description: "Mirror half of them." },
            shift: { type: "integer", default: 4, minimum: 0, maximum: 16, description: "Pixels, at most." },
            fill: {
              type: "string",
              enum: ["zero", "edge", "reflect"],
              default: "reflect",
              description: "What comes in at the border.",
            },
          },
        },
        inputs: [images(), { ...labels, optional: true }],
        outputs: [images()],
      },
    ],
  }),
  plugin("running-stats", "0.3.1", 5, {
    used_by: ["stream"],
    actors: [
      {
        name: "RunningStats",
        doc: "Mean and deviation of everything seen so far.",
        args: null,
        inputs: [],
        methods: [
          {
            name: "update",
            doc: "See more pictures.",
            args: null,
            inputs: [images()],
            outputs: [{ name: "stats", kind: "json", doc: "Mean, deviation, count." }],
          },
        ],
      },
    ],
  }),
];

/** What an upload of these bytes becomes, or the reason why it is none. */
export function uploaded(body) {
  if (body.length < 8 || body.readUInt32BE(0) !== 0x0061736d)
    return { problem: "this is no WebAssembly component: it does not begin with \\0asm" };
  const made = plugin("sharpen", "1.0.0", 6, {
    size: body.length,
    enabled: false,
    pushed_ms: Date.now(),
    used_by: [],
    tasks: [
      {
        name: "sharpen",
        doc: "Sharpen each picture.",
        args: {
          type: "object",
          properties: {
            amount: { type: "number", default: 0.5, exclusiveMinimum: 0, maximum: 4, description: "How much." },
          },
        },
        inputs: [images()],
        outputs: [images()],
      },
    ],
  });
  const at = plugins.findIndex((one) => one.name === made.name && one.version === made.version);
  if (at >= 0) plugins.splice(at, 1);
  plugins.push(made);
  return { plugin: made };
}
