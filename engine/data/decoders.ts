/**
 * Workers that decode image files, so that a batch is decoded on several cores while the GPU and
 * the main thread work on another. They start with the first image and keep no process alive.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { type ExitCode, UserError } from "../errors.ts";
import type { FilePart } from "../io/file_part.ts";
import type { Size } from "./dataset.ts";
import type { ResizeMode } from "./fit.ts";

export interface DecodeRequest {
  readonly id: number;
  readonly file: FilePart;
  readonly size: Size;
  readonly mode: ResizeMode;
}

/** The image (H, W, 3), or what was wrong. */
export type DecodeAnswer =
  & { readonly id: number }
  & (
    | { readonly image: Uint8Array }
    | { readonly error: { message: string; exitCode?: ExitCode; hint?: string } }
  );

const MOST_WORKERS = 8;

class Decoder {
  private readonly worker = new Worker(new URL("./decode_worker.ts", import.meta.url));
  private readonly waiting = new Map<number, (answer: DecodeAnswer) => void>();
  private nextId = 0;

  constructor() {
    this.worker.on("message", (answer: DecodeAnswer) => {
      this.waiting.get(answer.id)!(answer);
      this.waiting.delete(answer.id);
      if (this.waiting.size === 0) this.worker.unref();
    });
    this.worker.unref();
  }

  get load(): number {
    return this.waiting.size;
  }

  async decode(file: FilePart, size: Size, mode: ResizeMode): Promise<Uint8Array> {
    const request: DecodeRequest = { id: this.nextId++, file, size, mode };
    const answer = await new Promise<DecodeAnswer>((resolve) => {
      this.waiting.set(request.id, resolve);
      this.worker.ref();
      this.worker.postMessage(request);
    });
    if ("image" in answer) return answer.image;
    const { message, exitCode, hint } = answer.error;
    throw exitCode === undefined ? new Error(message) : new UserError(message, exitCode, hint);
  }
}

const decoders: Decoder[] = [];

/**
 * The image in a file (H, W, 3), resized.
 * @throws UserError (data) that names the file and what is wrong with it
 */
export function decode(file: FilePart, size: Size, mode: ResizeMode): Promise<Uint8Array> {
  let idlest = decoders.find(({ load }) => load === 0);
  if (!idlest && decoders.length < Math.min(MOST_WORKERS, availableParallelism())) {
    decoders.push(idlest = new Decoder());
  }
  idlest ??= decoders.reduce((a, b) => b.load < a.load ? b : a);
  return idlest.decode(file, size, mode);
}
