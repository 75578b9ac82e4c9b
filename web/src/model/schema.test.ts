import { expect, it } from "vitest";
import type { Schema } from "../api/documents.ts";
import { complaint, kindOf, sampleShape, textOf, valuesOf } from "./schema.ts";

it("chooses a field by what the schema allows", () => {
  const kinds: [Schema, string][] = [
    [{ type: "integer" }, "integer"],
    [{ type: ["number", "null"] }, "number"],
    [{ type: "boolean" }, "boolean"],
    [{ type: "string", enum: ["a"] }, "choice"],
    [{ type: "string" }, "text"],
    [{ type: "array" }, "json"],
    [{}, "json"],
    [{ type: ["string", "number"] }, "json"],
  ];
  for (const [schema, kind] of kinds) expect(kindOf(schema)).toBe(kind);
});

it("complains about what the server would refuse, and lets empty fields be", () => {
  expect(complaint({ type: "integer", minimum: 1 }, "0")).toBe("At least 1.");
  expect(complaint({ type: "integer" }, "1.5")).toContain("whole");
  expect(complaint({ type: "number", exclusiveMaximum: 1 }, "1")).toBe("Less than 1.");
  expect(complaint({ type: "number" }, "many")).toContain("number");
  expect(complaint({ type: "array" }, "[1")).toContain("JSON");
  expect(complaint({ type: "integer", minimum: 1 }, "")).toBeUndefined();
  expect(complaint({ type: "number", maximum: 1 }, "0.5")).toBeUndefined();
});

it("reads the form back by the types of the schema", () => {
  const schema: Schema = {
    properties: {
      size: { type: "integer" },
      rate: { type: "number" },
      flip: { type: "boolean" },
      way: { enum: [1, "x"] },
      name: { type: "string" },
      list: { type: "array" },
      left: { type: "integer" },
    },
  };
  const texts = { size: "5", rate: "0.1", flip: "true", way: "1", name: "7", list: "[1,2]", left: " ", other: "9" };
  expect(valuesOf(schema, texts)).toEqual({ size: 5, rate: 0.1, flip: true, way: 1, name: "7", list: [1, 2] });
  expect([textOf(null), textOf("a"), textOf([1])]).toEqual(["", "a", "[1]"]);
});

it("makes a sample of the shape that a plugin describes", () => {
  expect(sampleShape("[N, H, W, C]")).toEqual([4, 32, 32, 3]);
  expect(sampleShape(["N", 8, 8, 3])).toEqual([4, 8, 8, 3]);
  expect(sampleShape(null)).toEqual([4]);
});
