/** Logging in: by a token here, or by the one-time link that the server prints. */

import { useState } from "preact/hooks";
import { ApiError, BASE, query, session } from "../api/client.ts";
import { getSession, logIn } from "../api/routes.ts";
import { go, params, path } from "../router.ts";
import { useTitle } from "../ui/hooks.ts";
import { Mark } from "../ui/icons.tsx";
import { Button, Field } from "../ui/parts.tsx";

export function Login() {
  useTitle("Log in");
  const [token, setToken] = useState("");
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const code = path.value === "/login" ? params.value.get("code") : null;
  if (code) {
    // The server trades the code for a cookie and sends the browser back.
    location.replace(`${BASE}/login${query({ code })}`);
    return null;
  }
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await logIn(token.trim());
      session.value = await getSession();
      if (path.value === "/login") go("/", "replace");
    } catch (cause) {
      const refused = cause instanceof ApiError && cause.status === 401;
      setError(refused ? "This token is unknown, expired or revoked." : (cause as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form class="login-card" onSubmit={(event) => void submit(event)}>
        <div class="login-head">
          <Mark size={44} />
          <h1>Log in to Mobula</h1>
          <p class="dim">
            Open the link that <code>mobula serve</code> printed, or enter a token of your tenant.
          </p>
        </div>
        <Field label="Token" id="token" error={error}>
          <input
            id="token"
            type="password"
            autocomplete="current-password"
            required
            value={token}
            spellcheck={false}
            onInput={(event) => setToken(event.currentTarget.value)}
            aria-invalid={error ? true : undefined}
          />
        </Field>
        <Button kind="primary" type="submit" busy={busy}>
          Log in
        </Button>
        <p class="hint">
          An administrator makes tokens with <code>mobula tenant token NAME</code>. They are shown once.
        </p>
      </form>
    </main>
  );
}
