/**
 * The engine as a library: what is reached from its entry needs WebGPU and the language alone, other
 * programs import it, and the programs in the READMEs run as they are printed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { codeOf, importsFrom, importsOf, rootFile } from "./support/imports.ts";
import { inFolder } from "./support/io.ts";

const entry = (name: keyof typeof config.exports) => config.exports[name].slice("./".length);

/** What of a host a file names: Deno's own, or a package that is not in this repository. */
function hostIn(file: string, imports: readonly string[]): string[] {
  const own = imports.filter((name) => !/^[^:]*\.(ts|wgsl)$/.test(name));
  const code = codeOf(file).match(/\bDeno\.\w+|\bprocess\.\w+|\bimport\.meta\.\w+/g) ?? [];
  return [...own, ...code].map((what) => `${file}: ${what}`);
}

Deno.test("a host is named in the library's door alone", () => {
  const library = importsFrom(entry("."), entry("./models"));
  assert.ok(library.size > 80 && library.has("engine/plan/runtime.ts"));
  assert.deepEqual([...library].flatMap(([file, imports]) => hostIn(file, imports)), []);
  // Nor where nobody has come to import it yet.
  const rooms = ["gpu", "tensor", "plan", "nn", "train"].map((room) => `engine/${room}`);
  const files = importsOf(...rooms, "models");
  assert.deepEqual([...files].flatMap(([file, imports]) => hostIn(file, imports)), []);
  // The door is one, so what is looked for is there to be found.
  const door = importsFrom(entry("./host"));
  assert.ok([...door].some(([file, imports]) => hostIn(file, imports).length > 0));
});

/** A deno process on a program's text; what it prints. */
async function runProgram(args: readonly string[], cwd: string, program: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--check", "--no-prompt", ...args, "-"],
    cwd,
    env: { NO_COLOR: "1", DENO_WEBGPU_BACKEND: "vulkan", XDG_RUNTIME_DIR: cwd },
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const FOREIGN = `
import {
  conv2d, Conv2d, crossEntropy, flatten, grad, initialize, Input, Linear, Module, type Pass,
  requestGpu, run, Runtime, sgd, StepState, type Tensor, Variable,
} from "@model-doctor/engine";
import { classifiers } from "@model-doctor/engine/models";

class Net extends Module {
  readonly conv = new Conv2d(1, 2, 3);
  readonly fc = new Linear(8, 2);
  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.fc.apply(flatten(this.conv.apply(x, pass)), pass);
  }
}
const network = new Net();
initialize(network, 0);
const images = Float32Array.from({ length: 32 }, (_, i) => Math.cos(i * i));
const x = new Variable("images", [2, 4, 4, 1], images);
const labels = new Variable("labels", [2], Uint32Array.of(0, 1));
const loss = crossEntropy(run(network, x, { training: true }).output, labels);
const parameters = [...network.namedParameters()];
const gradients = grad(loss, parameters.map(([, parameter]) => parameter));
const trained = parameters.map(([name, parameter], i) => ({
  ...{ name, parameter, value: parameter, gradient: gradients[i] },
}));
const lr = new Input("lr", []);
const options = { momentum: 0.9, weightDecay: 0 };
const update = sgd.update(trained, lr, options, new StepState());
const runtime = new Runtime(await requestGpu());
const plan = await runtime.plan({ outputs: { loss }, assign: update });
for (let step = 0; step < 20; step++) {
  plan.run([[lr, 0.1]]);
  if (step === 0 || step === 19) console.log((await plan.read("loss"))[0][0]);
}
console.log(typeof conv2d, classifiers.length);
Deno.exit();
`;

Deno.test("a program elsewhere trains with the engine, and is permitted nothing", () =>
  inFolder(async (folder) => {
    const imports = Object.fromEntries(
      Object.entries(config.exports).map(([name, file]) => [
        join(config.name, name),
        new URL(`../${file}`, import.meta.url).href,
      ]),
    );
    await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify({ imports }));
    const [first, last, rest] = (await runProgram([], folder, FOREIGN)).trimEnd().split("\n");
    assert.ok(Number(first) > 2 * Number(last), `${first} to ${last}`);
    assert.match(rest, /^function \d\d$/);
  }));

/** The programs of a README: its blocks of TypeScript that import. */
async function programsIn(file: string): Promise<string[]> {
  const text = await Deno.readTextFile(file);
  const blocks = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
  return blocks.filter((block) => /^import /m.test(block));
}

/** Every README of the repository. */
async function readmes(): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory && !/^\.|^runs$/.test(name)) await walk(join(folder, name));
      if (name === "README.md") found.push(join(folder, name));
    }
  };
  await walk(rootFile("."));
  return found;
}

Deno.test("the READMEs' programs run as they are printed", async () => {
  const programs = (await Promise.all((await readmes()).map(programsIn))).flat();
  assert.ok(programs.length > 0);
  for (const program of programs) {
    assert.ok(program.includes(`from "${config.name}`), "readers import it by its name");
    const said = await runProgram(["-A"], rootFile("."), program);
    // A model is there for others to import, and says nothing by itself.
    if (!program.includes("export default")) assert.notEqual(said, "");
  }
});
