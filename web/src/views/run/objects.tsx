/** The outputs of stages: what they are, their first rows, and pictures as pictures. */

import { getObject, getObjects, imageAddress } from "../../api/routes.ts";
import type { Json, ObjectField, ObjectRow, ObjectRows } from "../../api/types.ts";
import { stageName } from "../../model/fold.ts";
import { bytes, number, shape } from "../../model/format.ts";
import { params, withParams } from "../../router.ts";
import { useData } from "../../ui/hooks.ts";
import { Chip, Empty, Failure, Loading, Panel, Scroll } from "../../ui/parts.tsx";
import type { TabProps } from "./run.tsx";

const ROWS = 12;
/** Cells of a row that are shown; a picture's row has thousands. */
const CELLS_MAX = 12;

export function Objects({ report, model }: TabProps) {
  const done = model.stages.filter((stage) => stage.status === "succeeded").length;
  const list = useData(`${report.run}:${done}`, (signal) => getObjects(report.run, signal));
  const chosen = params.value.get("object");
  if (list.loading) return <Loading what="objects" />;
  if (list.error) return <Failure error={list.error} retry={list.reload} />;
  const objects = list.data?.objects ?? [];
  if (objects.length === 0) return <Empty title="No object is kept"><p>Objects are here while a run needs them, and those that were saved.</p></Empty>;
  const open = objects
    .flatMap((object) => object.fields.map((field) => ({ object, field })))
    .find(({ object, field }) => idOf(object, field) === chosen);
  return (
    <div class="split">
      <Panel title="Objects" aside={<span>{number(objects.length)}</span>} flush>
        <ul class="rows object-list">
          {objects.map((object) => (
            <li key={`${object.stage}-${object.index}`}>
              <div class="row-main">
                <span class="row-name wrap">{stageName(object.stage, object.index, model.repeated[object.stage] ?? false)}</span>
                <span class="dim num">{bytes(object.bytes)}</span>
              </div>
              <ul class="fields">
                {object.fields.map((field) => {
                  const id = idOf(object, field);
                  return (
                    <li key={field.name}>
                      <a href={withParams({ object: id })} aria-current={id === chosen ? "true" : undefined}>
                        <span class="wrap">{field.name}</span>
                        <span class="faint">{describe(field)}</span>
                      </a>
                    </li>
                  );
                })}
              </ul>
            </li>
          ))}
        </ul>
      </Panel>
      {open ? <Field key={chosen} run={report.run} object={open.object} field={open.field} /> : <Panel><Empty title="Choose a field to look into" /></Panel>}
    </div>
  );
}

const idOf = (object: ObjectRow, field: ObjectField) => `${object.stage}/${object.index}/${field.name}`;

function describe(field: { kind: string; dtype?: string | null; shape?: number[] | null; bytes: number }): string {
  return field.kind === "tensor" ? `${field.dtype ?? ""} ${shape(field.shape)}` : `${field.kind}, ${bytes(field.bytes)}`;
}

function Field({ run, object, field }: { run: string; object: ObjectRow; field: ObjectField }) {
  const { stage, index } = object;
  const loaded = useData(`${run}/${idOf(object, field)}`, (signal) => getObject(run, stage, index, field.name, ROWS, signal));
  return (
    <Panel title={`${stage}.${field.name}`} aside={<Chip>{describe(field)}</Chip>}>
      {loaded.loading && <Loading what="rows" />}
      {loaded.error && <Failure error={loaded.error} retry={loaded.reload} />}
      {loaded.data && (field.image ? <Pictures run={run} object={object} field={field} /> : <Rows data={loaded.data} />)}
    </Panel>
  );
}

function Pictures({ run, object, field }: { run: string; object: ObjectRow; field: ObjectField }) {
  const count = Math.min(field.shape?.[0] ?? 1, 24);
  return (
    <ul class="pictures">
      {Array.from({ length: count }, (_, row) => (
        <li key={row}>
          <img src={imageAddress(run, object.stage, object.index, field.name, row)} alt={`Row ${row} of ${field.name}`} width={96} height={96} loading="lazy" />
          <span class="faint">{row}</span>
        </li>
      ))}
    </ul>
  );
}

function Rows({ data }: { data: ObjectRows }) {
  if (data.kind !== "tensor") {
    const text = data.kind === "bytes" ? String(data.rows[0] ?? "") : data.rows.map((row) => JSON.stringify(row, null, 2)).join("\n");
    return <pre class="document" tabIndex={0}>{text}</pre>;
  }
  return (
    <Scroll label="First rows">
      <table class="cells">
        <tbody>
          {data.rows.map((row, i) => {
            const cells = flat(row);
            return (
              <tr key={i}>
                <th scope="row" class="num faint">{i}</th>
                {cells.slice(0, CELLS_MAX).map((cell, j) => <td key={j} class="num mono">{typeof cell === "number" ? number(cell) : String(cell)}</td>)}
                {cells.length > CELLS_MAX && <td class="faint nowrap">… {number(cells.length - CELLS_MAX)} more</td>}
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

const flat = (row: Json): Json[] => (Array.isArray(row) ? row.flatMap(flat) : [row]);
