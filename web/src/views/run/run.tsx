/** One run: its head with what can be done to it, and the tab that the address names. */

import type { RunDocument, RunStatus } from "../../api/types.ts";
import { newest } from "../../model/derive.ts";
import type { RunModel } from "../../model/fold.ts";
import { dateTime, percent, seconds } from "../../model/format.ts";
import { useNow, useTitle } from "../../ui/hooks.ts";
import { Icon } from "../../ui/icons.tsx";
import { Copy, Empty, Failure, Loading, Status } from "../../ui/parts.tsx";
import { Tabs } from "../../ui/tabs.tsx";
import { Actions } from "./actions.tsx";
import { Checkpoints } from "./checkpoints.tsx";
import { Decisions } from "./decisions.tsx";
import { GraphTab } from "./graph.tsx";
import { useRun } from "./live.ts";
import { Logs } from "./logs.tsx";
import { Objects } from "./objects.tsx";
import { OverviewTab } from "./overview.tsx";
import { Receipts } from "./receipts.tsx";
import { Timeline } from "./timeline.tsx";

/** What every tab is given. */
export interface TabProps {
  document: RunDocument;
  model: RunModel;
}

export function Run({ run, tab }: { run: string; tab: string }) {
  const { document, model, error, reload } = useRun(run);
  useTitle(document ? `${document.pipeline} ${run}` : run);
  if (error && !document) return <Failure page error={error} retry={reload} />;
  if (!document) return <Loading what={`run ${run}`} />;
  const status = model.starts > 0 ? model.status : document.report.status;
  const base = `/runs/${encodeURIComponent(run)}`;
  const tabs = [
    { id: "overview", label: "Overview", href: base },
    { id: "graph", label: "Graph", href: `${base}/graph` },
    { id: "timeline", label: "Timeline", href: `${base}/timeline` },
    { id: "decisions", label: "Decisions", href: `${base}/decisions`, count: model.decisions.length },
    { id: "logs", label: "Logs", href: `${base}/logs`, count: model.logs_seen },
    { id: "objects", label: "Objects", href: `${base}/objects` },
    { id: "checkpoints", label: "Checkpoints", href: `${base}/checkpoints`, count: model.checkpoints.length },
    { id: "receipts", label: "Receipts", href: `${base}/receipts` },
  ];
  return (
    <>
      <div class="head">
        <div class="head-text">
          <a class="crumb" href="/">
            All runs
          </a>
          <h1>{document.pipeline}</h1>
          <Facts document={document} model={model} status={status} />
        </div>
        <Actions document={document} model={model} status={status} reload={reload} />
      </div>
      {(model.error ?? document.report.error) && (
        <div class="banner failed" role="alert">
          <Icon name="warn" />
          <span class="wrap">{model.error ?? document.report.error}</span>
        </div>
      )}
      <Tabs tabs={tabs} current={tab} label="Parts of the run" />
      <TabView tab={tab} document={document} model={model} />
    </>
  );
}

function Facts({ document, model, status }: TabProps & { status: RunStatus }) {
  const now = useNow(status === "running");
  const begun = document.started_ms;
  const wall_s =
    status === "running"
      ? Math.max(model.wall_s, (now - begun) / 1000)
      : Math.max(model.wall_s, document.report.wall_s);
  const accuracy = model.result.test_accuracy ?? newest(model, "val_accuracy") ?? newest(model, "accuracy");
  return (
    <div class="head-sub">
      <Status status={status} />
      <span>{seconds(wall_s)}</span>
      {typeof accuracy === "number" && <span>accuracy {percent(accuracy)}</span>}
      <span>seed {document.report.seed}</span>
      <span>{dateTime(begun)}</span>
      <span class="mono id">
        {document.report.run}
        <Copy text={document.report.run} name="run id" />
      </span>
    </div>
  );
}

function TabView({ tab, document, model }: TabProps & { tab: string }) {
  const props = { document, model };
  switch (tab) {
    case "overview":
      return <OverviewTab {...props} />;
    case "graph":
      return <GraphTab {...props} />;
    case "timeline":
      return <Timeline {...props} />;
    case "decisions":
      return <Decisions {...props} />;
    case "logs":
      return <Logs {...props} />;
    case "objects":
      return <Objects {...props} />;
    case "checkpoints":
      return <Checkpoints {...props} />;
    case "receipts":
      return <Receipts {...props} />;
    default:
      return <Empty title="A run has no such part" />;
  }
}
