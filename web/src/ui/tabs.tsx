/** Tabs that are links: each has an address, and the browser's own keys work on them. */

export interface Tab {
  id: string;
  label: string;
  href: string;
  count?: number | undefined;
}

export function Tabs({ tabs, current, label }: { tabs: Tab[]; current: string; label: string }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <a key={tab.id} href={tab.href} aria-current={tab.id === current ? "page" : undefined}>
          {tab.label}
          {tab.count !== undefined && tab.count > 0 && <span class="count">{tab.count.toLocaleString("en")}</span>}
        </a>
      ))}
    </nav>
  );
}
