/** Whether what a command prints fits a terminal. */

import assert from "node:assert/strict";

/** Words that can't be broken: a path, a name that somebody gave. */
const UNBREAKABLE = 60;

/** Tables fit 100 columns, every other line 80; a blank line ends a table. */
export function assertFits(text: string): void {
  for (const part of text.split(/\n\s*\n/)) {
    const lines = part.split("\n");
    const width = lines.some((line) => /^-+( +-+)+$/.test(line)) ? 100 : 80;
    const wide = lines.filter((line) =>
      line.length > width && !line.split(/\s+/).some((word) => word.length > UNBREAKABLE)
    );
    assert.deepEqual(wide, [], `wider than ${width} columns`);
  }
}
