/** What an administrator fills in: a quota, a token, a folder. */

import { useState } from "preact/hooks";
import type { TenantRow } from "../../api/documents.ts";
import { addMount, addToken, setQuota } from "../../api/routes.ts";
import type { Quota } from "../../api/types.ts";
import { Dialog, FormFoot, useDialogAction } from "../../ui/overlays.tsx";
import { Button, Copy, Field } from "../../ui/parts.tsx";

const MIB = 1024 * 1024;

const FIELDS: { key: keyof Quota; label: string; unit: number }[] = [
  { key: "runs", label: "Runs at once", unit: 1 },
  { key: "cpus", label: "CPUs", unit: 1 },
  { key: "memory_bytes", label: "Memory, MiB", unit: MIB },
  { key: "stored_bytes", label: "Stored, MiB", unit: MIB },
  { key: "upload_bytes", label: "One upload, MiB", unit: MIB },
  { key: "requests_per_minute", label: "Requests per minute", unit: 1 },
];

export function QuotaDialog({ tenant, onClose }: { tenant: TenantRow; onClose(): void }) {
  const shown = (key: keyof Quota, unit: number) => {
    const most = tenant.quota[key];
    return most === null ? "" : String(most / unit);
  };
  const [texts, setTexts] = useState(
    () => Object.fromEntries(FIELDS.map(({ key, unit }) => [key, shown(key, unit)])) as Record<keyof Quota, string>,
  );
  const [busy, act, error] = useDialogAction();
  const submit = (event: Event) => {
    event.preventDefault();
    const changed = FIELDS.filter(({ key, unit }) => texts[key] !== shown(key, unit));
    const quota = Object.fromEntries(
      changed.map(({ key, unit }) => [
        key,
        texts[key].trim() === "" ? null : unit === 1 ? Number(texts[key]) : Math.round(Number(texts[key]) * unit),
      ]),
    );
    void act(() => setQuota(tenant.name, quota), `The quota of ${tenant.name} is set`).then((ok) => ok && onClose());
  };
  return (
    <Dialog title={`Quota of ${tenant.name}`} onClose={onClose} error={error}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <p class="dim">An empty field is no limit.</p>
          <div class="form-grid">
            {FIELDS.map(({ key, label }) => (
              <Field key={key} id={`quota-${key}`} label={label}>
                <input
                  id={`quota-${key}`}
                  type="number"
                  min="0"
                  step="any"
                  value={texts[key]}
                  onInput={(event) => setTexts({ ...texts, [key]: event.currentTarget.value })}
                />
              </Field>
            ))}
          </div>
        </div>
        <FormFoot onClose={onClose} busy={busy}>
          Set
        </FormFoot>
      </form>
    </Dialog>
  );
}

export function TokenDialog({ tenant, onClose }: { tenant: string; onClose(): void }) {
  const [label, setLabel] = useState("");
  const [days, setDays] = useState("90");
  const [admin, setAdmin] = useState(false);
  const [made, setMade] = useState<string>();
  const [busy, act, error] = useDialogAction();
  const submit = (event: Event) => {
    event.preventDefault();
    void act(async () => setMade((await addToken(tenant, label, days === "" ? null : Number(days), admin)).token));
  };
  if (made) {
    return (
      <Dialog title="The token, shown once" onClose={onClose} error={error}>
        <div class="dialog-body">
          <p>Copy it now: only its hash is kept, nobody can show it again.</p>
          <p class="secret mono wrap" tabIndex={0}>
            {made}
          </p>
        </div>
        <footer class="dialog-foot">
          <Copy text={made} name="token" />
          <Button kind="primary" onClick={onClose}>
            I have it
          </Button>
        </footer>
      </Dialog>
    );
  }
  return (
    <Dialog title={`A token for ${tenant}`} onClose={onClose} error={error}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <div class="form-grid">
            <Field id="token-label" label="Label" hint="Where it will be used.">
              <input
                id="token-label"
                required
                placeholder="laptop"
                value={label}
                onInput={(event) => setLabel(event.currentTarget.value)}
              />
            </Field>
            <Field id="token-days" label="Days" hint="Empty: it does not expire.">
              <input
                id="token-days"
                type="number"
                min="1"
                value={days}
                onInput={(event) => setDays(event.currentTarget.value)}
              />
            </Field>
          </div>
          <label class="check-line">
            <input type="checkbox" checked={admin} onChange={(event) => setAdmin(event.currentTarget.checked)} />
            May administer all tenants
          </label>
        </div>
        <FormFoot onClose={onClose} busy={busy}>
          Make it
        </FormFoot>
      </form>
    </Dialog>
  );
}

export function MountDialog({ tenant, onClose }: { tenant: string; onClose(): void }) {
  const [name, setName] = useState("");
  const [folder, setFolder] = useState("");
  const [busy, act, error] = useDialogAction();
  const submit = (event: Event) => {
    event.preventDefault();
    void act(() => addMount(tenant, name, folder), `${tenant} may read ${name}`).then((ok) => ok && onClose());
  };
  return (
    <Dialog title={`A folder for ${tenant}`} onClose={onClose} error={error}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <p class="dim">Pipelines of this tenant may then grant it to stages by its name, for reading only.</p>
          <div class="form-grid">
            <Field id="mount-name" label="Name">
              <input
                id="mount-name"
                required
                placeholder="cifar-10"
                value={name}
                onInput={(event) => setName(event.currentTarget.value)}
              />
            </Field>
            <Field id="mount-folder" label="Folder on the server">
              <input
                id="mount-folder"
                required
                placeholder="/data/cifar-10"
                class="mono"
                value={folder}
                onInput={(event) => setFolder(event.currentTarget.value)}
              />
            </Field>
          </div>
        </div>
        <FormFoot onClose={onClose} busy={busy}>
          Grant
        </FormFoot>
      </form>
    </Dialog>
  );
}
