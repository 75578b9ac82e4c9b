/** The outputs of stages: what they are, their first rows, and pictures as pictures. */

import { getObject, getObjects, imageAddress } from "../../api/routes.ts";
import type { Json, ObjectField, ObjectRow, OutputNote } from "../../api/types.ts";
import { stageName } from "../../model/fold.ts";
import { bytes, number, shape } from "../../model/format.ts";
import { params, withParams } from "../../router.ts";
import { useData } from "../../ui/hooks.ts";
import { Chip, Empty, Failure, Loading, Panel, Scroll } from "../../ui/parts.tsx";
import type { TabProps } from "./run.tsx";

const ROWS = 12;
/** Cells of a row that are shown; a picture's row has thousands. */
const CELLS_MAX = 12;
const PICTURES_MAX = 24;
/** Of a JSON document that are drawn. */
const DOCUMENT_CHARS = 100_000;
/** Of a text that stands beside its name. */
const VALUE_CHARS = 40;

export function Objects({ document, model }: TabProps) {
  const { run } = document.report;
  const done = model.stages.filter((stage) => stage.status === "succeeded").length;
  const list = useData(`${run}:${done}`, (signal) => getObjects(run, signal));
  const chosen = params.value.get("object");
  if (list.loading) return <Loading what="objects" />;
  if (list.error) return <Failure error={list.error} retry={list.reload} />;
  const objects = list.data?.objects ?? [];
  if (objects.length === 0)
    return (
      <Empty title="No object is kept">
        <p>Objects are here while a run needs them, and those that were saved.</p>
      </Empty>
    );
  const open = objects
    .flatMap((object) => object.fields.map((field) => ({ object, field })))
    .find(({ object, field }) => idOf(object, field) === chosen);
  return (
    <div class="split">
      <Panel title="Objects" aside={<span>{number(objects.length)}</span>} flush>
        <ul class="rows object-list" tabIndex={0} aria-label="Objects">
          {objects.map((object) => (
            <li key={`${object.stage}-${object.index}`}>
              <div class="row-main">
                <span class="row-name wrap">
                  {stageName(object.stage, object.index, model.repeated[object.stage] ?? false)}
                </span>
                {!object.stored && <span class="faint">described only</span>}
              </div>
              <ul class="fields">
                {object.fields.map((field) => {
                  const id = idOf(object, field);
                  return (
                    <li key={field.name}>
                      <a href={withParams({ object: id })} aria-current={id === chosen ? "true" : undefined}>
                        <span class="wrap">{field.name}</span>
                        <span class="faint wrap">{describe(field)}</span>
                      </a>
                    </li>
                  );
                })}
              </ul>
            </li>
          ))}
        </ul>
      </Panel>
      {open ? (
        <Field key={chosen} run={run} object={open.object} field={open.field} />
      ) : (
        <Panel>
          <Empty title="Choose a field to look into" />
        </Panel>
      )}
    </div>
  );
}

const idOf = (object: ObjectRow, field: ObjectField) => `${object.stage}/${object.index}/${field.name}`;

function describe({ note, bytes: length }: ObjectField): string {
  switch (note.kind) {
    case "tensor":
      return tensorText(note);
    case "bytes":
      return bytes(note.len);
    case "json":
      if (typeof note.value === "number") return number(note.value);
      if (typeof note.value === "string" || typeof note.value === "boolean")
        return String(note.value).slice(0, VALUE_CHARS);
      return length === null ? "json" : `json, ${bytes(length)}`;
  }
}

export const tensorText = (note: { dtype: string; shape: number[] }) => `${note.dtype} ${shape(note.shape)}`;

/** Rows of bytes, three to a pixel. */
const isPictures = (note: OutputNote) =>
  note.kind === "tensor" && note.dtype === "u8" && note.shape.length === 4 && note.shape[3] === 3;

function Field(props: FieldProps) {
  const { object, field } = props;
  return (
    <Panel title={`${object.stage}.${field.name}`} aside={<Chip>{describe(field)}</Chip>}>
      <Inside {...props} />
    </Panel>
  );
}

function Inside(props: FieldProps) {
  const { note } = props.field;
  if (note.kind === "json") return <Document value={note.value} />;
  if (note.kind === "bytes") return <Empty title="Bytes that only the plugins understand" />;
  if (!props.object.stored) {
    return (
      <Empty title="Its bytes are not kept">
        <p>What it was is known; rows can be looked at where a checkpoint of the output was taken.</p>
      </Empty>
    );
  }
  return isPictures(note) ? (
    <Pictures {...props} count={Math.min(note.shape[0] ?? 0, PICTURES_MAX)} />
  ) : (
    <Rows {...props} />
  );
}

export function Document({ value }: { value: Json }) {
  const text = JSON.stringify(value, null, 2);
  return (
    <pre class="document" tabIndex={0}>
      {text.length > DOCUMENT_CHARS
        ? `${text.slice(0, DOCUMENT_CHARS)}\n… ${number(text.length - DOCUMENT_CHARS)} more characters`
        : text}
    </pre>
  );
}

interface FieldProps {
  run: string;
  object: ObjectRow;
  field: ObjectField;
}

function Pictures({ run, object, field, count }: FieldProps & { count: number }) {
  return (
    <ul class="pictures">
      {Array.from({ length: count }, (_, row) => (
        <li key={row}>
          <img
            src={imageAddress(run, object.stage, object.index, field.name, row)}
            alt={`Row ${row} of ${field.name}`}
            width={96}
            height={96}
            loading="lazy"
          />
          <span class="faint">{row}</span>
        </li>
      ))}
    </ul>
  );
}

function Rows({ run, object, field }: FieldProps) {
  const { stage, index } = object;
  const loaded = useData(`${run}/${idOf(object, field)}`, (signal) =>
    getObject(run, stage, index, field.name, ROWS, signal),
  );
  if (loaded.loading) return <Loading what="rows" />;
  if (loaded.error) return <Failure error={loaded.error} retry={loaded.reload} />;
  return <Cells rows={loaded.data?.rows ?? []} />;
}

/** Rows of flat numbers, the first cells of each. */
export function Cells({ rows }: { rows: number[][] }) {
  return (
    <Scroll label="First rows">
      <table class="cells">
        <tbody>
          {rows.map((cells, i) => (
            <tr key={i}>
              <th scope="row" class="num faint">
                {i}
              </th>
              {cells.slice(0, CELLS_MAX).map((cell, j) => (
                <td key={j} class="num mono">
                  {number(cell)}
                </td>
              ))}
              {cells.length > CELLS_MAX && <td class="faint nowrap">… {number(cells.length - CELLS_MAX)} more</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
