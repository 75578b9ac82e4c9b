/** Folders that a pipeline names, and those that were granted. */

import type { Grant } from "../api/documents.ts";

/** Where a value stands that names another folder; nothing for what is no stage. */
export function mountPath(grant: Grant): string | undefined {
  const stage = /`([^`]+)`/.exec(grant.at)?.[1];
  return stage && `stage.${stage}.mounts.${grant.mount}`;
}

/**
 * Folders that were granted here under the last name of those that the file names: an example names its author's
 * `../data/cifar-10`, and means `cifar-10`.
 */
export function likely(grants: Grant[], mounts: string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const grant of grants) {
    const path = mountPath(grant);
    const name = grant.folder.split("/").at(-1);
    if (path && name && !mounts.includes(grant.folder) && mounts.includes(name)) found[path] = name;
  }
  return found;
}
