/** The arguments of a checked pipeline's stages and actors as one form; what is filled in goes along as `--set`. */

import type { Checked, Schema } from "../../api/documents.ts";
import type { JsonObject } from "../../api/types.ts";
import { textOf } from "../../model/schema.ts";
import { Field } from "../../ui/parts.tsx";
import { SchemaForm } from "./schema-form.tsx";

interface ArgumentsProps {
  checked: Checked | undefined;
  values: Record<string, string>;
  change(path: string, value: string): void;
}

interface Part {
  path: string;
  title: string;
  runs: string;
  repeat: number | null;
  schema: Schema | null;
  args: JsonObject;
}

export function Arguments({ checked, values, change }: ArgumentsProps) {
  const parts = partsOf(checked).filter((part) => part.schema?.properties || part.repeat !== null);
  if (parts.length === 0)
    return <p class="dim">{checked ? "No stage takes arguments." : "They appear once the pipeline is valid."}</p>;
  return (
    <div class="stack">
      {parts.map((part) => {
        const prefix = `${part.path}.args.`;
        const own = Object.fromEntries(
          Object.entries(values)
            .filter(([path]) => path.startsWith(prefix))
            .map(([path, value]) => [path.slice(prefix.length), value]),
        );
        return (
          <fieldset key={part.path} class="part">
            <legend>
              {part.title} <span class="faint mono">{part.runs}</span>
            </legend>
            {part.repeat !== null && (
              <div class="form-grid">
                <Field id={`${part.path}-repeat`} label="repeat">
                  <input
                    id={`${part.path}-repeat`}
                    inputMode="numeric"
                    placeholder={String(part.repeat)}
                    value={values[`${part.path}.repeat`] ?? ""}
                    onInput={(event) => change(`${part.path}.repeat`, event.currentTarget.value)}
                  />
                </Field>
              </div>
            )}
            {part.schema?.properties && (
              <SchemaForm
                id={part.path}
                schema={standing(part.schema, part.args)}
                values={own}
                change={(name, value) => change(prefix + name, value)}
              />
            )}
          </fieldset>
        );
      })}
    </div>
  );
}

function partsOf(checked: Checked | undefined): Part[] {
  if (!checked) return [];
  const actors = checked.actors.map((actor): Part => ({
    path: `actor.${actor.name}`,
    title: actor.name,
    runs: actor.native ?? `${actor.plugin}/${actor.class}`,
    repeat: null,
    schema: actor.schema,
    args: actor.args,
  }));
  const stages = checked.stages.map((stage): Part => ({
    path: `stage.${stage.name}`,
    title: stage.name,
    runs: stage.kind === "method" ? `${stage.actor}.${stage.method}` : `${stage.plugin}/${stage.export}`,
    repeat: stage.repeat,
    schema: stage.schema,
    args: stage.args,
  }));
  return [...stages, ...actors];
}

/** The file's own values are what stands where the form is empty. */
function standing(schema: Schema, args: JsonObject): Schema {
  const properties = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const value = args[name];
    return [name, value === undefined ? property : { ...property, default: textOf(value) }] as const;
  });
  return { ...schema, properties: Object.fromEntries(properties) };
}
