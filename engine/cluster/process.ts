/** Processes on this machine, each with a file for what it prints. */

import { dirname } from "node:path";
import { fileError, makeFolder } from "../io/files.ts";
import type { Running } from "./pool.ts";

/**
 * Starts a program.
 * @param log the file that what it prints is added to; its folder is made
 */
export function startProcess(command: readonly string[], log: string): Running {
  let child: Deno.ChildProcess | undefined;
  let isStopped = false;
  const run = async (): Promise<number> => {
    await makeFolder(dirname(log));
    if (isStopped) return STOPPED;
    using file = await Deno.open(log, { append: true, create: true })
      .catch((error) => Promise.reject(fileError("write", log, error)));
    const [program, ...args] = command;
    const [stdout, stderr] = ["piped", "piped"] as const;
    child = new Deno.Command(program, { args, stdin: "null", stdout, stderr }).spawn();
    const keep = async (stream: ReadableStream<Uint8Array>) => {
      // A log that can't be written is no reason for the work to end: what is read is dropped.
      for await (const bytes of stream) await file.write(bytes).catch(() => {});
    };
    await Promise.all([keep(child.stdout), keep(child.stderr)]);
    return (await child.status).code;
  };
  return {
    ended: run(),
    stop: () => {
      isStopped = true;
      try {
        child?.kill("SIGTERM");
      } catch { /* it has ended */ }
    },
  };
}

/** The exit code where a process was stopped before it began. */
const STOPPED = 143;
