/** Many small operations on files, some of them at a time: a disk, or a network, is waited for once. */

/** Operations at a time, where nothing else is said: as many as Deno's own threads take. */
const USUAL = 32;

/**
 * Does the work for every item.
 * @param most items at a time
 * @returns the results, in the items' order
 * @throws what the work threw first; no further one is begun then
 */
export async function mapAtOnce<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  most = USUAL,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let [next, isBroken] = [0, false];
  const worker = async () => {
    while (next < items.length && !isBroken) {
      const index = next++;
      results[index] = await work(items[index]).catch((error) => {
        isBroken = true;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  return results;
}
