import { expect, it } from "vitest";
import { pipelineStages, pipelineValues } from "./values.ts";
import { ago, bytes, number, seconds, shortDigest, visible } from "./format.ts";

it("names values as --set does, and lets --set win", () => {
  const text = `
[pipeline]
name = "cifar10"     # the # of a comment
seed = 7

[[stage]]
name = "train"
args = { batch_size = 64, tags = ["a,b", "#c"] }

[[actor]]
name = "trainer"
args = { model = "cifar10-664k" }

[checkpoint]
budget = { overhead = 0.05, bytes = "2GiB" }
`;
  expect(pipelineValues(text, ["pipeline.seed=9"])).toEqual({
    "pipeline.name": "cifar10",
    "pipeline.seed": "9",
    "stage.train.args.batch_size": "64",
    "stage.train.args.tags": '["a,b", "#c"]',
    "actor.trainer.args.model": "cifar10-664k",
    "checkpoint.budget.overhead": "0.05",
    "checkpoint.budget.bytes": "2GiB",
  });
});

it("leaves out what it does not understand", () => {
  expect(pipelineValues("garbage\n=\n[x", [])).toEqual({});
});

it("writes numbers as people read them", () => {
  expect([bytes(0), bytes(1536), bytes(5 * 2 ** 30)]).toEqual(["0 B", "1.5 KiB", "5.0 GiB"]);
  expect([seconds(0.00084), seconds(0.25), seconds(12.34), seconds(59.97), seconds(245), seconds(7620)]).toEqual([
    "840 µs",
    "250 ms",
    "12.3 s",
    "1 min 00 s",
    "4 min 05 s",
    "2 h 07 min",
  ]);
  expect([number(0.123456), number(12345), number(Number.NaN)]).toEqual(["0.1235", "12,345", "–"]);
  expect([ago(0, 20_000), ago(0, 120_000), ago(0, 7_200_000)]).toEqual(["just now", "2 min ago", "2 h ago"]);
  expect(shortDigest("blake3:0123456789abcdef")).toBe("blake3:0123456789ab…");
});

it("shows what would change how a line reads", () => {
  expect(visible("\u001b[31mred\r\nnext")).toBe("␛[31mred␍ ⏎ next");
  expect(visible("a\u202eb\u0085")).toBe("a⟨U+202E⟩b⟨U+0085⟩");
  expect(visible("héllo ✓ <b>")).toBe("héllo ✓ <b>");
});

it("knows the stages that have not begun", () => {
  expect(pipelineStages('[[stage]]\nname = "a"\n[[actor]]\nname = "t"\n[[stage]]\nname = "b" # last')).toEqual([
    "a",
    "b",
  ]);
});
