/** The checkpoints of a run: take them away as safetensors, keep them, go on from one. */

import { useState } from "preact/hooks";
import { checkpointAddress, dropCheckpoint, getCheckpoints, pinCheckpoint } from "../../api/routes.ts";
import type { CheckpointRow } from "../../api/types.ts";
import { stageName } from "../../model/fold.ts";
import { bytes, dateTime, number, seconds, shortDigest } from "../../model/format.ts";
import { query } from "../../api/client.ts";
import { useData } from "../../ui/hooks.ts";
import { Confirm, useAction } from "../../ui/overlays.tsx";
import { Button, Chip, Copy, Empty, Failure, LinkButton, Loading } from "../../ui/parts.tsx";
import type { TabProps } from "./run.tsx";

export function Checkpoints({ document, model }: TabProps) {
  const { run } = document.report;
  const list = useData(`${run}:${model.checkpoints.length}`, (signal) => getCheckpoints(run, signal));
  const [dropping, setDropping] = useState<CheckpointRow>();
  const [busy, act] = useAction();
  if (list.loading) return <Loading what="checkpoints" />;
  if (list.error && !list.data) return <Failure error={list.error} retry={list.reload} />;
  const rows = [...(list.data?.checkpoints ?? [])].sort((a, b) => b.number - a.number);
  if (rows.length === 0) {
    return (
      <Empty title="No checkpoint is kept">
        <p>The controller takes one when it pays; the Decisions tab says why it did not yet.</p>
      </Empty>
    );
  }
  const costs = new Map(model.checkpoints.map((one) => [one.id, one]));
  const used = new Set(model.recoveries.map((one) => one.from_checkpoint));
  return (
    <>
      <ul class="stack tight">
        {rows.map((row) => {
          const cost = costs.get(row.id);
          return (
            <li key={row.id} class="panel checkpoint">
              <div class="checkpoint-text">
                <h2>
                  {row.name ?? `After ${stageName(row.stage, row.index, model.repeated[row.stage] ?? true)}`}
                  {row.pinned && <Chip tone="live">pinned</Chip>}
                  {used.has(row.id) && <Chip tone="good">recovered from</Chip>}
                  {row.damaged && <Chip tone="bad">damaged</Chip>}
                </h2>
                <p class="head-sub">
                  <span>{row.actor ?? "output"}</span>
                  <span>{bytes(row.bytes)}</span>
                  {row.actor && <span>holds {number(row.position)} calls</span>}
                  {row.metric !== null && <span>metric {number(row.metric)}</span>}
                  {cost && (
                    <span>
                      held up {seconds(cost.blocking_s)}, durable after {seconds(cost.total_s)}
                    </span>
                  )}
                  <span>{dateTime(row.created_ms)}</span>
                </p>
                {row.damaged && <p class="bad wrap">{row.damaged}</p>}
                <p class="mono faint id">
                  {row.id} · {shortDigest(row.digest)}
                  <Copy text={row.digest} name="digest" />
                </p>
              </div>
              <div class="actions">
                {!row.damaged && (
                  <LinkButton href={checkpointAddress(row.id)} icon="down" download>
                    Download
                  </LinkButton>
                )}
                <Button
                  icon="pin"
                  busy={busy}
                  onClick={() => void act(() => pinCheckpoint(row.id, !row.pinned)).then(list.reload)}
                >
                  {row.pinned ? "Unpin" : "Pin"}
                </Button>
                {row.actor && !row.damaged && (
                  <LinkButton href={`/new${query({ run: run, from: `${row.actor}=${row.id}` })}`} icon="fork">
                    New run from here
                  </LinkButton>
                )}
                <Button kind="quiet" icon="trash" iconOnly disabled={row.pinned} onClick={() => setDropping(row)}>
                  Drop checkpoint {row.number}
                </Button>
              </div>
            </li>
          );
        })}
      </ul>
      {dropping && (
        <Confirm
          title="Drop this checkpoint?"
          yes="Drop it"
          danger
          act={() => dropCheckpoint(dropping.id).then(list.reload)}
          onClose={() => setDropping(undefined)}
        >
          <p>
            <span class="mono">{dropping.id}</span>, {bytes(dropping.bytes)}. A later recovery of this run will have to
            go further back.
          </p>
        </Confirm>
      )}
    </>
  );
}
