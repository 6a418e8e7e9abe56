/** A worker of decoders.ts. */
import { parentPort } from "node:worker_threads";
import { UserError } from "../errors.ts";
import { decodeImage, imageBytes } from "../io/image.ts";
import type { DecodeAnswer, DecodeRequest } from "./decoders.ts";
import { fitted, framed } from "./fit.ts";
import { resizeBilinear } from "./resize.ts";

parentPort!.on("message", async ({ id, file, size, mode }: DecodeRequest) => {
  let answer: DecodeAnswer;
  try {
    const { data, ...from } = await decodeImage(await imageBytes(file), file.path);
    const fit = fitted(mode, from, size, file.path);
    const fits = from.height === fit.scaled.height && from.width === fit.scaled.width;
    // What goes back is a buffer of its own.
    const scaled = fits ? data.slice() : resizeBilinear(data, from, fit.scaled, 3);
    answer = { id, image: framed(scaled, fit, size) };
  } catch (error) {
    const { message } = error as Error;
    const known = error instanceof UserError ? { exitCode: error.exitCode, hint: error.hint } : {};
    answer = { id, error: { message, ...known } };
  }
  const transfer = "image" in answer ? [answer.image.buffer as ArrayBuffer] : [];
  parentPort!.postMessage(answer, transfer);
});
