/** Dialogs and passing messages. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Button } from "./parts.tsx";
import { Icon, type IconName } from "./icons.tsx";

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
          <Button kind="quiet" icon="close" iconOnly onClick={() => drop(toast.id)}>
            Close message
          </Button>
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
  /** Why what was asked for in it did not work. */
  error?: string | undefined;
}

/** Native and modal: the browser keeps the focus inside, and Escape closes. */
export function Dialog({ title, onClose, children, wide, error }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      class={wide ? "wide" : ""}
      aria-labelledby={id}
      onCancel={(event) => (event.preventDefault(), onClose())}
    >
      <header class="dialog-head">
        <h2 id={id}>{title}</h2>
        <Button kind="quiet" icon="close" iconOnly onClick={onClose}>
          Close
        </Button>
      </header>
      {error && (
        <p class="field-error dialog-error" role="alert">
          {error}
        </p>
      )}
      {children}
    </dialog>
  );
}

interface FormFootProps {
  onClose(): void;
  busy: boolean;
  danger?: boolean;
  icon?: IconName;
  /** Stands before the buttons. */
  note?: string;
  /** What the form does. */
  children: ComponentChildren;
}

/** The end of a dialog that is a form: the way back, and the button that submits it. */
export function FormFoot({ onClose, busy, danger, icon, note, children }: FormFootProps) {
  return (
    <footer class="dialog-foot">
      {note && <span class="dim grow">{note}</span>}
      <Button onClick={onClose}>Back</Button>
      <Button kind={danger ? "danger" : "primary"} type="submit" busy={busy} {...(icon && { icon })}>
        {children}
      </Button>
    </footer>
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
  const [busy, run, error] = useDialogAction();
  return (
    <Dialog title={title} onClose={onClose} error={error}>
      <div class="dialog-body">{children}</div>
      <footer class="dialog-foot">
        <Button onClick={onClose}>Back</Button>
        <Button
          kind={danger ? "danger" : "primary"}
          busy={busy}
          onClick={() => void run(act).then((ok) => ok && onClose())}
        >
          {yes}
        </Button>
      </footer>
    </Dialog>
  );
}

type Run = (act: () => Promise<unknown>, done?: string) => Promise<boolean>;

/** Runs an action once at a time; says what went wrong in passing; gives whether it went well. */
export function useAction(): [boolean, Run] {
  const [busy, run] = useActing((message) => message && say(message, "bad"));
  return [busy, run];
}

/** The same for a dialog, which says itself what went wrong: the rest of the page is out of reach while it is open. */
export function useDialogAction(): [boolean, Run, string | undefined] {
  const [error, setError] = useState<string>();
  const [busy, run] = useActing(setError);
  return [busy, run, error];
}

function useActing(tell: (error: string | undefined) => void): [boolean, Run] {
  const [busy, setBusy] = useState(false);
  const run: Run = async (act, done) => {
    setBusy(true);
    tell(undefined);
    try {
      await act();
      if (done) say(done);
      return true;
    } catch (error) {
      tell(error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return [busy, run];
}
