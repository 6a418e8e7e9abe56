import assert from "node:assert/strict";
import { join } from "node:path";
import type { FlagTable } from "../cli/framework/flags.ts";
import { checkPlaces } from "../cli/framework/places.ts";
import { commands } from "../cli/main.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { fileError } from "../engine/io/files.ts";
import { fail } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";

const isIo = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UserError, String(error));
  assert.equal(error.exitCode, ExitCode.io);
  assert.match(error.message, message);
  return true;
};

Deno.test("places that cannot be written are found before a command begins, for every flag", () =>
  inFolder(async (root) => {
    const file = join(root, "file"), folder = join(root, "folder");
    await Deno.writeTextFile(file, "");
    await Deno.mkdir(folder);
    let checked = 0;
    for (const [name, load] of Object.entries(commands)) {
      const flags: FlagTable = (await load()).command.flags;
      for (const [key, { writes, value }] of Object.entries(flags)) {
        // Whoever declares a place by its name says that it is written to, or that it is read.
        if (["out", "resume", "dump", "dumpWgsl"].includes(key)) {
          assert.ok(writes, `${name} ${key}`);
        }
        if (!writes) continue;
        checked++;
        assert.equal(writes.what === "folder", /^DIR/.test(value ?? ""), `${name} ${key}`);
        const at = (path: string) => checkPlaces(flags, { [key]: path }, new Set([key]));
        if (writes.what === "folder") {
          await assert.rejects(at(file), isIo(/can't be made: .*file is a file/));
          await assert.rejects(at(join(file, "a", "b")), isIo(/can't be made: .*file is a file/));
          await at(join(folder, "new", "newer"));
        } else {
          await assert.rejects(at(folder), isIo(/it is a folder/));
          await assert.rejects(at(join(root, "none", "x")), isIo(/there is no folder .*none/));
          await at(join(folder, "x"));
          await at(file);
        }
        if (Deno.build.os === "linux") {
          // Nobody makes files there, not even root.
          await assert.rejects(at("/proc/self/fd/x"), isIo(/cannot write/));
        }
      }
    }
    assert.ok(checked > 10);
    assert.deepEqual([...Deno.readDirSync(folder)], [], "nothing is left behind");
    await fail(ExitCode.io, /can't be made: .* is a file/, "treat", "--out", file);
  }));

Deno.test("too many open files are told with what to do", () => {
  const error = Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
  const told = fileError("read", "a.png", error) as UserError;
  assert.equal(told.message, "cannot read a.png: too many files are open at once");
  assert.match(told.hint!, /ulimit -n/);
});
