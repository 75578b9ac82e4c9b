/** Administration: tenants, what is in use, and who did what. */

import { getAudit, getOverview, getWorkers } from "../../api/routes.ts";
import type { MemoryUse } from "../../api/types.ts";
import { bytes, dateTime, number, seconds } from "../../model/format.ts";
import { useData, useTitle } from "../../ui/hooks.ts";
import { Empty, Failure, Loading, Meter, Panel, Scroll, Stat } from "../../ui/parts.tsx";
import { Tabs } from "../../ui/tabs.tsx";
import { Tenants } from "./tenants.tsx";

const TABS = [
  { id: "tenants", label: "Tenants", href: "/admin" },
  { id: "machine", label: "Machine", href: "/admin/machine" },
  { id: "audit", label: "Audit log", href: "/admin/audit" },
];
const MACHINE_MS = 3000;
const AUDIT_ROWS = 200;

export function Admin({ tab }: { tab: string }) {
  useTitle("Admin");
  return (
    <>
      <div class="head">
        <h1>Administration</h1>
      </div>
      <Tabs tabs={TABS} current={tab} label="Parts of administration" />
      {tab === "tenants" && <Tenants />}
      {tab === "machine" && <Machine />}
      {tab === "audit" && <Audit />}
      {!TABS.some((one) => one.id === tab) && <Empty title="There is no such page" />}
    </>
  );
}

function Machine() {
  const overview = useData("overview", getOverview, MACHINE_MS);
  const workers = useData("workers", getWorkers, MACHINE_MS);
  const error = overview.error ?? workers.error;
  if (overview.data && workers.data) {
    const { data } = overview;
    const { tenants } = workers.data;
    return (
      <div class="stack">
        <Panel>
          <dl class="stats">
            <Stat label="Version" value={data.version} note={`up ${seconds(data.uptime_s)}`} />
            <Stat label="Workers" value={number(data.workers)} note={`${number(data.cpus)} CPUs`} />
            <Stat label="Memory" value={bytes(data.memory.used_bytes)} note={limit(data.memory.limit_bytes)} />
            <Stat label="Spilled to disk" value={bytes(data.memory.spilled_bytes)} />
            <Stat label="Store" value={bytes(data.store.used_bytes)} note={limit(data.store.limit_bytes)} />
            <Stat label="Runs under way" value={number(data.runs.running ?? 0)} />
          </dl>
        </Panel>
        <Panel title="Engines" aside={<span>one for each tenant</span>} flush>
          <Scroll label="Engines">
            <table>
              <thead>
                <tr>
                  <th scope="col">Tenant</th>
                  <th scope="col">CPUs in use</th>
                  <th scope="col">Memory</th>
                  <th scope="col">Runs under way</th>
                </tr>
              </thead>
              <tbody>
                {tenants.map((one) => (
                  <tr key={one.tenant}>
                    <th scope="row">{one.tenant}</th>
                    <td>
                      <Meter
                        value={one.cpus - one.cpus_free}
                        max={one.cpus}
                        label={`CPUs of ${one.tenant}`}
                        text={`${number(one.cpus - one.cpus_free)} of ${number(one.cpus)}`}
                      />
                    </td>
                    <td>
                      <Memory use={one.memory} tenant={one.tenant} />
                    </td>
                    <td class="mono">
                      {one.runs.length === 0 ? (
                        <span class="faint">none</span>
                      ) : (
                        <Runs runs={one.runs} mine={one.tenant === data.tenant} />
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
          {tenants.length === 0 && <Empty title="No engine is running" />}
        </Panel>
      </div>
    );
  }
  return error ? (
    <Failure error={error} retry={() => (overview.reload(), workers.reload())} />
  ) : (
    <Loading what="the machine" />
  );
}

/** Runs of another tenant have no page that this one may see. */
function Runs({ runs, mine }: { runs: string[]; mine: boolean }) {
  return (
    <>
      {runs.map((run) => (
        <div key={run}>{mine ? <a href={`/runs/${run}`}>{run}</a> : run}</div>
      ))}
    </>
  );
}

const limit = (most: number | null) => (most === null ? "no limit" : `of ${bytes(most)}`);

function Memory({ use, tenant }: { use: MemoryUse; tenant: string }) {
  if (use.limit_bytes === null) return <>{bytes(use.used_bytes)}</>;
  return (
    <Meter
      value={use.used_bytes}
      max={use.limit_bytes}
      label={`Memory of ${tenant}`}
      text={`${bytes(use.used_bytes)} of ${bytes(use.limit_bytes)}`}
      scarce
    />
  );
}

/** A quota is noted as JSON: shown as its names and values. Anything else is text. */
function plainer(detail: string): string {
  if (!detail.startsWith("{")) return detail;
  try {
    const parts = Object.entries(JSON.parse(detail) as Record<string, unknown>);
    return parts.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ");
  } catch {
    return detail;
  }
}

function Audit() {
  const { data, error, loading, reload } = useData("audit", (signal) => getAudit(AUDIT_ROWS, signal));
  if (loading) return <Loading what="the audit log" />;
  if (!data) return error ? <Failure error={error} retry={reload} /> : null;
  if (data.entries.length === 0) return <Empty title="Nothing has been administered yet" />;
  return (
    <Panel flush>
      <Scroll label="Audit log">
        <table class="cards">
          <caption class="sr-only">Administrative acts, newest first</caption>
          <thead>
            <tr>
              <th scope="col" class="num">
                Number
              </th>
              <th scope="col">When</th>
              <th scope="col">By</th>
              <th scope="col">What</th>
              <th scope="col">To</th>
              <th scope="col">Detail</th>
            </tr>
          </thead>
          <tbody>
            {data.entries.map((entry) => (
              <tr key={entry.number}>
                <td class="num faint" data-label="Number">
                  {entry.number}
                </td>
                <td class="nowrap" data-label="When">
                  {dateTime(entry.at_ms)}
                </td>
                <td class="mono" data-label="By">
                  {entry.by}
                </td>
                <td class="mono" data-label="What">
                  {entry.act}
                </td>
                <td class="wrap" data-label="To">
                  {entry.subject}
                </td>
                <td class="wrap wide-cell" data-label="Detail">
                  {plainer(entry.detail)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
