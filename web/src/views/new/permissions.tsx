/** What a run will be allowed to do and how much it may take: seen before it starts. */

import type { Checked } from "../../api/documents.ts";
import { bytes, seconds } from "../../model/format.ts";
import { Chip, Panel, Scroll } from "../../ui/parts.tsx";

export function Permissions({ checked }: { checked: Checked | undefined }) {
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

const plain = (text: string) => text.replaceAll("`", "");
