/**
 * Settings as text, by which it is told whether two runs are the same: equal for equal entries in
 * whatever order, and as if entries that are undefined were not there.
 */
export function canonicalText(settings: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(settings).filter(([, value]) => value !== undefined);
  return JSON.stringify(entries.sort(([a], [b]) => a < b ? -1 : 1));
}
