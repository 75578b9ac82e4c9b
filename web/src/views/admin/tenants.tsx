/** Tenants with their quotas and use, tokens and folders. */

import { useState } from "preact/hooks";
import type { TenantRow, TokenRow } from "../../api/documents.ts";
import { addTenant, getTenants, removeMount, removeTenant, revokeToken } from "../../api/routes.ts";
import type { Quota } from "../../api/types.ts";
import { ago, bytes, dateTime, number } from "../../model/format.ts";
import { useData } from "../../ui/hooks.ts";
import { Confirm, Dialog, FormFoot, useAction, useDialogAction } from "../../ui/overlays.tsx";
import { Button, Chip, Empty, Failure, Field, Loading, Meter, Panel, Scroll } from "../../ui/parts.tsx";
import { MountDialog, QuotaDialog, TokenDialog } from "./dialogs.tsx";

export function Tenants() {
  const list = useData("tenants", getTenants, 10_000);
  const [adding, setAdding] = useState(false);
  if (list.loading) return <Loading what="tenants" />;
  if (!list.data) return list.error ? <Failure error={list.error} retry={list.reload} /> : null;
  return (
    <div class="stack">
      <div class="actions end">
        <Button kind="primary" icon="plus" onClick={() => setAdding(true)}>
          Add a tenant
        </Button>
      </div>
      {list.data.tenants.map((tenant) => (
        <Tenant key={tenant.name} tenant={tenant} reload={list.reload} />
      ))}
      {adding && <AddDialog onClose={() => (setAdding(false), list.reload())} />}
    </div>
  );
}

function AddDialog({ onClose }: { onClose(): void }) {
  const [name, setName] = useState("");
  const [busy, act, error] = useDialogAction();
  const submit = (event: Event) => {
    event.preventDefault();
    void act(() => addTenant(name), `Tenant ${name} is there`).then((ok) => ok && onClose());
  };
  return (
    <Dialog title="Add a tenant" onClose={onClose} error={error}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <Field id="tenant-name" label="Name" hint="A tenant sees nothing of another's runs, plugins and checkpoints.">
            <input id="tenant-name" required value={name} onInput={(event) => setName(event.currentTarget.value)} />
          </Field>
        </div>
        <FormFoot onClose={onClose} busy={busy}>
          Add
        </FormFoot>
      </form>
    </Dialog>
  );
}

type Open = { what: "quota" | "token" | "mount" | "remove" } | { what: "revoke"; token: TokenRow };

function Tenant({ tenant, reload }: { tenant: TenantRow; reload(): void }) {
  const [open, setOpen] = useState<Open>();
  const [, act] = useAction();
  const close = () => (setOpen(undefined), reload());
  return (
    <Panel
      title={tenant.name}
      aside={
        <>
          <span>since {dateTime(tenant.created_ms)}</span>
          <Button onClick={() => setOpen({ what: "quota" })}>
            Quota<span class="sr-only"> of {tenant.name}</span>
          </Button>
          {tenant.name !== "default" && (
            <Button kind="quiet" icon="trash" iconOnly onClick={() => setOpen({ what: "remove" })}>
              Remove {tenant.name}
            </Button>
          )}
        </>
      }
    >
      <div class="stack">
        <QuotaUse tenant={tenant} />
        <Tokens
          tenant={tenant}
          add={() => setOpen({ what: "token" })}
          revoke={(token) => setOpen({ what: "revoke", token })}
        />
        <div>
          <div class="sub-head">
            <h3>Folders it may read</h3>
            <Button kind="quiet" icon="plus" onClick={() => setOpen({ what: "mount" })}>
              Grant<span class="sr-only"> a folder to {tenant.name}</span>
            </Button>
          </div>
          {tenant.mounts.length === 0 ? (
            <p class="dim">none</p>
          ) : (
            <ul class="chips">
              {tenant.mounts.map((mount) => (
                <li key={mount.name} class="mount">
                  <Chip>{mount.name}</Chip> <code class="wrap">{mount.folder}</code>
                  <Button
                    kind="quiet"
                    icon="close"
                    iconOnly
                    onClick={() => void act(() => removeMount(tenant.name, mount.name)).then(reload)}
                  >
                    Take {mount.name} back
                  </Button>
                </li>
              ))}
            </ul>
          )}
        </div>
      </div>
      {open?.what === "quota" && <QuotaDialog tenant={tenant} onClose={close} />}
      {open?.what === "token" && <TokenDialog tenant={tenant.name} onClose={close} />}
      {open?.what === "mount" && <MountDialog tenant={tenant.name} onClose={close} />}
      {open?.what === "revoke" && (
        <Confirm
          title="Revoke this token?"
          yes="Revoke it"
          danger
          act={() => revokeToken(tenant.name, open.token.id)}
          onClose={close}
        >
          <p>
            <span class="mono">{open.token.id}</span> {open.token.label} stops working at once. This cannot be undone.
          </p>
        </Confirm>
      )}
      {open?.what === "remove" && (
        <Confirm
          title={`Remove tenant ${tenant.name}?`}
          yes="Remove all of it"
          danger
          act={() => removeTenant(tenant.name)}
          onClose={close}
        >
          <p>All its runs, plugins, checkpoints, logs and tokens are deleted. This cannot be undone.</p>
        </Confirm>
      )}
    </Panel>
  );
}

const QUOTAS: { key: keyof Quota; label: string; show(value: number): string; use?(tenant: TenantRow): number }[] = [
  { key: "runs", label: "Runs at once", show: number, use: ({ use }) => use.runs },
  { key: "memory_bytes", label: "Memory", show: bytes, use: ({ use }) => use.memory_bytes },
  { key: "stored_bytes", label: "Stored", show: bytes, use: ({ use }) => use.stored_bytes },
  {
    key: "requests_per_minute",
    label: "Requests/min",
    show: number,
    use: ({ use }) => use.requests_last_minute,
  },
  { key: "cpus", label: "CPUs", show: number },
  { key: "upload_bytes", label: "Upload", show: bytes },
];

function QuotaUse({ tenant }: { tenant: TenantRow }) {
  return (
    <dl class="quotas">
      {QUOTAS.map(({ key, label, show, use }) => {
        const most = tenant.quota[key];
        const used = use?.(tenant);
        const text =
          used === undefined
            ? most === null
              ? "no limit"
              : `at most ${show(most)}`
            : `${show(used)}${most === null ? ", no limit" : ` of ${show(most)}`}`;
        return (
          <div key={key}>
            <dt>{label}</dt>
            <dd>
              {used !== undefined && most !== null ? (
                <Meter value={used} max={most} label={`${label} of ${tenant.name}`} text={text} scarce />
              ) : (
                text
              )}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function Tokens({ tenant, add, revoke }: { tenant: TenantRow; add(): void; revoke(token: TokenRow): void }) {
  const now = Date.now();
  const tokens = tenant.tokens.filter((token) => token.revoked_ms === null);
  const past = tenant.tokens.length - tokens.length;
  return (
    <div>
      <div class="sub-head">
        <h3>Tokens</h3>
        <Button kind="quiet" icon="plus" onClick={add}>
          Make one<span class="sr-only"> for {tenant.name}</span>
        </Button>
      </div>
      {tokens.length === 0 ? (
        <Empty title="No token: nobody can log in" />
      ) : (
        <Scroll label={`Tokens of ${tenant.name}`}>
          <table class="ports middle cards">
            <thead>
              <tr>
                <th scope="col">Token</th>
                <th scope="col">Made</th>
                <th scope="col">Last used</th>
                <th scope="col">Expires</th>
                <th scope="col">
                  <span class="sr-only">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {tokens.map((token) => (
                <tr key={token.id}>
                  <th scope="row" class="run-name">
                    <span class="mono">{token.id}</span> {token.label} {token.admin && <Chip tone="odd">admin</Chip>}{" "}
                    {token.kind === "session" && <Chip>browser session</Chip>}
                  </th>
                  <td class="nowrap" data-label="Made">
                    {dateTime(token.created_ms)}
                  </td>
                  <td class="nowrap" data-label="Last used">
                    {token.used_ms === null ? "never" : ago(token.used_ms, now)}
                  </td>
                  <td class="nowrap" data-label="Expires">
                    {token.expires_ms === null ? (
                      "never"
                    ) : token.expires_ms < now ? (
                      <Chip tone="bad">expired</Chip>
                    ) : (
                      dateTime(token.expires_ms)
                    )}
                  </td>
                  <td class="num">
                    <Button kind="quiet" onClick={() => revoke(token)}>
                      Revoke<span class="sr-only"> {token.id}</span>
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {past > 0 && <p class="hint">{past} revoked</p>}
    </div>
  );
}
