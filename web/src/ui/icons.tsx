/** The few pictures of the interface, drawn as strokes. All are decoration: the name stands beside them. */

const PATHS = {
  runs: "M4 6h16M4 12h16M4 18h10",
  plugin: "M9 3v4M15 3v4M6 7h12v5a6 6 0 0 1-12 0zM12 18v3",
  plus: "M12 5v14M5 12h14",
  admin: "M12 3l7 3v5c0 4.5-3 8.2-7 10-4-1.8-7-5.5-7-10V6z",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5z",
  out: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  stop: "M7 7h10v10H7z",
  play: "M8 5l11 7-11 7z",
  again: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4h4",
  bolt: "M13 3L5 13h6l-1 8 8-10h-6z",
  down: "M12 4v11M7 11l5 5 5-5M5 20h14",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM16 16l4 4",
  close: "M6 6l12 12M18 6L6 18",
  warn: "M12 4l9 16H3zM12 10v4M12 17v.5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  up: "M12 16V5M7 9l5-5 5 5M5 20h14",
  fork: "M6 4v6a4 4 0 0 0 4 4h8M14 10l4 4-4 4M6 14v6",
  copy: "M8 8h11v12H8zM5 16V4h11",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  empty: "M4 13l3-8h10l3 8v6H4zM4 13h5a3 3 0 0 0 6 0h5",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The ray. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" class="mark-sea" />
      <path
        class="mark-ray"
        d="M16 8c1.2 1.6 1.8 2.3 4 2.8 3.2.7 6.5 2.7 8 6.7-3.6-1.6-6.4-1.3-8.6.7-1.2 1.1-2 2.4-2.5 4.3L16 27l-.9-4.5c-.5-1.9-1.3-3.2-2.5-4.3-2.2-2-5-2.3-8.6-.7 1.5-4 4.8-6 8-6.7 2.2-.5 2.8-1.2 4-2.8z"
      />
    </svg>
  );
}
