/** All plugins of the tenant, and the place to drop a new one. */

import { useRef, useState } from "preact/hooks";
import type { ApiError } from "../../api/client.ts";
import type { Plugin } from "../../api/documents.ts";
import { getPlugins, uploadPlugin } from "../../api/routes.ts";
import { bytes, dateTime, shortDigest } from "../../model/format.ts";
import { go } from "../../router.ts";
import { useData, useTitle } from "../../ui/hooks.ts";
import { Icon } from "../../ui/icons.tsx";
import { say } from "../../ui/overlays.tsx";
import { Button, Chip, Empty, Failure, Loading } from "../../ui/parts.tsx";

export const pluginAddress = ({ name, version }: { name: string; version: string }) =>
  `/plugins/${encodeURIComponent(name)}/${encodeURIComponent(version)}`;

export function Plugins() {
  useTitle("Plugins");
  const list = useData("plugins", getPlugins);
  const plugins = list.data?.plugins ?? [];
  const names = [...new Set(plugins.map((plugin) => plugin.name))].sort();
  return (
    <>
      <div class="head">
        <h1>Plugins</h1>
      </div>
      <Drop />
      {list.loading && <Loading what="plugins" />}
      {list.error && !list.data && <Failure error={list.error} retry={list.reload} />}
      {list.data && names.length === 0 && (
        <Empty title="No plugin yet">
          <p>
            Drop a component above, or use <code>mobula plugin push FILE</code>.
          </p>
        </Empty>
      )}
      <ul class="plugin-list">
        {names.map((name) => (
          <Card key={name} versions={plugins.filter((plugin) => plugin.name === name)} />
        ))}
      </ul>
    </>
  );
}

function Card({ versions }: { versions: Plugin[] }) {
  const sorted = [...versions].sort((a, b) => b.version.localeCompare(a.version, "en", { numeric: true }));
  const shown = sorted.find((plugin) => plugin.enabled) ?? sorted[0];
  if (!shown) return null;
  const doc = shown.tasks[0]?.doc || shown.actors[0]?.doc;
  return (
    <li class="panel plugin-card">
      <h2>
        <a href={pluginAddress(shown)}>{shown.name}</a>
        {shown.builtin && <Chip>built in</Chip>}
        {shown.error && <Chip tone="bad">broken</Chip>}
      </h2>
      {doc && <p class="dim clamp">{doc}</p>}
      <p class="chips">
        {shown.tasks.map((task) => (
          <Chip key={task.name} tone="live">
            {task.name}
          </Chip>
        ))}
        {shown.actors.map((actor) => (
          <Chip key={actor.name} tone="odd">
            {actor.name}
          </Chip>
        ))}
      </p>
      <ul class="versions">
        {sorted.map((plugin) => (
          <li key={plugin.version}>
            <a href={pluginAddress(plugin)}>{plugin.version}</a>
            <Chip tone={plugin.enabled ? "good" : "calm"}>{plugin.enabled ? "enabled" : "not enabled"}</Chip>
            <span class="faint">{bytes(plugin.size)}</span>
          </li>
        ))}
      </ul>
      <p class="faint small">
        {shown.pushed_ms !== null && <>Pushed {dateTime(shown.pushed_ms)} · </>}
        <span class="mono">{shortDigest(shown.digest)}</span>
      </p>
    </li>
  );
}

function Drop() {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [busy, setBusy] = useState<string>();
  const [error, setError] = useState<ApiError>();
  const take = async (file: File | undefined) => {
    if (!file) return;
    setError(undefined);
    setBusy(`${file.name}, ${bytes(file.size)}`);
    try {
      const plugin = await uploadPlugin(file);
      say(`${plugin.name} ${plugin.version} is uploaded and checked; enable it to use it`);
      go(pluginAddress(plugin));
    } catch (cause) {
      setError(cause as ApiError);
    } finally {
      setBusy(undefined);
    }
  };
  return (
    <section
      class={`drop${over ? " over" : ""}`}
      aria-label="Upload a plugin"
      onDragOver={(event) => (event.preventDefault(), setOver(true))}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files[0]);
      }}
    >
      <Icon name="up" size={26} />
      <div class="drop-text">
        <p class="state-title">{busy ? `Uploading ${busy}` : "Drop a .wasm component here"}</p>
        <p class="dim">It is checked in a sandbox first, and runs only after you enable it.</p>
        {error && (
          <p class="field-error" role="alert">
            {error.message}
            {error.logId && (
              <>
                {" "}
                (log id <code>{error.logId}</code>)
              </>
            )}
          </p>
        )}
      </div>
      <input
        ref={input}
        class="sr-only"
        type="file"
        accept=".wasm,application/wasm"
        aria-label="Component file"
        tabIndex={-1}
        onChange={(event) => void take(event.currentTarget.files?.[0])}
      />
      <Button busy={busy !== undefined} onClick={() => input.current?.click()}>
        Choose a file
      </Button>
    </section>
  );
}
