/** A profile beside one that was written before. */

import * as v from "valibot";
import { readText } from "../../engine/io/files.ts";
import { finite, parseJson } from "../../engine/io/json.ts";
import { compareTimes, type Comparison, type Times } from "../../engine/profile/against.ts";
import { wrap } from "../../engine/prose.ts";
import { table, WIDE } from "../framework/table.ts";

/** What is compared of a profile. */
export interface Compared {
  /** Of what it is, by the flags' names. */
  readonly about: Readonly<Record<string, unknown>>;
  readonly times: { readonly kernels: Times; readonly layers: Times };
}

const times = v.record(v.string(), v.pipe(v.array(finite), v.minLength(1)));
const schema = v.looseObject({ times: v.object({ kernels: times, layers: times }) });

/** @throws UserError (io) where there is no such file, or no profile in it */
export async function readProfile(path: string): Promise<Compared> {
  const hint = "name what deno task profile --json FILE wrote before the change";
  const found = parseJson(await readText(path), schema, { name: path, hint, what: "profile" });
  return { about: found, times: found.times };
}

/** What decides how long a step takes, beside the code. */
const ABOUT = [
  "adapter",
  "model",
  "width",
  "stage",
  "batch",
  "size",
  "channels",
  "classes",
  "target",
  "exact",
  "activations",
];

/** @param top kernels to show */
export function describeAgainst(before: Compared, after: Compared, path: string, top: number) {
  const other = ABOUT.filter((key) => before.about[key] !== after.about[key]);
  const kernels = compareTimes(before.times.kernels, after.times.kernels);
  const layers = compareTimes(before.times.layers, after.times.layers);
  const count = (change: string) => kernels.filter((of) => of.change === change).length;
  const found = `against ${path}: of ${kernels.length} kernels ${count("slower")} slower, ` +
    `${count("faster")} faster, ${count("within the noise")} within the noise, ` +
    `${count("new")} new, ${count("gone")} gone`;
  const settings = other.map((key) => `${key} ${before.about[key]}, now ${after.about[key]}`);
  return [
    wrap(found),
    ...(other.length > 0 ? [wrap(`it was made with other settings: ${settings.join("; ")}`)] : []),
    `by kernel, those that changed most\n\n${changesTable(kernels.slice(0, top))}`,
    `by layer\n\n${changesTable(layers)}`,
  ].join("\n\n");
}

function changesTable(rows: readonly Comparison[]): string {
  const ms = (value?: number) => value === undefined ? "" : value.toFixed(2);
  return table(
    ["before ms", "now ms", "ratio", "of steps", "", "name"],
    rows.map(({ name, before, after, ratio, low, high, change }) => [
      ms(before),
      ms(after),
      ratio === undefined ? "" : `${ratio.toFixed(2)} x`,
      ratio === undefined ? "" : `${low!.toFixed(2)} to ${high!.toFixed(2)}`,
      change,
      name,
    ]),
    { width: WIDE },
  );
}
