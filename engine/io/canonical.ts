/** Settings as text, by which it is told whether two runs are the same, and where they differ. */

export type Settings = Readonly<Record<string, unknown>>;

/**
 * Equal for equal entries in whatever order, and as if entries that are undefined were not there.
 */
export function canonicalText(settings: Settings): string {
  return JSON.stringify([...leaves(settings)].sort(([a], [b]) => a < b ? -1 : 1));
}

/** Where settings differ from earlier ones, in words such as "batch was 16 and is 8". */
export function differences(before: Settings, now: Settings): string[] {
  const [was, is] = [before, now].map((settings) => leaves(settings));
  return [...new Set([...was.keys(), ...is.keys()])].sort()
    .filter((path) => was.get(path) !== is.get(path))
    .map((path) => `${path} was ${was.get(path) ?? "not given"} and is ${is.get(path) ?? "not"}`);
}

/** Every setting as JSON by its path, such as `constraint.channel.weight`; a list is one. */
function leaves(settings: Settings, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(settings)) {
    if (value === undefined) continue;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const entry of leaves(value as Settings, `${prefix}${key}.`)) found.set(...entry);
    } else found.set(prefix + key, JSON.stringify(value));
  }
  return found;
}
