/** Which view an address shows, and the frame around all of them. */

import type { ComponentChildren } from "preact";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";
import { ApiError, offline, session, streamAway } from "./api/client.ts";
import { getOverview, getSession, logOut } from "./api/routes.ts";
import { bytes } from "./model/format.ts";
import { go, path, segments } from "./router.ts";
import { isDark, toggleTheme } from "./theme.ts";
import { useData } from "./ui/hooks.ts";
import { Icon, type IconName, Mark } from "./ui/icons.tsx";
import { Toasts } from "./ui/overlays.tsx";
import { Button, Empty, Failure, Loading, Meter } from "./ui/parts.tsx";
import { Admin } from "./views/admin/admin.tsx";
import { Compare } from "./views/compare.tsx";
import { Login } from "./views/login.tsx";
import { NewRun } from "./views/new/new-run.tsx";
import { PluginPage } from "./views/plugins/plugin.tsx";
import { Plugins } from "./views/plugins/plugins.tsx";
import { Run } from "./views/run/run.tsx";
import { Runs } from "./views/runs.tsx";

/** How often the figures in the side bar are asked for. */
const OVERVIEW_MS = 10_000;

export function App() {
  useEffect(() => {
    getSession().then(
      (found) => (session.value = found),
      () => (session.value ??= null),
    );
  }, []);
  const who = session.value;
  if (who === undefined) return <Loading what="the dashboard" />;
  return (
    <>
      {who === null || path.value === "/login" ? (
        <Login />
      ) : (
        <Shell>
          <Guarded />
        </Shell>
      )}
      <Toasts />
    </>
  );
}

/** A view that fails leaves the frame standing; another view is a new chance. */
function Guarded() {
  const [error, reset] = useErrorBoundary();
  useEffect(reset, [path.value]);
  if (!error) return <View />;
  return (
    <Failure
      page
      error={new ApiError({ title: `this page cannot be shown: ${String(error)}`, status: 0 })}
      retry={reset}
    />
  );
}

function View() {
  const [first, second, third] = segments.value;
  if (first === undefined) return <Runs />;
  if (first === "compare") return <Compare />;
  if (first === "runs" && second) return <Run key={second} run={second} tab={third ?? "overview"} />;
  if (first === "runs") return <Runs />;
  if (first === "plugins" && second && third)
    return <PluginPage key={`${second}@${third}`} name={second} version={third} />;
  if (first === "plugins") return <Plugins />;
  if (first === "new") return <NewRun />;
  if (first === "admin" && session.value?.admin) return <Admin tab={second ?? "tenants"} />;
  return (
    <Empty page title="There is no such page">
      <a href="/">To the runs</a>
    </Empty>
  );
}

function Shell({ children }: { children: ComponentChildren }) {
  const where = segments.value[0] ?? "runs";
  const main = useRef<HTMLElement>(null);
  const view = segments.value.slice(0, 2).join("/");
  const shown = useRef(view);
  // Another view: keyboard and screen reader go on at its beginning. Tabs of one view leave them where they are.
  useEffect(() => {
    if (shown.current !== view) main.current?.focus({ preventScroll: true });
    shown.current = view;
  }, [view]);
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="side">
        <a class="brand" href="/" aria-label="Mobula, all runs">
          <Mark />
          <span>Mobula</span>
        </a>
        <nav aria-label="Main">
          <Place href="/" icon="runs" current={where === "runs" || where === "compare"}>
            Runs
          </Place>
          <Place href="/plugins" icon="plugin" current={where === "plugins"}>
            Plugins
          </Place>
          <Place href="/new" icon="plus" current={where === "new"}>
            New run
          </Place>
          {session.value?.admin && (
            <Place href="/admin" icon="admin" current={where === "admin"}>
              Admin
            </Place>
          )}
        </nav>
        <div class="side-foot">
          <Machine />
          <Who />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {(offline.value || streamAway.value) && (
          <div class="banner" role="status">
            <Icon name="warn" />
            The connection to the server is lost. What you see may be old; this page catches up by itself.
          </div>
        )}
        {children}
      </main>
    </div>
  );
}

function Place({
  href,
  icon,
  current,
  children,
}: {
  href: string;
  icon: IconName;
  current: boolean;
  children: ComponentChildren;
}) {
  return (
    <a href={href} aria-current={current ? "page" : undefined}>
      <Icon name={icon} />
      {children}
    </a>
  );
}

function Machine() {
  const { data } = useData("overview", getOverview, OVERVIEW_MS);
  if (!data) return null;
  return (
    <div class="machine">
      {data.memory.limit_bytes === null ? (
        <span>{bytes(data.memory.used_bytes)} of memory in use</span>
      ) : (
        <Meter
          value={data.memory.used_bytes}
          max={data.memory.limit_bytes}
          label="Memory in use"
          text={`${bytes(data.memory.used_bytes)} of ${bytes(data.memory.limit_bytes)}`}
          scarce
        />
      )}
      <span>
        {data.workers} workers · {bytes(data.store.used_bytes)} stored
      </span>
      <span class="faint">version {data.version}</span>
    </div>
  );
}

function Who() {
  const leave = async () => {
    await logOut().catch(() => undefined);
    session.value = null;
    go("/login");
  };
  return (
    <div class="who">
      <span class="who-name" title="The tenant that you are logged in as">
        {session.value?.tenant}
      </span>
      <Button kind="quiet" icon={isDark.value ? "sun" : "moon"} iconOnly onClick={toggleTheme}>
        {isDark.value ? "Light colours" : "Dark colours"}
      </Button>
      <Button kind="quiet" icon="out" iconOnly onClick={() => void leave()}>
        Log out
      </Button>
    </div>
  );
}
