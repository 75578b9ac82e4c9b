// Random rows of a data set, without replacement: the plugin `subset`, in JavaScript. The host copies the
// rows: no pixel enters this plugin.

import { Random, context, invalid, plugin } from "./sdk/mobula.js";

/** The first `size` places of a Fisher-Yates shuffle. */
function choose(rows, size, random) {
  for (let i = 0; i < size; i++) {
    const other = i + random.below(rows.length - i);
    [rows[i], rows[other]] = [rows[other], rows[i]];
  }
  return rows.slice(0, size);
}

/** Of each label its share of `size`, by the largest remainder, in random order. */
function stratify(labels, size, random) {
  const byLabel = new Map();
  labels.forEach((label, row) => {
    const key = Number(label);
    if (!byLabel.has(key)) byLabel.set(key, []);
    byLabel.get(key).push(row);
  });
  const groups = [...byLabel].sort(([a], [b]) => a - b).map(([, rows]) => rows);
  const share = (rows) => rows.length * size;
  const quotas = groups.map((rows) => Math.floor(share(rows) / labels.length));
  const left = size - quotas.reduce((all, quota) => all + quota, 0);
  const order = groups.map((_, i) => i);
  order.sort((a, b) => (share(groups[b]) % labels.length) - (share(groups[a]) % labels.length));
  for (const i of order.slice(0, left)) quotas[i] += 1;
  const chosen = groups.flatMap((rows, i) => choose(rows, quotas[i], random));
  return choose(chosen, size, random);
}

function subset({ images, labels }, { size, stratified, seed }) {
  const count = images.rows;
  if (labels && labels.rows !== count) throw invalid(`${count} rows of images, but ${labels.rows} of labels`);
  if (size > count) throw invalid(`size ${size} of only ${count} rows`);
  if (stratified && !labels) throw invalid("stratified needs the input `labels`");
  if (stratified && labels.dtype.startsWith("f")) throw invalid(`labels of ${labels.dtype}: stratified needs whole numbers`);
  const random = new Random(seed ?? context.seed());
  const chosen = stratified
    ? stratify(labels.values(), size, random)
    : choose(Array.from({ length: count }, (_, row) => row), size, random);
  return { images: images.gather(chosen), labels: labels?.gather(chosen) };
}

export const { meta, task, actor } = plugin({
  name: "subset-js",
  version: "0.1.0",
  tasks: {
    subset: {
      doc: "Take `size` random rows of a data set, without replacement.",
      args: {
        size: { type: "integer", minimum: 0, description: "How many rows." },
        stratified: { type: "boolean", default: false, description: "Take of each label its share, by the largest remainder." },
        seed: { type: ["integer", "null"], default: null, description: "Another seed than that of the stage." },
      },
      inputs: { images: {}, labels: { optional: true } },
      outputs: {
        images: { doc: "Rows of `images`, as many as `size`." },
        labels: { doc: "The same rows of `labels`, where there are labels." },
      },
      run: subset,
    },
  },
});
