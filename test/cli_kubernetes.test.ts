/** Cells by an Indexed Job: its manifest against Kubernetes' schema, and its command run by hand. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { Job } from "kubernetes-models/batch/v1";
import { parse } from "yaml";
import { isLabel, isLimit, isNodeLabel, isSubdomain } from "../engine/cluster/kubernetes/names.ts";
import { ExitCode } from "../engine/errors.ts";
import { fail, pathWithDeno, succeed, writeMnist } from "./support/cli.ts";
import { inFolder, namesIn } from "./support/io.ts";
import { contentsOf } from "./support/run_contents.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** Where the image has the program. */
const IN_IMAGE = /^COPY \. (\S+)$/m.exec(await Deno.readTextFile(join(ROOT, "Containerfile")))![1];

/** The manifest that a command says it has written. */
async function manifestIn(printed: string): Promise<Job> {
  const path = /^ {2}kubectl apply -f (.*)$/m.exec(printed)![1];
  const manifest = new Job(parse(await Deno.readTextFile(path)));
  manifest.validate();
  return manifest;
}

/** Does what the pod of an index does, by the command that the manifest has for it. */
async function pod(manifest: Job, index: number): Promise<void> {
  const { command: [program, ...args], workingDir: cwd } = manifest.spec!.template.spec!
    .containers[0] as { command: string[]; workingDir: string };
  const { code, stderr } = await new Deno.Command(program, {
    args: args.map((text) => text.replace(`${IN_IMAGE}/`, ROOT)),
    ...{ cwd, env: { JOB_COMPLETION_INDEX: `${index}`, PATH: pathWithDeno() } },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

Deno.test("table --on kubernetes: a manifest that Kubernetes takes, whose command does its cell", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const out = join(root, "a table");
    const table = (...more: string[]) => [
      ...["table", "--batch", "32", "--epochs", "1", "--treat-epochs", "1", "--measures", "none"],
      ...["--arms", "control,treated", "--seeds", "1", "--limit", "60", "--test-limit", "60"],
      ...more,
    ];
    // One of the two is made by a formula; the folder is the other's.
    const data = ["--data", "mnist,shapes", "--data-dir", root];
    const run = (...more: string[]) =>
      succeed(...table(...data, "--out", out, "--on", "kubernetes", ...more));
    const claim = ["--claim", "lab"];
    const asked = ["--limits", "nvidia.com/gpu=1,memory=16Gi", "--nodes", "gpu=h100"];
    const shown = await run(
      ...claim,
      ...asked,
      "--dry-run",
      "--jobs",
      "1",
      "--namespace",
      "vision",
    );
    assert.deepEqual(namesIn(root).filter((name) => !name.endsWith(".gz")), [], "nothing is made");
    const job = new Job(parse(shown));
    job.validate();
    assert.equal(job.metadata!.namespace, "vision");
    const { template, ...spec } = job.spec!;
    assert.deepEqual([spec.completions, spec.parallelism, spec.backoffLimitPerIndex], [2, 1, 2]);
    // What is wrong for good is not tried again; one cell's data, or its loss, is no other's.
    assert.deepEqual(
      spec.podFailurePolicy!.rules.slice(1).map((
        { action, onExitCodes: of },
      ) => [action, of!.values]),
      [["FailJob", [2]], ["FailIndex", [4, 5, 6, 8]]],
    );
    const { nodeSelector, containers: [container] } = template.spec!;
    assert.deepEqual(nodeSelector, { gpu: "h100" });
    assert.deepEqual(container.resources!.limits, { "nvidia.com/gpu": "1", memory: "16Gi" });
    assert.deepEqual(container.volumeMounts, [{
      name: "shared",
      mountPath: await Deno.realPath(root),
    }]);
    const wrong = new Job(parse(shown.replace("completions: 2", "completions: two")));
    assert.throws(() => wrong.validate(), /completions must be integer/);

    const written = await run(...claim);
    const manifest = await manifestIn(written);
    assert.equal(manifest.metadata!.name, job.metadata!.name);
    await pod(manifest, 1);
    const told = await run("--status", ...claim);
    assert.match(told, /^2 cells: 1 finished, 0 begun, 1 not begun$/m);

    const here = join(root, "here");
    await succeed(...table("--data", "shapes", "--out", here));
    const results = await Promise.all([out, here].map(async (folder) => {
      const [{ name }] = [...Deno.readDirSync(join(folder, "cells"))];
      const result = JSON.parse(
        await Deno.readTextFile(join(folder, "cells", name, "result.json")),
      );
      return { name, models: result.models, contrasts: result.contrasts };
    }));
    assert.deepEqual(results[0], results[1]);
  }));

Deno.test("table --on kubernetes: what the pods would not have, and flags that are wrong", () =>
  inFolder(async (root) => {
    const wrong = (message: RegExp, ...flags: string[]) =>
      fail(ExitCode.usage, message, "table", "--out", join(root, "x", "table"), ...flags);
    const on = ["--on", "kubernetes"];
    await wrong(/--on kubernetes needs --claim/, ...on);
    await wrong(
      /--limits is a list of resource=amount, .*; "gpu" is not one/,
      ...on,
      "--claim",
      "a",
      "--limits",
      "gpu",
    );
    await wrong(/--claim has no effect without --on kubernetes/, "--on", "slurm", "--claim", "a");
    await Deno.mkdir(join(root, "y"));
    const elsewhere = [...on, "--claim", "a", "--mount", join(root, "y")];
    await wrong(/x\/table: it does not lie in .*\/y, where they have the claim/, ...elsewhere);
    const data = ["--data", "mnist", "--dry-run", "--data-dir", Deno.cwd()];
    await wrong(/^error: the pods have no .*: it does not lie in /, ...on, "--claim", "a", ...data);
    // A link out of the claim leads nowhere in the pods.
    await Deno.symlink(Deno.cwd(), join(root, "x", "data"));
    const linked = ["--data", "mnist", "--dry-run", "--data-dir", join(root, "x", "data")];
    await wrong(
      /^error: the pods have no .*\/x\/data: it is .*, which does not lie in /,
      ...[...on, "--claim", "a", ...linked],
    );
    await wrong(/^error: --claim is a name in small letters/, ...on, "--claim", "Lab_data");
  }));

Deno.test("what Kubernetes takes for names and amounts", () => {
  const each = <T>(is: (of: T) => boolean, right: readonly T[], wrong: readonly T[]) => {
    for (const of of right) assert.ok(is(of), `${of}`);
    for (const of of wrong) assert.ok(!is(of), `${of}`);
  };
  const long = "x".repeat(64);
  each(isSubdomain, ["lab", "lab-1.data", long], [
    "Lab",
    "lab_data",
    "-lab",
    "a..b",
    "",
    long.repeat(4),
  ]);
  each(isLabel, ["lab-1"], ["lab.data", "LAB", "1-", long]);
  each(
    isLimit,
    [["memory", "16Gi"], ["cpu", "500m"], ["cpu", "0.5"], ["memory", "1e9"], ["amd.com/gpu", "1"]],
    [
      ...[["memory", "16GB"], ["cpu", "-1"], ["cpu", ""], ["gpu", "1"], ["/gpu", "1"]] as const,
      ...[["amd.com/gpu", "0.5"], ["amd.com/gpu", "1Gi"]] as const,
    ],
  );
  each(
    isNodeLabel,
    [["gpu", "h100"], ["nvidia.com/gpu.product", "H100_80GB"], ["spot", ""]],
    [["a/b/c", "1"], ["gpu", "h 100"], ["gpu", "-"], ["", "1"]],
  );
});

Deno.test("study sweep --on kubernetes: pods that come in any order make what one process makes", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const [out, here] = [join(root, "a sweep"), join(root, "here")];
    const sweep = (...more: string[]) =>
      succeed(
        ...["study", "sweep", "--data", "mnist", "--data-dir", root, "--batch", "32", "--width"],
        ...["0.25", "--epochs", "1", "--treat-epochs", "1", "--alpha", "0.5,2", ...more],
      );
    const on = ["--out", out, "--on", "kubernetes", "--claim", "lab"];
    const shown = await sweep(...on, "--dry-run");
    await assert.rejects(Deno.stat(out), Deno.errors.NotFound, "nothing is made");
    const job = new Job(parse(shown.slice(shown.indexOf("# 3 cells, an index each."))));
    job.validate();
    assert.equal(job.spec!.completions, 3, "what the seed begins with, and two combinations");

    const manifest = await manifestIn(await sweep(...on));
    assert.equal(manifest.metadata!.name, job.metadata!.name);
    // The last trains what it begins with; the others find that, or wait for it.
    await Promise.all([2, 1].map((index) => pod(manifest, index)));
    assert.match(await sweep(...on, "--status"), /^3 cells: 3 finished, 0 begun, 0 not begun$/m);
    await pod(manifest, 0);
    await sweep("--out", here);
    const [one, other] = await Promise.all([here, out].map(contentsOf));
    other.delete(`kubernetes/${manifest.metadata!.name}.yaml`);
    assert.deepEqual(other, one);
  }));
