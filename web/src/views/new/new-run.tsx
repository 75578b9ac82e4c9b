/** Starting a run: a pipeline, checked as it is typed; a form of its arguments; what it may do, before it does. */

import { useEffect, useState } from "preact/hooks";
import type { ApiError } from "../../api/client.ts";
import type { Checked } from "../../api/documents.ts";
import { checkPipeline, getMounts, getPipelines, getRun, startRun } from "../../api/routes.ts";
import type { PipelineProblem } from "../../api/types.ts";
import { likely } from "../../model/grants.ts";
import { go, params, withParams } from "../../router.ts";
import { useData, useSettled, useTitle } from "../../ui/hooks.ts";
import { Button, Chip, Failure, Field, Loading, Panel } from "../../ui/parts.tsx";
import { Arguments } from "./arguments.tsx";
import { Editor } from "./editor.tsx";
import { Permissions } from "./permissions.tsx";

/** Typing rests for so long before the server is asked. */
const CHECK_MS = 300;

const BLANK = `[pipeline]
name = "mine"
seed = 7

[[stage]]
name = "load"
task = "cifar10-load/load"
mounts = { data = "cifar-10" }
`;

export function NewRun() {
  useTitle("New run");
  const run = params.value.get("run");
  const chosen = params.value.get("pipeline");
  const list = useData("pipelines", getPipelines);
  const source = useData(run ?? "", async (signal) => (run ? getRun(run, signal) : undefined));
  if (list.loading || (run && source.loading)) return <Loading what="pipelines" />;
  const error = list.error ?? source.error;
  if (error) return <Failure page error={error} retry={() => (list.reload(), source.reload())} />;
  const pipelines = list.data?.pipelines ?? [];
  const found = pipelines.find((one) => one.name === chosen) ?? (chosen === "" ? undefined : pipelines[0]);
  const text = source.data?.pipeline_text ?? found?.text ?? BLANK;
  const choose = (name: string) => go(`/new?pipeline=${encodeURIComponent(name)}`);
  return (
    <>
      <div class="head">
        <div class="head-text">
          <h1>New run</h1>
          {run && (
            <p class="head-sub">
              as{" "}
              <a href={`/runs/${run}`} class="mono">
                {run}
              </a>
            </p>
          )}
        </div>
        <div class="bar">
          <select
            aria-label="Pipeline to begin with"
            value={run ? "" : (found?.name ?? "")}
            onChange={(event) => choose(event.currentTarget.value)}
          >
            <option value="">{run ? `of ${run}` : "write one"}</option>
            {pipelines.map((one) => (
              <option key={one.name} value={one.name}>
                {one.name}
                {one.source === "example" ? " (example)" : ""}
              </option>
            ))}
          </select>
        </div>
      </div>
      <Draft key={`${run ?? ""}:${found?.name ?? ""}`} text={text} set={source.data?.set ?? []} />
    </>
  );
}

function Draft({ text: first, set: given }: { text: string; set: string[] }) {
  const [text, setText] = useState(first);
  const [values, setValues] = useState<Record<string, string>>({});
  const [more, setMore] = useState(given.join("\n"));
  const [inject, setInject] = useState("");
  const [chaos, setChaos] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<ApiError>();
  const from = params.value.get("from");
  const mounts = useData("mounts", getMounts);
  const set = [
    ...lines(more),
    ...Object.entries(values)
      .filter(([, value]) => value.trim() !== "")
      .map(([path, value]) => `${path}=${value}`),
  ];
  const checked = useChecked(text, set);
  const granted = mounts.data?.mounts;
  const grants = checked.data?.grants;
  // Chosen for who has not chosen; what is taken back stays so.
  useEffect(() => {
    if (!grants || !granted) return;
    const more = likely(grants, granted);
    setValues((now) => (Object.keys(more).every((path) => path in now) ? now : { ...more, ...now }));
  }, [grants, granted]);
  const problems = refused && refused.problems.length > 0 ? refused.problems : (checked.data?.problems ?? []);
  const ready = checked.data?.ok === true && !checked.stale;

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setRefused(undefined);
    try {
      const begun = await startRun({ pipeline: text, set, inject: lines(inject), from: from ? [from] : [], chaos });
      go(`/runs/${begun.run}`);
    } catch (cause) {
      setRefused(cause as ApiError);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="stack" onSubmit={(event) => void submit(event)}>
      {from && (
        <Panel>
          <p>
            The actor begins from a checkpoint: <Chip tone="live">{from}</Chip>{" "}
            <Button kind="quiet" onClick={() => go(withParams({ from: undefined }), "replace")}>
              Begin from nothing instead
            </Button>
          </p>
        </Panel>
      )}
      <div class="pair">
        <Panel
          title="Pipeline"
          aside={<Verdict problems={problems} ready={ready} stale={checked.stale} error={checked.error} />}
        >
          <Editor text={text} change={(next) => (setText(next), setRefused(undefined))} problems={problems} />
          <Problems problems={problems} />
        </Panel>
        <div class="stack">
          <Panel title="Arguments">
            <Arguments
              checked={checked.data}
              values={values}
              change={(path, value) => setValues({ ...values, [path]: value })}
            />
            <details class="more">
              <summary>Other values, failures, chaos</summary>
              <div class="stack tight">
                <Field id="set" label="Set" hint="One PATH=VALUE per line, as for --set.">
                  <textarea
                    id="set"
                    class="mono"
                    rows={2}
                    spellcheck={false}
                    value={more}
                    onInput={(event) => setMore(event.currentTarget.value)}
                  />
                </Field>
                <Field id="inject" label="Inject" hint="One failure per line, such as train[4]:actor-crash@0.5">
                  <textarea
                    id="inject"
                    class="mono"
                    rows={2}
                    spellcheck={false}
                    value={inject}
                    onInput={(event) => setInject(event.currentTarget.value)}
                  />
                </Field>
                <label class="check-line">
                  <input type="checkbox" checked={chaos} onChange={(event) => setChaos(event.currentTarget.checked)} />
                  Allow failures to be injected while it runs
                </label>
              </div>
            </details>
          </Panel>
          <Permissions
            checked={checked.data}
            mounts={granted ?? []}
            values={values}
            change={(path, value) => setValues({ ...values, [path]: value })}
          />
          {refused && (
            <p class="field-error" role="alert">
              {refused.message}
              {refused.logId && (
                <>
                  {" "}
                  (log id <code>{refused.logId}</code>)
                </>
              )}
            </p>
          )}
          <div class="actions end">
            <Button kind="primary" icon="play" type="submit" busy={busy} disabled={!ready}>
              Start the run
            </Button>
          </div>
        </div>
      </div>
    </form>
  );
}

const lines = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

interface CheckState {
  data: Checked | undefined;
  error: ApiError | undefined;
  /** Whether what is shown is not yet about what is typed. */
  stale: boolean;
}

function useChecked(text: string, set: string[]): CheckState {
  const key = JSON.stringify([text, set]);
  const settled = useSettled(key, CHECK_MS);
  const [last, setLast] = useState<Checked>();
  const asked = useData(settled, (signal) => {
    const [pipeline, values] = JSON.parse(settled) as [string, string[]];
    return checkPipeline(pipeline, values, signal);
  });
  useEffect(() => {
    if (asked.data) setLast(asked.data);
  }, [asked.data]);
  return { data: asked.data ?? last, error: asked.error, stale: settled !== key || asked.loading };
}

function Verdict({
  problems,
  ready,
  stale,
  error,
}: {
  problems: PipelineProblem[];
  ready: boolean;
  stale: boolean;
  error: ApiError | undefined;
}) {
  const word = error ? (
    <span class="bad">{error.message}</span>
  ) : problems.length > 0 ? (
    <Chip tone="bad">{problems.length === 1 ? "1 problem" : `${problems.length} problems`}</Chip>
  ) : ready ? (
    <Chip tone="good">valid</Chip>
  ) : null;
  return <span role="status">{stale && !error ? <span class="faint">checking…</span> : word}</span>;
}

function Problems({ problems }: { problems: PipelineProblem[] }) {
  if (problems.length === 0) return null;
  return (
    <ul class="problems" aria-label="Problems">
      {problems.map((problem, i) => (
        <li key={i}>
          {problem.line ? <span class="num mono">line {problem.line}</span> : <span class="mono">file</span>}
          <span class="wrap">{problem.message}</span>
        </li>
      ))}
    </ul>
  );
}
