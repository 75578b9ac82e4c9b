/** Tabs that are links: each has an address, and the browser's own keys work on them. */

import { useEffect, useRef } from "preact/hooks";

export interface Tab {
  id: string;
  label: string;
  href: string;
  count?: number | undefined;
}

export function Tabs({ tabs, current, label }: { tabs: Tab[]; current: string; label: string }) {
  const nav = useRef<HTMLElement>(null);
  // On a narrow screen the tabs scroll; the one that is shown is in sight.
  useEffect(() => {
    const tab = nav.current?.querySelector<HTMLElement>("[aria-current]");
    if (nav.current && tab) nav.current.scrollLeft = tab.offsetLeft - (nav.current.clientWidth - tab.offsetWidth) / 2;
  }, [current]);
  return (
    <nav ref={nav} class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <a key={tab.id} href={tab.href} aria-current={tab.id === current ? "page" : undefined}>
          {tab.label}
          {tab.count !== undefined && tab.count > 0 && <span class="count">{tab.count.toLocaleString("en")}</span>}
        </a>
      ))}
    </nav>
  );
}
