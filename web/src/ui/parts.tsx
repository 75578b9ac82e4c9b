/** The small parts that every view is made of. */

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { ApiError } from "../api/client.ts";
import { Icon, type IconName } from "./icons.tsx";

type Kind = "primary" | "plain" | "quiet" | "danger";

export interface ButtonProps extends Omit<JSX.IntrinsicElements["button"], "icon" | "class"> {
  kind?: Kind;
  icon?: IconName;
  /** Shown as its icon only; the text is its name for screen readers. */
  iconOnly?: boolean;
  busy?: boolean;
  children: ComponentChildren;
}

export function Button({ kind = "plain", icon, iconOnly, busy, children, disabled, ...rest }: ButtonProps) {
  const label = iconOnly ? <span class="sr-only">{children}</span> : children;
  return (
    <button
      type="button"
      {...rest}
      class={`button ${kind}${iconOnly ? " icon-only" : ""}`}
      disabled={busy || disabled}
      aria-busy={busy ?? false}
    >
      {busy ? <span class="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {label}
    </button>
  );
}

export function LinkButton({
  href,
  kind = "plain",
  icon,
  download,
  children,
}: {
  href: string;
  kind?: Kind;
  icon?: IconName;
  download?: boolean;
  children: ComponentChildren;
}) {
  return (
    <a class={`button ${kind}`} href={href} {...(download && { download: "" })}>
      {icon && <Icon name={icon} />}
      {children}
    </a>
  );
}

const TONES: Record<string, string> = {
  running: "live",
  busy: "live",
  queued: "calm",
  waiting: "calm",
  succeeded: "good",
  enabled: "good",
  failed: "bad",
  damaged: "bad",
  interrupted: "odd",
  dedicated: "odd",
};

/** A status as a word with a dot: never by colour alone. */
export function Status({ status }: { status: string }) {
  return (
    <span class={`status ${TONES[status] ?? "calm"}`}>
      <span class="dot" aria-hidden="true" />
      {status}
    </span>
  );
}

export function Chip({
  children,
  tone = "calm",
}: {
  children: ComponentChildren;
  tone?: "calm" | "good" | "bad" | "odd" | "live";
}) {
  return <span class={`chip ${tone}`}>{children}</span>;
}

export function Stat({ label, value, note }: { label: string; value: ComponentChildren; note?: ComponentChildren }) {
  return (
    <div class="stat">
      <dt>{label}</dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

export function Panel({
  title,
  aside,
  children,
  flush,
}: {
  title?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
  flush?: boolean;
}) {
  return (
    <section class={`panel${flush ? " flush" : ""}`}>
      {title && (
        <header class="panel-head">
          <h2>{title}</h2>
          {aside && <div class="panel-aside">{aside}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div class="state" role="status">
      <span class="spinner" aria-hidden="true" />
      <p>Loading {what}…</p>
    </div>
  );
}

export function Empty({ title, children, page }: { title: string; children?: ComponentChildren; page?: boolean }) {
  return (
    <div class="state">
      <Icon name="empty" size={36} />
      {page ? <h1>{title}</h1> : <p class="state-title">{title}</p>}
      {children && <div class="state-more">{children}</div>}
    </div>
  );
}

/** `page`: it stands in place of a whole view, and its title is the page's. */
export function Failure({ error, retry, page }: { error: ApiError; retry?: () => void; page?: boolean }) {
  const title = error.status === 404 ? "There is nothing here" : "That did not work";
  return (
    <div class="state failure" role="alert">
      <Icon name="warn" size={32} />
      {page ? <h1>{title}</h1> : <p class="state-title">{title}</p>}
      <p>{error.message}</p>
      {error.logId && (
        <p class="faint">
          Log id for your administrator: <code>{error.logId}</code>
        </p>
      )}
      {retry && (
        <Button icon="again" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function Field({
  label,
  hint,
  error,
  children,
  id,
}: {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  children: ComponentChildren;
  id: string;
}) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p class="field-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

interface MeterProps {
  value: number;
  max: number;
  label: string;
  text?: string;
  /** What runs short turns red when little is left; progress does not. */
  scarce?: boolean;
}

export function Meter({ value, max, label, text, scarce = false }: MeterProps) {
  const share = max > 0 ? Math.min(1, value / max) : 0;
  return (
    <div class="meter">
      <progress class={scarce && share > 0.9 ? "full" : ""} value={share} max={1} aria-label={label} />
      {text && <span class="meter-text">{text}</span>}
    </div>
  );
}

export function Copy({ text, name }: { text: string; name: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <Button kind="quiet" icon={done ? "check" : "copy"} iconOnly onClick={() => void copy()}>
      {done ? "Copied" : `Copy ${name}`}
    </Button>
  );
}

/** A wide table scrolls in its own box, which the keyboard can reach. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="scroll" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
