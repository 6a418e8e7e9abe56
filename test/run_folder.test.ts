/** A run's folder: one process at a time, kills at any place, and bits that flip. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { inFolder, namesIn, userError } from "./support/io.ts";

const MODULE = import.meta.resolve("../engine/run/run_folder.ts");

/** A process that opens a run's folder and stays in it until it is told to end. */
async function occupant(path: string) {
  const program = `
    import { RunFolder } from ${JSON.stringify(MODULE)};
    await RunFolder.open(${JSON.stringify(path)}, {});
    console.log("in");
    await new Promise((resolve) => setTimeout(resolve, 60_000));`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "-"],
    cwd: join(import.meta.dirname!, ".."),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const reader = child.stdout.getReader();
  await reader.read();
  const kill = async () => {
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
  };
  return { pid: child.pid, kill };
}

Deno.test({
  name: "run folder: while a process works in it others are refused; killed, it holds nothing",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (root) => {
      const path = join(root, "run");
      const { pid, kill } = await occupant(path);
      try {
        const { message } = await userError(
          RunFolder.resume(path),
          ExitCode.io,
          /the folder .*run is in use by/,
        );
        if (Deno.build.os === "linux") assert.match(message, new RegExp(`by process ${pid}$`));
        await userError(RunFolder.open(path, {}), ExitCode.io, /is in use by/);
      } finally {
        await kill();
      }
      const { folder } = await RunFolder.resume(path);
      await (await folder.enter()).leave();
    }),
});

Deno.test("run folder: what a kill leaves half written is in nobody's way", () =>
  inFolder(async (root) => {
    const path = join(root, "run");
    await Deno.mkdir(path);
    await Deno.writeTextFile(join(path, "config.json.4711-1.partial"), '{"comm');
    const created = await RunFolder.create(path, { command: "treat" });
    assert.deepEqual(namesIn(path), ["config.json"]);
    await created.leave();
    await Deno.mkdir(join(path, "tensorboard", "baseline"), { recursive: true });
    const halves = ["baseline.safetensors", ".model-doctor", "tensorboard/baseline/events"];
    for (const name of halves) {
      await Deno.writeTextFile(join(path, `${name}.4711-9.partial`), "half");
    }
    const { folder, config } = await RunFolder.resume(path);
    assert.deepEqual(config, { command: "treat" });
    await folder.enter();
    assert.deepEqual(namesIn(path), ["config.json", "tensorboard"]);
    assert.deepEqual(namesIn(join(path, "tensorboard", "baseline")), []);
    await folder.leave();
    // What somebody else put there is not taken away.
    const other = join(root, "other");
    await Deno.mkdir(other);
    await Deno.writeTextFile(join(other, "thesis.partial"), "half");
    await userError(
      RunFolder.create(other, {}),
      ExitCode.io,
      /not empty: it holds thesis\.partial/,
    );
  }));

Deno.test("run folder: weights that changed since they were written are found, whatever bit it is", () =>
  inFolder(async (path) => {
    const root = join(path, "run");
    const folder = await RunFolder.create(root, {});
    const tensor = { dtype: "F32", shape: [3], data: Float32Array.of(1, 2, 3) } as const;
    const result = { state: new Map([["a", tensor]]), history: [], bestEpoch: 0 };
    await folder.finish("baseline", result);
    await folder.finish("control", result);
    assert.deepEqual((await folder.finished("baseline"))?.state, result.state);
    const file = folder.file("baseline.safetensors");
    const bytes = await Deno.readFile(file);
    for (let at = 0; at < bytes.length; at += 7) {
      await Deno.writeFile(file, bytes.with(at, bytes[at] ^ (1 << (at % 8))));
      await userError(
        folder.finished("baseline"),
        ExitCode.weights,
        /baseline\.safetensors is damaged: it differs from its checksum/,
      );
    }
    assert.deepEqual((await folder.finished("control"))?.state, result.state);
    await folder.leave();
  }));

Deno.test("run folder: what is read of it and written again keeps its bytes", () =>
  inFolder(async (root) => {
    const path = join(root, "run");
    const folder = await RunFolder.create(path, { command: "treat" });
    const history = [{
      ...{ stage: "treated", epoch: 1, lr: 0.1, seconds: 1 },
      train: { loss: 1, channel: 0.5, accuracy: 0.5 },
      validation: { accuracy: 0.5, loss: 1, correct: 1, total: 2 },
    }];
    await folder.finish("treated", { state: new Map(), history, bestEpoch: 1 });
    await folder.leave();
    const files = ["metrics.jsonl", "tensorboard/treated/events.out.tfevents.0"];
    const bytes = () => files.map((name) => Deno.readFileSync(join(path, name)));
    const before = bytes();
    const again = await (await RunFolder.resume(path)).folder.enter();
    await again.finish("treated", (await again.finished("treated"))!);
    await again.leave();
    assert.deepEqual(bytes(), before);
  }));

Deno.test("run folder: another command is refused, and told by which the run is gone on with", () =>
  inFolder(async (root) => {
    for (const [begun, hint] of [["treat", /deno task treat --resume/], ["diagnose", /^choose/]]) {
      const path = join(root, `${begun}`);
      await (await RunFolder.create(path, { command: begun })).leave();
      const again = RunFolder.create(path, { command: "train" });
      const refused = await userError(again, ExitCode.io, /not empty: it holds config\.json/);
      assert.match(refused.hint!, hint as RegExp);
    }
    const damaged = join(root, "damaged");
    await Deno.mkdir(damaged);
    await Deno.writeTextFile(join(damaged, "config.json"), "{");
    await userError(RunFolder.create(damaged, {}), ExitCode.io, /not empty/);
  }));
