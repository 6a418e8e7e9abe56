/** A worker of decoders.ts. */
import { parentPort } from "node:worker_threads";
import { UserError } from "../errors.ts";
import { decodeImage, imageBytes } from "../io/image.ts";
import type { DecodeAnswer, DecodeRequest } from "./decoders.ts";
import { resizeBilinear } from "./resize.ts";

parentPort!.on("message", async ({ id, path, size }: DecodeRequest) => {
  let answer: DecodeAnswer;
  try {
    const { data, ...from } = await decodeImage(await imageBytes(path), path);
    const fits = from.height === size.height && from.width === size.width;
    answer = { id, image: fits ? data : resizeBilinear(data, from, size, 3) };
  } catch (error) {
    const { message } = error as Error;
    const known = error instanceof UserError ? { exitCode: error.exitCode, hint: error.hint } : {};
    answer = { id, error: { message, ...known } };
  }
  const transfer = "image" in answer ? [answer.image.buffer as ArrayBuffer] : [];
  parentPort!.postMessage(answer, transfer);
});
