// The plugin `{{name}}`: say here what it is for.

import { context, plugin } from "./sdk/mobula.js";

const total = (state) => ({ rows: state.rows, sum: state.sum });

function add(state, { images }) {
  // Part by part: images of any size need little memory here.
  for (const { rows, values } of images.parts()) {
    state.rows += rows;
    for (const value of values) state.sum += value;
  }
  context.metric("sum", state.rows, state.sum);
  return total(state);
}

const outputs = {
  rows: { kind: "json", doc: "Rows." },
  sum: { kind: "json", doc: "The sum of their pixels." },
};

export const { meta, task, actor } = plugin({
  name: "{{name}}",
  version: "0.1.0",
  actors: {
    {{class}}: {
      doc: "Sums pixels over many calls.",
      args: { start: { type: "integer", default: 0, minimum: 0, description: "What the sum begins with." } },
      // What is kept from call to call, and saved with a checkpoint: must be JSON.
      create: ({ start }) => ({ rows: 0, sum: start }),
      methods: {
        add: {
          doc: "Take in more images.",
          inputs: { images: { dtype: "u8", shape: "[N, …]" } },
          outputs,
          run: add,
        },
        total: { doc: "What was seen so far.", outputs, run: total },
      },
    },
  },
});
