/** What a run will be allowed to do and how much it may take: seen before it starts. */

import type { Checked, Grant } from "../../api/documents.ts";
import { bytes, seconds } from "../../model/format.ts";
import { mountPath } from "../../model/grants.ts";
import { Chip, Panel, Scroll } from "../../ui/parts.tsx";

interface PermissionsProps {
  checked: Checked | undefined;
  /** Folders that the tenant was granted. */
  mounts: string[];
  values: Record<string, string>;
  change(path: string, value: string): void;
}

export function Permissions({ checked, mounts, values, change }: PermissionsProps) {
  const grants = checked?.grants ?? [];
  const limits = checked?.limits ?? [];
  return (
    <Panel title="Grants and limits">
      <div class="stack">
        {grants.length === 0 ? (
          <p class="dim">No stage is granted files, network or environment.</p>
        ) : (
          <ul class="stack tight">
            {grants.map((grant, i) => (
              <li key={i} class="wrap">
                {plain(grant.at)} reads <Chip tone="odd">{grant.folder}</Chip> as <Chip>{grant.mount}</Chip>
                <Folder grant={grant} mounts={mounts} values={values} change={change} />
              </li>
            ))}
          </ul>
        )}
        {limits.length > 0 && (
          <Scroll label="Limits">
            <table class="ports">
              <thead>
                <tr>
                  <th scope="col">Of</th>
                  <th scope="col" class="num">
                    Memory
                  </th>
                  <th scope="col" class="num">
                    Time
                  </th>
                  <th scope="col" class="num">
                    CPUs
                  </th>
                  <th scope="col" class="num">
                    Retries
                  </th>
                </tr>
              </thead>
              <tbody>
                {limits.map((limit, i) => (
                  <tr key={i}>
                    <th scope="row">{plain(limit.at)}</th>
                    <td class="num">{limit.memory_bytes === null ? "–" : bytes(limit.memory_bytes)}</td>
                    <td class="num">{limit.timeout_s === null ? "–" : seconds(limit.timeout_s)}</td>
                    <td class="num">{limit.cpus ?? "–"}</td>
                    <td class="num">{limit.max_retries}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
      </div>
    </Panel>
  );
}

/** Another granted folder instead of the one that the file names. */
function Folder({ grant, mounts, values, change }: { grant: Grant } & Omit<PermissionsProps, "checked">) {
  const path = mountPath(grant);
  if (!path || mounts.length === 0) return null;
  return (
    <select
      class="inline"
      aria-label={`Folder for ${grant.mount} of ${path.split(".")[1]}`}
      value={values[path] ?? ""}
      onChange={(event) => change(path, event.currentTarget.value)}
    >
      <option value="">as in the file</option>
      {mounts.map((mount) => (
        <option key={mount} value={mount}>
          {mount}
        </option>
      ))}
    </select>
  );
}

const plain = (text: string) => text.replaceAll("`", "");
