/** From JSON Schemas to form fields and back: a text per argument, read by the type that the schema gives. */

import type { Schema } from "../api/documents.ts";
import type { Json, JsonObject } from "../api/types.ts";

export type Kind = "integer" | "number" | "boolean" | "choice" | "text" | "json";

export function kindOf(schema: Schema): Kind {
  if (schema.enum) return "choice";
  const types = [schema.type ?? []].flat().filter((type) => type !== "null");
  switch (types.length === 1 ? types[0] : undefined) {
    case "integer":
      return "integer";
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "string":
      return "text";
    default:
      return "json";
  }
}

/** A value as the form shows it. */
export function textOf(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What is wrong with a text, in words; empty texts say that the default stands. */
export function complaint(schema: Schema, text: string): string | undefined {
  if (text.trim() === "") return undefined;
  const kind = kindOf(schema);
  if (kind === "json") {
    try {
      JSON.parse(text);
      return undefined;
    } catch {
      return "This is not JSON.";
    }
  }
  if (kind !== "integer" && kind !== "number") return undefined;
  const value = Number(text);
  if (!Number.isFinite(value)) return "A number goes here.";
  if (kind === "integer" && !Number.isInteger(value)) return "A whole number goes here.";
  if (schema.minimum !== undefined && value < schema.minimum) return `At least ${schema.minimum}.`;
  if (schema.maximum !== undefined && value > schema.maximum) return `At most ${schema.maximum}.`;
  if (schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum)
    return `More than ${schema.exclusiveMinimum}.`;
  if (schema.exclusiveMaximum !== undefined && value >= schema.exclusiveMaximum)
    return `Less than ${schema.exclusiveMaximum}.`;
  return undefined;
}

/** The arguments that a filled-in form stands for. */
export function valuesOf(schema: Schema | null | undefined, texts: Record<string, string>): JsonObject {
  const values: JsonObject = {};
  for (const [name, property] of Object.entries(schema?.properties ?? {})) {
    const text = texts[name];
    if (text === undefined || text.trim() === "") continue;
    values[name] = parsed(property, text);
  }
  return values;
}

function parsed(schema: Schema, text: string): Json {
  switch (kindOf(schema)) {
    case "integer":
    case "number":
      return Number(text);
    case "boolean":
      return text === "true";
    case "choice":
      return schema.enum?.find((value) => textOf(value) === text) ?? text;
    case "text":
      return text;
    case "json":
      return JSON.parse(text) as Json;
  }
}

/** Lengths where a plugin says only a letter: pictures of CIFAR's size, and few rows of anything else. */
const LETTERS: Record<string, number> = { H: 32, W: 32, C: 3 };
const SAMPLE_ROWS = 4;

/** A shape to try a port with, from the author's words: `[N, 32, 32, 3]` as a list or as text. */
export function sampleShape(shape: Json | undefined): number[] {
  const lengths =
    typeof shape === "string" ? (shape.match(/\w+/g) ?? []) : Array.isArray(shape) ? shape.map(String) : [];
  if (lengths.length === 0) return [SAMPLE_ROWS];
  return lengths.map((length) => (/^\d+$/.test(length) ? Number(length) : (LETTERS[length] ?? SAMPLE_ROWS)));
}
