/** Places the nodes of a stage graph: a column per distance from the start, rows so that edges cross little. */

export interface Placed {
  id: string;
  column: number;
  row: number;
}

interface Edge {
  from: string;
  to: string;
}

/** Rounds of ordering rows by their neighbours; more change hardly anything. */
const SWEEPS = 4;

export function layout(
  ids: readonly string[],
  edges: readonly Edge[],
): { nodes: Placed[]; columns: number; rows: number } {
  const before = new Map<string, string[]>(ids.map((id) => [id, []]));
  const after = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const { from, to } of edges) {
    if (from === to || !before.has(to) || !after.has(from)) continue;
    before.get(to)?.push(from);
    after.get(from)?.push(to);
  }
  const column = new Map<string, number>();
  // Without cycles so many rounds suffice; with them it ends all the same.
  for (let round = 0, moved = true; moved && round <= ids.length; round += 1) {
    moved = false;
    for (const id of ids) {
      const at = Math.max(0, ...(before.get(id) ?? []).map((one) => (column.get(one) ?? 0) + 1));
      if (at !== column.get(id) && at < ids.length) {
        column.set(id, at);
        moved = true;
      }
    }
  }
  const columns: string[][] = [];
  for (const id of ids) (columns[column.get(id) ?? 0] ??= []).push(id);
  const row = new Map<string, number>();
  const number = () => columns.forEach((ids) => ids.forEach((id, i) => row.set(id, i - (ids.length - 1) / 2)));
  number();
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const neighbours = sweep % 2 === 0 ? before : after;
    for (const ids of columns) {
      const weight = new Map(
        ids.map((id) => [
          id,
          mean(
            (neighbours.get(id) ?? []).map((one) => row.get(one) ?? 0),
            row.get(id) ?? 0,
          ),
        ]),
      );
      ids.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0));
    }
    number();
  }
  const rows = Math.max(1, ...columns.map((ids) => ids.length));
  const nodes = ids.map((id) => ({ id, column: column.get(id) ?? 0, row: (row.get(id) ?? 0) + (rows - 1) / 2 }));
  return { nodes, columns: columns.length, rows };
}

function mean(values: number[], otherwise: number): number {
  return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : otherwise;
}
