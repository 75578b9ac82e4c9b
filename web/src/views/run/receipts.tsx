/** What each call cost. */

import { endOf } from "../../model/derive.ts";
import { stageName } from "../../model/fold.ts";
import { about, bytes, number, seconds } from "../../model/format.ts";
import { Chip, Empty, Panel, Scroll, Stat, Status } from "../../ui/parts.tsx";
import type { TabProps } from "./run.tsx";

/** A page draws no more rows than this; the sums above count all. */
const ROWS_MAX = 500;

export function Receipts({ model }: TabProps) {
  const { cost } = model;
  if (model.stages.length === 0) return <Empty title="No call yet" />;
  const rows = model.stages.slice(-ROWS_MAX).reverse();
  return (
    <div class="stack">
      <Panel>
        <dl class="stats">
          <Stat label="Calls" value={number(cost.calls)} note={`${number(cost.cold_calls)} cold`} />
          <Stat label="Wall time" value={seconds(cost.wall_s)} note="one after another" />
          <Stat
            label="Computing"
            value={seconds(cost.cpu_s)}
            note={cost.wall_s > 0 ? `${about(cost.cpu_s / cost.wall_s)} cores on average` : undefined}
          />
          <Stat label="Guest memory" value={bytes(cost.memory_peak_bytes)} note="highest" />
          <Stat label="Into guests" value={bytes(cost.bytes_in)} />
          <Stat label="Out of guests" value={bytes(cost.bytes_out)} />
        </dl>
      </Panel>
      <Panel
        title="Calls"
        aside={
          model.stages.length > ROWS_MAX ? (
            <span>
              the newest {ROWS_MAX} of {number(model.stages.length)}
            </span>
          ) : (
            <span>newest first</span>
          )
        }
        flush
      >
        <Scroll label="Receipts of calls">
          <table class="cards">
            <thead>
              <tr>
                <th scope="col">Stage</th>
                <th scope="col">Status</th>
                <th scope="col">Worker</th>
                <th scope="col" class="num">
                  Attempt
                </th>
                <th scope="col" class="num">
                  Wall
                </th>
                <th scope="col" class="num">
                  Computing
                </th>
                <th scope="col" class="num">
                  Memory
                </th>
                <th scope="col" class="num">
                  In
                </th>
                <th scope="col" class="num">
                  Out
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((one, i) => (
                <tr key={model.stages.length - i}>
                  <th scope="row" class="run-name">
                    {stageName(one.name, one.index, model.repeated[one.name] ?? false)}
                    {one.replay && (
                      <>
                        {" "}
                        <Chip tone="odd">replay</Chip>
                      </>
                    )}
                    {one.receipt?.cold && (
                      <>
                        {" "}
                        <Chip tone="live">cold</Chip>
                      </>
                    )}
                    {one.error && <p class="run-error">{one.error}</p>}
                  </th>
                  <td data-label="Status">
                    <Status status={one.status} />
                  </td>
                  <td data-label="Worker">{one.worker}</td>
                  <td class="num" data-label="Attempt">
                    {one.attempt}
                  </td>
                  <td class="num" data-label="Wall">
                    {seconds(one.receipt?.wall_s ?? endOf(one, model) - one.started_s)}
                  </td>
                  <td class="num" data-label="Computing">
                    {one.receipt ? seconds(one.receipt.cpu_s) : "–"}
                  </td>
                  <td class="num" data-label="Memory">
                    {one.receipt && one.receipt.memory_peak_bytes > 0 ? bytes(one.receipt.memory_peak_bytes) : "–"}
                  </td>
                  <td class="num" data-label="In">
                    {one.receipt ? bytes(one.receipt.bytes_in) : "–"}
                  </td>
                  <td class="num" data-label="Out">
                    {one.receipt ? bytes(one.receipt.bytes_out) : "–"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Panel>
    </div>
  );
}
