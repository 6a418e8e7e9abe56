/** Who watches a run over many images, and may end it. */

export interface Observer {
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

/** An observer of one of several equal parts of the work. */
export function partOf(
  { signal, onProgress }: Observer,
  part: number,
  parts: number,
): Observer {
  return {
    signal,
    onProgress: onProgress && ((done, total) => onProgress(part * total + done, parts * total)),
  };
}
