/** models: the list and the layers, with the reference's parameters and operations. */
import assert from "node:assert/strict";
import { constraintIsConstant } from "../engine/doctor/constant.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { ExitCode } from "../engine/errors.ts";
import { describeNetwork, type Stage } from "../engine/nn/describe.ts";
import { summarizeNetwork } from "../engine/nn/summary.ts";
import { classifier, classifiers } from "../models/registry.ts";
import { referenceModel, referenceNetworks, referenceNote } from "./support/reference.ts";

const program = new URL("../cli/main.ts", import.meta.url).pathname;

async function models(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, "models", ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const create = (name: string) =>
  classifier(name).create({ inChannels: 3, numClasses: 10, imageSize: 32 });

Deno.test("models: all of them, as a table and as JSON", async () => {
  const { code, stdout, stderr } = await models();
  assert.equal(code, ExitCode.ok, stderr);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  // A summary that has no room in a line goes on in the next.
  const running = stdout.replace(/\n {10,}/g, " ");
  for (const { name, summary } of classifiers) {
    const row = running.split("\n").findLast((line) => line.startsWith(`${name} `));
    assert.ok(row?.endsWith(summary), name);
  }
  assert.match(stdout, /^resnet34 +21\.28 M +1159\.40 M +32 x 32 +any$/m);
  assert.match(stdout, /^torchvision_resnet50 +23\.53 M +4087\.1\d M +224 x 224$/m);
  const json = JSON.parse((await models("--json", "--classes", "5", "--size", "64")).stdout);
  assert.deepEqual(json.map(({ name }: { name: string }) => name), classifiers.map((c) => c.name));
  const one = JSON.parse((await models("small", "--json")).stdout);
  // 288 + 64, 18432 + 128, 73728 + 256 and 2048 * 10 + 10 values; a weight's use for every pixel.
  const macs = 3 * 9 * 32 * 32 ** 2 + 32 * 9 * 64 * 16 ** 2 + 64 * 9 * 128 * 8 ** 2 + 20480;
  const parameters = 864 + 64 + 18432 + 128 + 73728 + 256 + 20490;
  assert.deepEqual([one[0].parameters, one[0].macs], [parameters, macs]);
});

Deno.test(`models: parameters and operations are the reference's${referenceNote}`, {
  ignore: referenceNetworks.length === 0,
}, () => {
  for (const name of referenceNetworks) {
    const { parameters, macs } = summarizeNetwork(create(name), [32, 32, 3]);
    const expected = referenceModel(name);
    assert.deepEqual(
      { parameters, macs },
      { parameters: expected.parameters, macs: expected.macs },
      name,
    );
  }
});

Deno.test("models: a classifier's layers with types, outputs and marks", async () => {
  const { code, stdout } = await models("resnet18", "--layers");
  assert.equal(code, ExitCode.ok);
  assert.match(stdout, /^conv1\.0 +Conv2d +64 x 32 x 32 +1,728$/m);
  assert.match(stdout, /^conv5_x +Sequential +512 x 4 x 4 +8,393,728 +features$/m);
  assert.match(stdout, /^conv5_x\.1\.residual_function\.3 +Conv2d +512 x 4 x 4 +2,359,296 +last$/m);
  assert.match(stdout, /^avg_pool +AdaptiveAvgPool2d +512 x 1 x 1$/m);
  assert.match(stdout, /^fc +Linear +10 +5,130$/m);
  assert.doesNotMatch(stdout, /fixed, linear/);

  const json = JSON.parse((await models("squeezenet", "--layers", "--json")).stdout);
  assert.deepEqual(json.last, { layer: "conv10", constant: true });
  assert.equal(json.features.constant, false);
  const names = [...create("squeezenet").namedModules()].map(([name]) => name).slice(1);
  assert.deepEqual(json.layers.map(({ name }: { name: string }) => name), names);
  assert.match((await models("squeezenet", "--layers")).stdout, /last \(conv10\) feeds the logits/);
});

Deno.test("models: widths, of those that come in them", async () => {
  const { code, stdout } = await models("--width", "0.5");
  assert.equal(code, ExitCode.ok);
  assert.match(stdout, /^resnet34 +5\.33 M/m);
  assert.match(stdout, /^shufflenetv2 .* 0\.5,1\.5,2$/m);
  assert.match(stdout, /^xception .* any$/m);
  const other = await models("shufflenetv2", "--width", "0.25");
  assert.equal(other.code, ExitCode.usage);
  assert.match(other.stderr, /shufflenetv2 does not come 0\.25 times as wide/);
  assert.match(other.stderr, /its widths are 1 and 0\.5,1\.5,2/);
});

Deno.test("models describe: a network as a table of its parts", async () => {
  const { code, stdout } = await models("describe", "resnet18");
  assert.equal(code, ExitCode.ok);
  assert.match(stdout, /11,173,962\s+parameters, 555\.42 M/);
  assert.match(stdout, /^32 x 32 +64 conv1 +1,856 +1\.77 M 3 x 3$/m);
  assert.match(
    stdout,
    /^16 x 16 +128 conv3_x +525,568 +134\.22 M 3 x 3 \(4\), 1 x 1, sum \(2\)$/m,
  );
  assert.match(stdout, /^ +10 fc +5,130 +0\.01 M linear$/m);
  const { stages } = JSON.parse((await models("describe", "small", "--json")).stdout);
  assert.deepEqual(
    stages.map(({ part, pixels, does }: Stage) => [part, pixels, does]),
    [
      ["features.0 to 2", [32, 32], { "3 x 3": 1 }],
      ["features.3 to 6", [16, 16], { "max pool": 1, "3 x 3": 1 }],
      ["features.7 to 10", [8, 8], { "max pool": 1, "3 x 3": 1 }],
      ["features.11", [4, 4], { "max pool": 1 }],
      ["fc", [], { linear: 1 }],
    ],
  );
});

Deno.test("models describe: the parts have all parameters and operations of the whole", () => {
  for (const { name } of classifiers) {
    const size = name.startsWith("torchvision") ? 224 : 32;
    const network = classifier(name).create({ inChannels: 3, numClasses: 10, imageSize: size });
    const stages = describeNetwork(network, [size, size, 3]);
    const { parameters, macs } = summarizeNetwork(network, [size, size, 3]);
    const sum = (of: (stage: Stage) => number) => stages.reduce((total, s) => total + of(s), 0);
    assert.deepEqual([sum((s) => s.parameters), sum((s) => s.macs)], [parameters, macs], name);
    assert.equal(stages.at(-1)!.channels, 10, name);
  }
});

Deno.test("models: mistakes are named", async () => {
  const unknown = await models("resnet43");
  assert.equal(unknown.code, ExitCode.usage);
  assert.match(unknown.stderr, /no model resnet43; did you mean resnet34\?/);
  const nameless = await models("--layers");
  assert.equal(nameless.code, ExitCode.usage);
  assert.match(nameless.stderr, /--layers needs the name of a classifier/);
});

Deno.test("layers: the features are never linear in the logits, the last convolution seldom", () => {
  const constant = classifiers.filter((entry) => {
    const network = create(entry.name);
    const at = (choice: string) =>
      constraintIsConstant(network, resolveLayers(network, [choice], entry.featureLayer)[0], [
        32,
        32,
        3,
      ]);
    assert.equal(at("features"), false, entry.name);
    return at("last");
  });
  const names = constant.map(({ name }) => name);
  assert.deepEqual(names, ["squeezenet", "mobilenetv2"]);
});

Deno.test("layers: patterns stand for paths", () => {
  const network = create("resnet18");
  const chosen = (...choices: string[]) => resolveLayers(network, choices, "conv5_x");
  assert.deepEqual(chosen("conv5_x.*"), ["conv5_x.0", "conv5_x.1"]);
  assert.deepEqual(chosen("conv*_x"), ["conv2_x", "conv3_x", "conv4_x", "conv5_x"]);
  assert.deepEqual(chosen("*.1.residual_function.3").length, 4);
  assert.deepEqual(chosen("conv1.**"), ["conv1.0", "conv1.1", "conv1.2"]);
  assert.deepEqual(chosen("**.shortcut.0", "last").at(-1), "conv5_x.1.residual_function.3");
  assert.equal(
    chosen("conv5_x.**").length,
    [...network.namedModules()].filter(([name]) => name.startsWith("conv5_x.")).length,
  );
  for (const none of ["conv6_x.*", "conv5_x*0", "CONV1.*", "conv1.("]) {
    assert.throws(() => chosen(none), { exitCode: ExitCode.usage });
  }
});
