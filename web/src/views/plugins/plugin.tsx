/** One version of a plugin: what it gives, what it asks for, and a bench to try it on. */

import { useState } from "preact/hooks";
import type { ActorExport, Plugin, Port, TaskExport } from "../../api/documents.ts";
import { enablePlugin, getPlugin, getPlugins, removePlugin } from "../../api/routes.ts";
import type { Json } from "../../api/types.ts";
import { bytes, dateTime } from "../../model/format.ts";
import { go } from "../../router.ts";
import { useData, useTitle } from "../../ui/hooks.ts";
import { Confirm, useAction } from "../../ui/overlays.tsx";
import { Button, Chip, Copy, Failure, Loading, Panel, Scroll } from "../../ui/parts.tsx";
import { SchemaTable } from "../new/schema-form.tsx";
import { pluginAddress } from "./plugins.tsx";
import { TryBench } from "./try.tsx";

export function PluginPage({ name, version }: { name: string; version: string }) {
  useTitle(`${name} ${version}`);
  const loaded = useData(`${name}@${version}`, (signal) => getPlugin(name, version, signal));
  const all = useData("plugins", getPlugins);
  const [removing, setRemoving] = useState(false);
  const [busy, act] = useAction();
  if (loaded.loading) return <Loading what={name} />;
  const plugin = loaded.data;
  if (!plugin) return loaded.error ? <Failure page error={loaded.error} retry={loaded.reload} /> : null;
  const versions = (all.data?.plugins ?? []).filter((one) => one.name === name);
  const toggle = () =>
    act(
      () => enablePlugin(name, version, !plugin.enabled),
      `${name} ${version} is ${plugin.enabled ? "disabled" : "enabled"}`,
    ).then(() => (loaded.reload(), all.reload()));
  return (
    <>
      <div class="head">
        <div class="head-text">
          <a class="crumb" href="/plugins">
            All plugins
          </a>
          <h1>
            {plugin.name} <span class="faint">{plugin.version}</span>
          </h1>
          <p class="head-sub">
            <Chip tone={plugin.enabled ? "good" : "calm"}>{plugin.enabled ? "enabled" : "not enabled"}</Chip>
            <span>{bytes(plugin.size)}</span>
            {plugin.pushed_ms !== null && <span>pushed {dateTime(plugin.pushed_ms)}</span>}
          </p>
        </div>
        {!plugin.builtin && (
          <div class="actions">
            <Button kind={plugin.enabled ? "plain" : "primary"} busy={busy} onClick={() => void toggle()}>
              {plugin.enabled ? "Disable" : "Enable"}
            </Button>
            <Button icon="trash" onClick={() => setRemoving(true)}>
              Remove
            </Button>
          </div>
        )}
      </div>
      {plugin.error && (
        <div class="banner failed" role="alert">
          {plugin.error}
        </div>
      )}
      <div class="stack">
        <div class="pair">
          <Asks plugin={plugin} />
          <Identity plugin={plugin} versions={versions} />
        </div>
        {plugin.tasks.map((task) => (
          <Export key={task.name} title={`task ${plugin.name}/${task.name}`} task={task} />
        ))}
        {plugin.actors.map((actor) => (
          <Actor key={actor.name} plugin={plugin.name} actor={actor} />
        ))}
        {plugin.tasks.length > 0 && <TryBench plugin={plugin} />}
        <Interfaces plugin={plugin} />
      </div>
      {removing && (
        <Confirm
          title={`Remove ${name} ${version}?`}
          yes="Remove it"
          danger
          act={() => removePlugin(name, version).then(() => go("/plugins"))}
          onClose={() => setRemoving(false)}
        >
          <p>Runs that used it keep their history, and cannot be resumed without it.</p>
        </Confirm>
      )}
    </>
  );
}

function Asks({ plugin }: { plugin: Plugin }) {
  const { mounts, http, env } = plugin.requests;
  const asks: [string, string[]][] = [
    ["read-only folders", mounts],
    ["HTTP hosts", http],
    ["environment", env],
  ];
  const some = asks.filter(([, names]) => names.length > 0);
  return (
    <Panel title="Asks to be granted">
      {some.length === 0 ? (
        <p class="dim">Nothing: no file, no network, no environment.</p>
      ) : (
        <>
          <dl class="facts">
            {some.map(([what, names]) => (
              <div key={what}>
                <dt>{what}</dt>
                <dd class="chips">
                  {names.map((one) => (
                    <Chip key={one} tone="odd">
                      {one}
                    </Chip>
                  ))}
                </dd>
              </div>
            ))}
          </dl>
          <p class="hint">
            Nothing is granted by asking. A pipeline grants it by name, and New run shows it before the start.
          </p>
        </>
      )}
    </Panel>
  );
}

function Identity({ plugin, versions }: { plugin: Plugin; versions: Plugin[] }) {
  return (
    <Panel title="What it is">
      <dl class="facts">
        <div>
          <dt>digest</dt>
          <dd class="mono wrap id">
            {plugin.digest}
            <Copy text={plugin.digest} name="digest" />
          </dd>
        </div>
        <div>
          <dt>versions</dt>
          <dd class="chips">
            {versions.map((one) => (
              <a
                key={one.version}
                class="chip"
                href={pluginAddress(one)}
                aria-current={one.version === plugin.version ? "page" : undefined}
              >
                {one.version}
              </a>
            ))}
          </dd>
        </div>
        <div>
          <dt>used by</dt>
          <dd class="chips">
            {plugin.used_by.length === 0 ? (
              <span class="dim">no pipeline yet</span>
            ) : (
              plugin.used_by.map((one) => <Chip key={one}>{one}</Chip>)
            )}
          </dd>
        </div>
      </dl>
    </Panel>
  );
}

function Export({ title, task }: { title: string; task: TaskExport }) {
  return (
    <Panel title={title}>
      <div class="stack">
        {task.doc && <p class="prewrap">{task.doc}</p>}
        {task.args?.properties && <SchemaTable schema={task.args} label={`Arguments of ${task.name}`} />}
        <div class="pair">
          <Ports title="Reads" ports={task.inputs} />
          <Ports title="Gives" ports={task.outputs} />
        </div>
      </div>
    </Panel>
  );
}

function Actor({ plugin, actor }: { plugin: string; actor: ActorExport }) {
  return (
    <>
      <Panel title={`actor ${plugin}/${actor.name}`}>
        <div class="stack">
          {actor.doc && <p class="prewrap">{actor.doc}</p>}
          {actor.args?.properties && <SchemaTable schema={actor.args} label={`Arguments of ${actor.name}`} />}
        </div>
      </Panel>
      {actor.methods.map((method) => (
        <Export key={method.name} title={`method ${actor.name}.${method.name}`} task={method} />
      ))}
    </>
  );
}

function shapeText(shape: Json | undefined): string {
  if (shape === undefined || shape === null) return "";
  return Array.isArray(shape)
    ? `[${shape.map(String).join(" × ")}]`
    : typeof shape === "string"
      ? shape
      : JSON.stringify(shape);
}

function Ports({ title, ports }: { title: string; ports: Port[] }) {
  return (
    <div>
      <h3>{title}</h3>
      {ports.length === 0 ? (
        <p class="dim">nothing</p>
      ) : (
        <Scroll label={title}>
          <table class="ports">
            <tbody>
              {ports.map((port) => (
                <tr key={port.name}>
                  <th scope="row" class="mono">
                    {port.name}
                    {port.optional && <span class="faint"> optional</span>}
                  </th>
                  <td class="mono dim nowrap">
                    {port.kind === "json" || port.kind === "bytes"
                      ? port.kind
                      : `${port.dtype ?? "any"} ${shapeText(port.shape)}`}
                  </td>
                  <td>{port.doc}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </div>
  );
}

function Interfaces({ plugin }: { plugin: Plugin }) {
  const lists: [string, string[]][] = [
    ["Imports", plugin.imports],
    ["Exports", plugin.exports],
  ];
  return (
    <Panel title="Interfaces">
      <div class="pair">
        {lists.map(([title, names]) => (
          <div key={title}>
            <h3>{title}</h3>
            <ul class="mono dim">
              {names.map((name) => (
                <li key={name} class="wrap">
                  {name}
                </li>
              ))}
            </ul>
          </div>
        ))}
      </div>
    </Panel>
  );
}
