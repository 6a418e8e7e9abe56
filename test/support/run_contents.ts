/** What a run left in its folder, but for its times: two runs of the same settings are equal in it. */
import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import { decodeRecords } from "../../engine/io/tfrecord.ts";

/** By file: hashes of weights and arrays, the text of everything else. */
export async function contentsOf(folder: string): Promise<Map<string, string>> {
  const contents: [string, string][] = [];
  const look = async (place: string) => {
    for await (const { name, isDirectory } of Deno.readDir(place)) {
      const path = join(place, name);
      if (isDirectory) await look(path);
      else contents.push([relative(folder, path), timeless(name, await Deno.readFile(path))]);
    }
  };
  await look(folder);
  return new Map(contents.sort(([a], [b]) => a < b ? -1 : 1));
}

/** How long things took, and where they lie. */
const CHANGING = ["seconds", "waited", "out"];
const withoutTimes = (json: string) =>
  JSON.stringify(JSON.parse(json, (key, value) => CHANGING.includes(key) ? undefined : value));

function timeless(name: string, bytes: Uint8Array<ArrayBuffer>): string {
  const text = () => new TextDecoder().decode(bytes);
  // The page tells times in many places; what it is made of is compared.
  if (name === "report.html") return "";
  if (name.endsWith(".json")) return withoutTimes(text());
  if (name.endsWith(".jsonl")) return text().trim().split("\n").map(withoutTimes).join("\n");
  if (name.startsWith("events.")) {
    // An event begins with its time, a double under a byte of its own.
    return decodeRecords(bytes).map(({ data }) => data.subarray(9).toHex()).join("\n");
  }
  return createHash("sha256").update(bytes).digest("hex");
}
