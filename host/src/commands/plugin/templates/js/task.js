// The plugin `{{name}}`: say here what it is for.

import { TensorBuilder, context, plugin } from "./sdk/mobula.js";

function {{ident}}({ images }, { factor }) {
  const scaled = new TensorBuilder("f32", images.shape.slice(1), images.rows);
  // Part by part: images of any size need little memory here.
  for (const { start, rows, values } of images.parts()) {
    scaled.push(Float32Array.from(values, (value) => value * factor));
    context.progress(start + rows, images.rows);
  }
  return { images: scaled.finish() };
}

export const { meta, task, actor } = plugin({
  name: "{{name}}",
  version: "0.1.0",
  tasks: {
    {{ident}}: {
      doc: "Turn pixels into numbers, and multiply them.",
      args: {
        factor: { type: "number", default: 1.0, minimum: 0, description: "What each pixel is multiplied by." },
      },
      inputs: { images: { dtype: "u8", shape: "[N, …]" } },
      outputs: { images: { dtype: "f32", doc: "The pixels as numbers." } },
      run: {{ident}},
    },
  },
});
