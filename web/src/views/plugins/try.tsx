/** A bench: one task of a plugin, run once on a sample input. */

import { useState } from "preact/hooks";
import type { Plugin, Port, TaskExport, TryInput, TryResult } from "../../api/documents.ts";
import { tryPlugin } from "../../api/routes.ts";
import type { Json, JsonObject } from "../../api/types.ts";
import { seconds } from "../../model/format.ts";
import { sampleShape } from "../../model/schema.ts";
import { Button, Chip, Field, Panel } from "../../ui/parts.tsx";
import { SchemaForm, valuesOf } from "../new/schema-form.tsx";
import { Cells, Document, tensorText } from "../run/objects.tsx";

export function TryBench({ plugin }: { plugin: Plugin }) {
  const [name, setName] = useState(plugin.tasks[0]?.name ?? "");
  const task = plugin.tasks.find((one) => one.name === name);
  return (
    <Panel
      title="Try it"
      aside={
        plugin.tasks.length > 1 && (
          <select aria-label="Task to try" value={name} onChange={(event) => setName(event.currentTarget.value)}>
            {plugin.tasks.map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </select>
        )
      }
    >
      {task && <Bench key={task.name} plugin={plugin} task={task} />}
    </Panel>
  );
}

function Bench({ plugin, task }: { plugin: Plugin; task: TaskExport }) {
  const [args, setArgs] = useState<Record<string, string>>({});
  const [inputs, setInputs] = useState<Record<string, string>>(() =>
    Object.fromEntries(task.inputs.filter((port) => !port.optional).map((port) => [port.name, sample(port)])),
  );
  const [result, setResult] = useState<TryResult>();
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    setResult(undefined);
    try {
      const given = task.inputs.flatMap((port) => {
        const text = inputs[port.name]?.trim();
        return text ? [[port.name, inputOf(port, text)] as const] : [];
      });
      setResult(
        await tryPlugin(plugin.name, plugin.version, task.name, valuesOf(task.args, args), Object.fromEntries(given)),
      );
    } catch (cause) {
      setError((cause as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="stack" onSubmit={(event) => void submit(event)}>
      {task.args?.properties && (
        <SchemaForm
          id="try"
          schema={task.args}
          values={args}
          change={(arg, value) => setArgs({ ...args, [arg]: value })}
        />
      )}
      {task.inputs.map((port) => (
        <Field
          key={port.name}
          id={`try-in-${port.name}`}
          label={`${port.name}${port.optional ? " (optional)" : ""}`}
          hint={
            port.kind === "json"
              ? "A JSON document."
              : 'Type and shape of a tensor, filled with a pattern; or with "data": a list of numbers.'
          }
        >
          <textarea
            id={`try-in-${port.name}`}
            class="mono"
            rows={2}
            spellcheck={false}
            value={inputs[port.name] ?? ""}
            onInput={(event) => setInputs({ ...inputs, [port.name]: event.currentTarget.value })}
          />
        </Field>
      ))}
      <div class="actions">
        <Button kind="primary" icon="play" type="submit" busy={busy}>
          Run once
        </Button>
      </div>
      {error && (
        <p class="field-error" role="alert">
          {error}
        </p>
      )}
      {result && <Outcome result={result} />}
    </form>
  );
}

function Outcome({ result }: { result: TryResult }) {
  return (
    <div class="stack tight" role="status">
      <p class="good">Done in {seconds(result.seconds)}</p>
      {result.outputs.map((field) => (
        <div key={field.name}>
          <h3 class="id">
            {field.name} <Chip>{field.note.kind === "tensor" ? tensorText(field.note) : field.note.kind}</Chip>
          </h3>
          {field.note.kind === "json" ? <Document value={field.note.value} /> : <Cells rows={field.rows} />}
        </div>
      ))}
      {result.logs.length > 0 && (
        <pre class="document" tabIndex={0}>
          {result.logs.map((line) => `${line.level} ${line.message}`).join("\n")}
        </pre>
      )}
    </div>
  );
}

function sample(port: Port): string {
  if (port.kind === "json") return "{}";
  return JSON.stringify({ dtype: port.dtype ?? "u8", shape: sampleShape(port.shape) });
}

function inputOf(port: Port, text: string): TryInput {
  let json: Json;
  try {
    json = JSON.parse(text) as Json;
  } catch {
    throw new Error(`input ${port.name} is not JSON`);
  }
  if (port.kind === "json") return { json };
  const { dtype, shape: lengths, data } = json as JsonObject;
  if (typeof dtype !== "string" || !Array.isArray(lengths))
    throw new Error(`input ${port.name} needs a dtype and a shape`);
  return { dtype, shape: lengths as number[], data: Array.isArray(data) ? (data as number[]) : null };
}
