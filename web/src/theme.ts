/** Dark or light: what the system says, until the user says otherwise. */

import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "mobula-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

export const theme = signal<Theme>(stored());
const system = signal(dark.matches);
dark.addEventListener("change", () => (system.value = dark.matches));

/** What is shown; charts draw anew when it changes. */
export const isDark = signal(false);

effect(() => {
  isDark.value = theme.value === "system" ? system.value : theme.value === "dark";
  document.documentElement.dataset.theme = isDark.value ? "dark" : "light";
});

export function toggleTheme(): void {
  theme.value = isDark.peek() ? "light" : "dark";
  localStorage.setItem(KEY, theme.value);
}

/** A colour of the design as canvases want it; `light-dark()` is resolved only where it is used. */
export function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
