/** A program with commands that go wrong in every way; test/cli_program.test.ts runs it. */
import { defineCommand } from "../cli/framework/command.ts";
import { main } from "../cli/framework/program.ts";
import { ExitCode, UserError } from "../engine/errors.ts";

const pause = () => new Promise((resolve) => setTimeout(resolve, 10));
const define = (name: string, run: Parameters<typeof defineCommand>[0]["run"]) => () =>
  Promise.resolve({
    command: defineCommand({ name, summary: name, flags: {}, examples: [], run }),
  });

await main({
  /** Works until it is interrupted, and saves. */
  work: define("work", async (_, { print, signal, working }) => {
    working();
    print("working");
    while (!signal.aborted) await pause();
    print("saved");
    signal.throwIfAborted();
  }),
  /** Never looks at the signal. */
  deaf: define("deaf", async (_, { print, working }) => {
    working();
    print("working");
    while (true) await pause();
  }),
  /** Has nothing to lose yet, and does not let the event loop turn. */
  prepare: define("prepare", async (_, { print }) => {
    await pause();
    print("working");
    const begun = performance.now();
    while (performance.now() - begun < 10_000);
    print("prepared");
  }),
  /** The same, when Node's modules have come to listen to signals. */
  prepareAsNode: define("prepareAsNode", async (_, { print }) => {
    await import("node:crypto");
    for (let i = 0; i < 300; i++) await pause();
    print("prepared");
  }),
  /** The same in a process that was started again. */
  again: define("again", async (_, { print, startAgain }) => {
    if (!Deno.env.has("FIXTURE_AGAIN")) await startAgain("FIXTURE_AGAIN", ["--no-check"]);
    for (let i = 0; i < 300; i++) await pause();
    print("prepared");
  }),
  flood: define("flood", async (_, { print }) => {
    while (true) {
      for (let i = 0; i < 1000; i++) print("a line");
      await pause();
    }
  }),
  /** Talks while it works; saves, and says so elsewhere, when it is to stop. */
  talk: define("talk", async (_, { print, signal, working }) => {
    working();
    try {
      while (true) {
        print("working");
        await pause();
        signal.throwIfAborted();
      }
    } catch (error) {
      console.error(error === signal.reason ? "saved" : "lost");
      print("how to go on");
      throw error;
    }
  }),
  mistake: define("mistake", () => {
    throw new UserError("the file is empty: a.gz", ExitCode.data, "get it again");
  }),
  code: define("code", () => Promise.resolve(ExitCode.method)),
  defect: define("defect", () => {
    throw new TypeError("x is undefined");
  }),
  reject: define("reject", async () => {
    Promise.reject(new RangeError("nobody waits for this"));
    while (true) await pause();
  }),
  /** The device reports an error for which nobody asks. */
  gpu: define("gpu", async (_, { gpu }) => {
    const { device } = await gpu();
    device.createBuffer({ label: "broken", size: 16, usage: 0 });
  }),
}, Deno.args);
