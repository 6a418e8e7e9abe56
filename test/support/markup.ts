/** Markup as a strict reader sees it. */

import assert from "node:assert/strict";

/** Elements of HTML without an end. */
const VOID = ["meta", "link", "img", "source", "br"];

/** Throws where tags don't nest or something is not escaped; returns how often each one occurs. */
export function tags(markup: string): Map<string, number> {
  const open: string[] = [];
  const counts = new Map<string, number>();
  const attributes = String.raw`(?:\s+[\w:-]+(?:="[^"<&]*(?:&\w+;[^"<&]*)*")?)*`;
  const tag = new RegExp(String.raw`<(/?)(\w+)${attributes}\s*(/?)>`, "g");
  const content = markup.replace(/^<!DOCTYPE html>/, "")
    .replaceAll(/<style>[^<]*<\/style>/g, "<style></style>");
  const rest = content.replace(tag, (_, closes, name, empty) => {
    if (closes) assert.equal(open.pop(), name);
    else {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if (!empty && !VOID.includes(name)) open.push(name);
    }
    return "";
  });
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest, /[<>]|&(?!\w+;)/);
  return counts;
}
