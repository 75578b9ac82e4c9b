/** The ledger of the checkpoint controller: what each decision knew and said, and what it was worth. */

import { Fragment } from "preact";
import { stageName } from "../../model/fold.ts";
import { about, number, percent, seconds } from "../../model/format.ts";
import { Chip, Empty, Panel, Scroll, Stat } from "../../ui/parts.tsx";
import type { TabProps } from "./run.tsx";

export function Decisions({ document, model }: TabProps) {
  const { account } = model;
  if (model.decisions.length === 0) {
    return (
      <Empty title="No decision yet">
        <p>After each call of an actor the controller decides whether a checkpoint pays.</p>
      </Empty>
    );
  }
  const spent = account.blocking_s + account.background_s;
  const policies = [...document.report.account.policies].sort((a, b) => a.makespan_s - b.makespan_s);
  const worst = Math.max(...policies.map((policy) => policy.makespan_s));
  return (
    <div class="stack">
      <Panel>
        <dl class="stats">
          <Stat label="Spent" value={seconds(spent)} note={`${seconds(account.blocking_s)} of it held workers up`} />
          <Stat label="Saved" value={seconds(account.saved_s)} note="recoveries did not repeat it" />
          <Stat label="Lost all the same" value={seconds(account.lost_s)} />
          <Stat
            label="Useful time"
            value={seconds(account.useful_s)}
            note={
              account.useful_s > 0 ? `${percent(account.blocking_s / account.useful_s, 2)} of it held up` : undefined
            }
          />
          <Stat
            label="Decisions"
            value={number(model.decisions.length)}
            note={`${model.decisions.filter((one) => one.checkpoint).length} took a checkpoint`}
          />
        </dl>
      </Panel>
      {policies.length > 0 && (
        <Panel
          title="What other policies would have cost"
          aside={<span>By simulation, same units and failures</span>}
          flush
        >
          <Scroll label="Policies">
            <table>
              <thead>
                <tr>
                  <th scope="col">Policy</th>
                  <th scope="col">From start to end</th>
                  <th scope="col" class="num">
                    Seconds
                  </th>
                  <th scope="col" class="num">
                    Checkpoints
                  </th>
                </tr>
              </thead>
              <tbody>
                {policies.map((policy) => (
                  <tr key={policy.policy}>
                    <th scope="row">{policy.policy}</th>
                    <td class="bar-cell">
                      <progress value={policy.makespan_s} max={worst} aria-label={`Makespan of ${policy.policy}`} />
                    </td>
                    <td class="num">{seconds(policy.makespan_s)}</td>
                    <td class="num">{policy.checkpoints}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </Panel>
      )}
      <Panel title="Decisions" flush>
        <Scroll label="Decisions">
          <table class="ledger cards">
            <thead>
              <tr>
                <th scope="col">After</th>
                <th scope="col">Decision</th>
                <th scope="col" class="num">
                  Ran
                </th>
                <th scope="col" class="num">
                  Ratio
                </th>
                <th scope="col" class="num">
                  Threshold
                </th>
                <th scope="col" class="num">
                  Expected loss
                </th>
                <th scope="col" class="num">
                  Cost
                </th>
                <th scope="col" class="num">
                  Unsaved
                </th>
                <th scope="col" class="num">
                  Failures/h
                </th>
                <th scope="col" class="num">
                  Budget left
                </th>
              </tr>
            </thead>
            <tbody>
              {model.decisions.map((one, i) => (
                <Fragment key={i}>
                  <tr>
                    <th scope="row" class="run-name">
                      {stageName(one.stage, one.index, model.repeated[one.stage] ?? true)}
                    </th>
                    <td class="wide-cell">
                      <Chip tone={one.checkpoint ? "good" : "calm"}>
                        {one.checkpoint ? "checkpoint" : (one.detail?.refused ?? "none")}
                      </Chip>
                    </td>
                    <td class="num" data-label="Ran">
                      {seconds(one.runtime_s)}
                    </td>
                    <td class="num" data-label="Ratio">
                      {number(one.ratio)}
                    </td>
                    <td class="num" data-label="Threshold">
                      {number(one.threshold)}
                    </td>
                    <td class="num" data-label="Expected loss">
                      {seconds(one.expected_loss_s)}
                    </td>
                    <td class="num" data-label="Cost">
                      {seconds(one.cost_s)}
                    </td>
                    <td class="num" data-label="Unsaved">
                      {one.detail ? seconds(one.detail.unsaved_s) : "–"}
                    </td>
                    <td class="num" data-label="Failures/h">
                      {one.detail
                        ? `${about(one.detail.failures_per_hour)} (${one.detail.failures_per_hour_90.map(about).join("–")})`
                        : "–"}
                    </td>
                    <td class="num" data-label="Budget left">
                      {one.budget_left === null ? "–" : number(one.budget_left)}
                    </td>
                  </tr>
                  <tr class="sentence">
                    <td colSpan={10}>{one.reason}</td>
                  </tr>
                </Fragment>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Panel>
    </div>
  );
}
