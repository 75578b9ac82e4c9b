/** Dialogs and passing messages. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Button } from "./parts.tsx";
import { Icon } from "./icons.tsx";

interface Toast {
  id: number;
  tone: "good" | "bad";
  text: string;
}

const TOASTS_MAX = 4;
const TOAST_MS = 6000;
const toasts = signal<Toast[]>([]);
let count = 0;

export function say(text: string, tone: "good" | "bad" = "good"): void {
  const id = count++;
  toasts.value = [...toasts.value, { id, tone, text }].slice(-TOASTS_MAX);
  setTimeout(() => drop(id), TOAST_MS);
}

function drop(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" aria-live="polite" aria-atomic="false">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={`toast ${toast.tone}`}>
          <Icon name={toast.tone === "good" ? "check" : "warn"} />
          <span>{toast.text}</span>
          <Button kind="quiet" icon="close" iconOnly onClick={() => drop(toast.id)}>Close message</Button>
        </div>
      ))}
    </div>
  );
}

interface DialogProps {
  title: string;
  onClose(): void;
  children: ComponentChildren;
  wide?: boolean;
}

/** Native and modal: the browser keeps the focus inside, and Escape closes. */
export function Dialog({ title, onClose, children, wide }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={element} class={wide ? "wide" : ""} aria-labelledby={id} onCancel={(event) => (event.preventDefault(), onClose())}>
      <header class="dialog-head">
        <h2 id={id}>{title}</h2>
        <Button kind="quiet" icon="close" iconOnly onClick={onClose}>Close</Button>
      </header>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  children: ComponentChildren;
  yes: string;
  danger?: boolean;
  act(): Promise<unknown>;
  onClose(): void;
}

export function Confirm({ title, children, yes, danger, act, onClose }: ConfirmProps) {
  const [busy, run] = useAction();
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="dialog-body">{children}</div>
      <footer class="dialog-foot">
        <Button onClick={onClose}>Back</Button>
        <Button kind={danger ? "danger" : "primary"} busy={busy} onClick={() => void run(act).then((ok) => ok && onClose())}>
          {yes}
        </Button>
      </footer>
    </Dialog>
  );
}

/** Runs an action once at a time; says what went wrong; gives whether it went well. */
export function useAction(): [boolean, (act: () => Promise<unknown>, done?: string) => Promise<boolean>] {
  const [busy, setBusy] = useState(false);
  const run = async (act: () => Promise<unknown>, done?: string) => {
    setBusy(true);
    try {
      await act();
      if (done) say(done);
      return true;
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), "bad");
      return false;
    } finally {
      setBusy(false);
    }
  };
  return [busy, run];
}
