/** Results from a file, of another program or another time, beside those of this run. */

import * as v from "valibot";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { readText } from "../../engine/io/files.ts";
import { finite, parseJson } from "../../engine/io/json.ts";
import { meanRatio, type Ratio, ratioApart, type Report, type Result } from "./result.ts";

export interface ComparisonResult {
  /** The same work here and there. */
  readonly pairs: readonly (Ratio & { readonly own: Result; readonly other: Result })[];
  /** Geometric means of how many times as long the other engine takes. */
  readonly means: readonly (Ratio & {
    readonly group: string;
    readonly engine: string;
    readonly works: number;
  })[];
}

/** @throws UserError (io) where there is no such file, or no results in it */
export async function readReport(path: string): Promise<Pick<Report, "results">> {
  const hint = "make it with deno task bench --json, or with cli/bench/pytorch.py";
  const { results } = parseJson(await readText(path), reportSchema, {
    name: path,
    hint,
    what: "file of results",
  });
  // Work that this program doesn't know equals none of its own.
  return {
    results: results.map((result) =>
      ({ rounds: [result.seconds], ...result }) as unknown as Result
    ),
  };
}

/** What is compared of a report, whoever wrote it. */
const reportSchema = v.object({
  results: v.array(v.looseObject({
    group: v.string(),
    name: v.string(),
    engine: v.string(),
    seconds: v.pipe(finite, v.gtValue(0)),
    rounds: v.optional(v.pipe(v.array(v.pipe(finite, v.gtValue(0))), v.minLength(1))),
    work: v.record(v.string(), v.unknown()),
  })),
});

/** The results of the same work, here and there; there may be none. */
export function compareWith(
  { results }: Pick<Report, "results">,
  other: Pick<Report, "results">,
): ComparisonResult {
  const own = results.filter(({ engine }) => engine === "this engine");
  const pairs = own.flatMap((result) =>
    other.results
      .filter(({ work }) => sameWork(work, result.work))
      .map((other) => ({ own: result, other, ...ratioApart(result, other) }))
  );
  const kinds = Map.groupBy(pairs, ({ own, other }) => `${own.group}\n${other.engine}`);
  const means = [...kinds.values()].map((of) => ({
    group: of[0].own.group,
    engine: of[0].other.engine,
    works: of.length,
    ...meanRatio(of),
  }));
  return { pairs, means };
}

/** @throws UserError (usage) where no work was the same */
export function requirePairs({ pairs }: ComparisonResult, path: string): void {
  if (pairs.length > 0) return;
  throw new UserError(
    `nothing that was done in this run is in ${path}`,
    ExitCode.usage,
    "give the flags that the file was made with: --faces, --steps, --models, --batch, --step-batch",
  );
}

/** Whether two descriptions are the same; the order of their keys doesn't matter. */
function sameWork(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, part) =>
      part && typeof part === "object" && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  );
}
