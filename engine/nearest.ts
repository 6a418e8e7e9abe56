/**
 * The nearest right name to a mistyped one, for flags, commands, models, data sets and layers.
 * Distance is Damerau-Levenshtein's (optimal string alignment): insertions, deletions,
 * substitutions and swaps of neighbours each cost one.
 */

/** The least number of single-character edits, neighbour swaps included, from `a` to `b`. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, substitution);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length];
}

/**
 * The candidate that `name` most probably meant, or undefined where none is near: at most one edit
 * in three characters (two where that allows fewer). Case and the choice of `-`, `_` or `.` cost
 * nothing; a beginning of at least three characters counts as near ("images" for
 * "images-per-class").
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(name);
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = closeness(wanted, plain(candidate));
    if (distance < (best?.distance ?? Infinity)) best = { candidate, distance };
  }
  return best?.candidate;
}

/** "; did you mean X?" for the end of a message, or "" where no candidate is near. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const candidate = nearest(name, candidates);
  return candidate === undefined ? "" : `; did you mean ${candidate}?`;
}

function closeness(wanted: string, candidate: string): number {
  const distance = editDistance(wanted, candidate);
  // Never all of a short name's characters: "x" is not a mistyped "lr".
  const allowed = Math.min(Math.max(2, wanted.length / 3), Math.max(wanted.length - 1, 1));
  if (distance <= allowed) return distance;
  return wanted.length >= 3 && candidate.startsWith(wanted) ? allowed + 1 : Infinity;
}

const plain = (name: string): string => name.toLowerCase().replace(/[-_.]/g, "");
