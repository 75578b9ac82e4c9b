/** A form made from a JSON Schema, and the same schema as a table to read. */

import type { Schema } from "../../api/documents.ts";
import { complaint, kindOf, textOf } from "../../model/schema.ts";
import { Field, Scroll } from "../../ui/parts.tsx";

export { valuesOf } from "../../model/schema.ts";

interface FormProps {
  id: string;
  schema: Schema;
  values: Record<string, string>;
  change(name: string, value: string): void;
}

export function SchemaForm({ id, schema, values, change }: FormProps) {
  return (
    <div class="form-grid">
      {Object.entries(schema.properties ?? {}).map(([name, property]) => {
        const field = `${id}-${name}`;
        const text = values[name] ?? "";
        const error = complaint(property, text);
        return (
          <Field key={name} id={field} label={name} hint={property.description} error={error}>
            <Input
              id={field}
              schema={property}
              text={text}
              invalid={error !== undefined}
              required={schema.required?.includes(name) ?? false}
              change={(value) => change(name, value)}
            />
          </Field>
        );
      })}
    </div>
  );
}

interface InputProps {
  id: string;
  schema: Schema;
  text: string;
  invalid: boolean;
  required: boolean;
  change(value: string): void;
}

function Input({ id, schema, text, invalid, required, change }: InputProps) {
  const kind = kindOf(schema);
  const standing = textOf(schema.default);
  const common = {
    id,
    required: required && schema.default === undefined,
    "aria-invalid": invalid,
    "aria-describedby": schema.description ? `${id}-hint` : undefined,
  };
  if (kind === "choice" || kind === "boolean") {
    const choices = kind === "boolean" ? ["true", "false"] : (schema.enum ?? []).map(textOf);
    return (
      <select {...common} value={text} onChange={(event) => change(event.currentTarget.value)}>
        <option value="">{standing ? `default: ${standing}` : "not set"}</option>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {choice}
          </option>
        ))}
      </select>
    );
  }
  const numeric = kind === "integer" || kind === "number";
  return (
    <input
      {...common}
      type="text"
      inputMode={numeric ? "decimal" : "text"}
      value={text}
      placeholder={standing}
      class={kind === "json" ? "mono" : ""}
      spellcheck={false}
      onInput={(event) => change(event.currentTarget.value)}
    />
  );
}

export function SchemaTable({ schema, label }: { schema: Schema; label: string }) {
  return (
    <Scroll label={label}>
      <table class="ports">
        <thead>
          <tr>
            <th scope="col">Argument</th>
            <th scope="col">Type</th>
            <th scope="col">Default</th>
            <th scope="col">What it is</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(schema.properties ?? {}).map(([name, property]) => (
            <tr key={name}>
              <th scope="row" class="mono">
                {name}
                {schema.required?.includes(name) && <span class="faint"> required</span>}
              </th>
              <td class="dim nowrap">{[property.type ?? (property.enum ? "one of" : "any")].flat().join(" or ")}</td>
              <td class="mono">{textOf(property.default) || <span class="faint">–</span>}</td>
              <td>
                {property.description}
                {property.enum && <span class="dim"> One of {property.enum.map(textOf).join(", ")}.</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
