/** Writing down what cells found, while others are done. */

/** It may take this share of the time. */
const SHARE = 0.05;

/** What does the writing, unless that was done so lately that it would slow the work. */
export function atLeisure(write: () => Promise<unknown>): () => Promise<void> {
  let due = -Infinity;
  return async () => {
    const begun = performance.now();
    if (begun < due) return;
    await write();
    const now = performance.now();
    due = now + (now - begun) / SHARE;
  };
}
