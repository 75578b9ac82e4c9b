/** The address bar as a signal. Every view has an address; going there loads nothing anew. */

import { computed, signal } from "@preact/signals";

const read = () => ({ path: location.pathname, search: location.search });
const place = signal(read());
addEventListener("popstate", () => (place.value = read()));

export const path = computed(() => place.value.path);
export const params = computed(() => new URLSearchParams(place.value.search));

/** The segments of the path, as they were before they were escaped. */
export const segments = computed(() => path.value.split("/").filter(Boolean).map(decoded));

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

export function go(to: string, how: "push" | "replace" = "push"): void {
  if (to === location.pathname + location.search) return;
  history[how === "push" ? "pushState" : "replaceState"](null, "", to);
  const moved = place.value.path !== location.pathname;
  place.value = read();
  if (moved && how === "push") scrollTo(0, 0);
}

/** The same view with other parameters; empty ones leave the address. */
export function withParams(changes: Record<string, string | undefined>): string {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const text = next.toString();
  return location.pathname + (text && `?${text}`);
}

/** Takes plain clicks on links within the dashboard; every other click stays the browser's. */
export function takeClicks(root: HTMLElement): void {
  root.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname.startsWith("/api/") || link.getAttribute("href")?.startsWith("#")) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
