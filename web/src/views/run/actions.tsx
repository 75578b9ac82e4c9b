/** What can be done to a run: cancel, resume, run again with changes, and break it on purpose. */

import { useState } from "preact/hooks";
import { cancelRun, inject, rerun, resumeRun } from "../../api/routes.ts";
import type { RunDocument, RunStatus } from "../../api/types.ts";
import type { RunModel } from "../../model/fold.ts";
import { pipelineValues } from "../../model/values.ts";
import { go } from "../../router.ts";
import { Confirm, Dialog, FormFoot, useAction, useDialogAction } from "../../ui/overlays.tsx";
import { Button, Field } from "../../ui/parts.tsx";

interface ActionsProps {
  document: RunDocument;
  model: RunModel;
  status: RunStatus;
  reload(): void;
}

type Open = "cancel" | "rerun" | "chaos" | undefined;

export function Actions({ document, model, status, reload }: ActionsProps) {
  const [open, setOpen] = useState<Open>();
  const [busy, act] = useAction();
  const close = () => setOpen(undefined);
  const live = status === "running" || status === "queued";
  return (
    <div class="actions">
      {live && document.chaos && (
        <Button icon="bolt" onClick={() => setOpen("chaos")}>
          Inject failure
        </Button>
      )}
      {live && (
        <Button icon="stop" onClick={() => setOpen("cancel")}>
          Cancel
        </Button>
      )}
      {(status === "interrupted" || status === "failed") && (
        <Button
          kind="primary"
          icon="play"
          busy={busy}
          onClick={() => void act(() => resumeRun(document.report.run), "The run goes on").then((ok) => ok && reload())}
        >
          Resume
        </Button>
      )}
      <Button icon="again" onClick={() => setOpen("rerun")}>
        Run again
      </Button>
      {open === "cancel" && (
        <Confirm
          title="Cancel this run?"
          yes="Cancel the run"
          danger
          act={() => cancelRun(document.report.run)}
          onClose={close}
        >
          <p>Stages under way are stopped. What is done and saved stays, and the run can be resumed.</p>
        </Confirm>
      )}
      {open === "rerun" && <Rerun document={document} onClose={close} />}
      {open === "chaos" && <Chaos document={document} model={model} onClose={close} />}
    </div>
  );
}

function Rerun({ document, onClose }: { document: RunDocument; onClose(): void }) {
  const before = pipelineValues(document.pipeline_text ?? "", document.set);
  const names = Object.keys(before).filter((name) => /\.args\.|\.repeat$|^pipeline\.seed$|^checkpoint\./.test(name));
  const [changes, setChanges] = useState<Record<string, string>>({});
  const [more, setMore] = useState("");
  const [busy, act, error] = useDialogAction();
  const set = [
    ...names
      .filter((name) => changes[name] !== undefined && changes[name] !== before[name])
      .map((name) => `${name}=${changes[name]}`),
    ...more
      .split("\n")
      .map((line) => line.trim())
      .filter(Boolean),
  ];
  const submit = (event: Event) => {
    event.preventDefault();
    void act(async () => {
      const { run } = await rerun(document.report.run, set);
      onClose();
      go(`/runs/${run}`);
    });
  };
  return (
    <Dialog title="Run again with changes" onClose={onClose} error={error} wide>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <div class="form-grid">
            {names.map((name) => (
              <Field key={name} label={name} id={`re-${name}`}>
                <input
                  id={`re-${name}`}
                  class="mono"
                  value={changes[name] ?? before[name] ?? ""}
                  onInput={(event) => setChanges({ ...changes, [name]: event.currentTarget.value })}
                />
              </Field>
            ))}
          </div>
          <Field label="Other values" hint="One PATH=VALUE per line, as for --set." id="re-more">
            <textarea
              id="re-more"
              class="mono"
              rows={2}
              value={more}
              onInput={(event) => setMore(event.currentTarget.value)}
            />
          </Field>
        </div>
        <FormFoot
          onClose={onClose}
          busy={busy}
          icon="play"
          note={set.length === 0 ? "As it was" : `${set.length} changed`}
        >
          Start
        </FormFoot>
      </form>
    </Dialog>
  );
}

const KINDS = [
  ["trap", "The stage fails once"],
  ["worker-crash", "The worker dies"],
  ["actor-crash", "The actor loses its state"],
] as const;

function Chaos({ document, model, onClose }: { document: RunDocument; model: RunModel; onClose(): void }) {
  const running = model.stages.findLast((stage) => stage.status === "running") ?? model.stages.at(-1);
  const names = [...new Set([...model.stages.map((stage) => stage.name)])];
  const [stage, setStage] = useState(running?.name ?? "");
  const [index, setIndex] = useState(String((running?.index ?? 0) + (running?.kind === "actor" ? 1 : 0)));
  const [kind, setKind] = useState<string>(running?.kind === "actor" ? "actor-crash" : "trap");
  const [busy, act, error] = useDialogAction();
  const submit = (event: Event) => {
    event.preventDefault();
    const spec = model.repeated[stage] === false ? `${stage}:${kind}` : `${stage}[${index}]:${kind}`;
    void act(() => inject(document.report.run, spec), `${spec} will happen`).then((ok) => ok && onClose());
  };
  return (
    <Dialog title="Inject a failure" onClose={onClose} error={error}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <p class="dim">This run was started with chaos allowed. See how it recovers.</p>
          <div class="form-grid">
            <Field label="Stage" id="chaos-stage">
              <select id="chaos-stage" value={stage} onChange={(event) => setStage(event.currentTarget.value)}>
                {names.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </Field>
            <Field label="Repetition, from 0" id="chaos-index">
              <input
                id="chaos-index"
                type="number"
                min="0"
                value={index}
                onInput={(event) => setIndex(event.currentTarget.value)}
              />
            </Field>
          </div>
          <fieldset class="choices">
            <legend>What happens</legend>
            {KINDS.map(([value, label]) => (
              <label key={value} class="check-line">
                <input
                  type="radio"
                  name="chaos-kind"
                  value={value}
                  checked={kind === value}
                  onChange={() => setKind(value)}
                />
                {label} <code class="faint">{value}</code>
              </label>
            ))}
          </fieldset>
        </div>
        <FormFoot onClose={onClose} busy={busy} danger icon="bolt">
          Inject
        </FormFoot>
      </form>
    </Dialog>
  );
}
