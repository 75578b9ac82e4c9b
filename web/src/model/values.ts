/**
 * The values of a pipeline file by the paths of `--set`, for comparing runs. Reads the part of TOML that
 * pipeline files are written in, line by line; what it does not understand it leaves out. It decides
 * nothing: whether a pipeline is right only the server says.
 */

export function pipelineValues(text: string, set: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  let prefix = "";
  let table = "";
  for (const raw of text.split("\n")) {
    const line = uncommented(raw).trim();
    const header = /^\[\[?\s*([\w.-]+)\s*\]?\]$/.exec(line);
    if (header) {
      table = header[1] ?? "";
      prefix = table;
      continue;
    }
    const pair = /^([\w.-]+)\s*=\s*(.+)$/.exec(line);
    if (!pair) continue;
    const [, key = "", value = ""] = pair;
    if (key === "name" && (table === "stage" || table === "actor")) {
      prefix = `${table}.${unquoted(value)}`;
      continue;
    }
    put(values, `${prefix}.${key}`, value);
  }
  for (const assignment of set) {
    const at = assignment.indexOf("=");
    if (at > 0) values[assignment.slice(0, at)] = assignment.slice(at + 1);
  }
  return values;
}

/** Inline tables get a row for each of their entries. */
function put(values: Record<string, string>, path: string, value: string): void {
  const table = /^\{(.*)\}$/.exec(value);
  if (!table) {
    values[path] = unquoted(value);
    return;
  }
  for (const part of split(table[1] ?? "")) {
    const at = part.indexOf("=");
    if (at > 0) put(values, `${path}.${part.slice(0, at).trim()}`, part.slice(at + 1).trim());
  }
}

/** At the commas that stand in no quotes and no brackets. */
function split(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let i = 0; i <= text.length; i += 1) {
    const c = text[i];
    if (c === '"') quoted = !quoted;
    else if (!quoted && (c === "{" || c === "[")) depth += 1;
    else if (!quoted && (c === "}" || c === "]")) depth -= 1;
    if (i === text.length || (c === "," && depth === 0 && !quoted)) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return parts.filter((part) => part.trim());
}

function uncommented(line: string): string {
  let quoted = false;
  for (let i = 0; i < line.length; i += 1) {
    if (line[i] === '"') quoted = !quoted;
    else if (line[i] === "#" && !quoted) return line.slice(0, i);
  }
  return line;
}

const unquoted = (value: string) => value.replace(/^"(.*)"$/, "$1");

/** The names of a pipeline's stages, in the order of the file: those that have not begun are shown too. */
export function pipelineStages(text: string): string[] {
  const names: string[] = [];
  let inStage = false;
  for (const raw of text.split("\n")) {
    const line = uncommented(raw).trim();
    if (line.startsWith("[")) inStage = line.replace(/\s/g, "") === "[[stage]]";
    const name = inStage && /^name\s*=\s*"([^"]+)"$/.exec(line)?.[1];
    if (name) names.push(name);
  }
  return names;
}
