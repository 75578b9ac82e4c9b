import { expect, it } from "vitest";
import { layout } from "./layout.ts";

const at = (result: ReturnType<typeof layout>, id: string) => result.nodes.find((node) => node.id === id);

it("puts what depends on something to the right of it", () => {
  const edges = [
    { from: "load", to: "a" },
    { from: "load", to: "b" },
    { from: "a", to: "train" },
    { from: "train", to: "evaluate" },
    { from: "b", to: "evaluate" },
  ];
  const placed = layout(["load", "a", "b", "train", "evaluate"], edges);
  expect(placed.columns).toBe(4);
  for (const { from, to } of edges) expect(at(placed, from)?.column).toBeLessThan(at(placed, to)?.column ?? 0);
  expect(at(placed, "a")?.row).not.toBe(at(placed, "b")?.row);
});

it("unties edges that need not cross", () => {
  const placed = layout(
    ["a", "b", "x", "y"],
    [
      { from: "a", to: "y" },
      { from: "b", to: "x" },
    ],
  );
  expect(Math.sign((at(placed, "a")?.row ?? 0) - (at(placed, "b")?.row ?? 0))).toBe(
    Math.sign((at(placed, "y")?.row ?? 0) - (at(placed, "x")?.row ?? 0)),
  );
});

it("ends on cycles and unknown names", () => {
  expect(
    layout(
      ["a", "b"],
      [
        { from: "a", to: "b" },
        { from: "b", to: "a" },
        { from: "z", to: "a" },
      ],
    ).nodes,
  ).toHaveLength(2);
  expect(layout([], [])).toMatchObject({ columns: 0, rows: 1 });
});
