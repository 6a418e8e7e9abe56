/**
 * The faces and steps that were timed here, in PyTorch on the same GPU: cli/bench/pytorch.py, where
 * python3 has torch with CUDA. Its treat step is the formulation of the method's authors, a double
 * backward through `autograd.grad(create_graph=True)`.
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Certificate, type Finding, partsOf } from "../../engine/certify/certificate.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { writeFileAtomic } from "../../engine/io/files.ts";
import { compareWith, readReport } from "../bench/compare.ts";
import type { Result, WorkSpec } from "../bench/result.ts";
import { NotHere, type Part, type Session } from "./part.ts";

const PYTHON = "python3";
const SCRIPT = fileURLToPath(new URL("../bench/pytorch.py", import.meta.url));
const SETTINGS = ["--device", "cuda", "--rounds", "3", "--window", "100"];
const PROBE = "import torch; print(torch.cuda.get_device_name())";
const CLASSES = 10;
/** How many times as long PyTorch takes, with float32 as strict as here; less is worth a remark. */
const EXPECTED: Readonly<Record<string, number>> = { "plain step": 1, "treat step": 2 };
const isStrict = (engine: string) => /pytorch.*strict/i.test(engine);

export const pytorchPart: Part = {
  name: "pytorch",
  needs: 120,
  async run({ certificate, gpu, signal, width }: Session): Promise<Finding<"pytorch">> {
    const ours = worksOf(certificate, width);
    if (ours.length === 0) {
      throw new NotHere("no faces were timed, nor steps at width 1, to set beside it");
    }
    const adapter = await gpuOfPyTorch(signal);
    const folder = await Deno.makeTempDir({ prefix: "certify" });
    try {
      const [asked, answered] = ["ours.json", "pytorch.json"].map((name) => join(folder, name));
      await writeFileAtomic(asked, JSON.stringify({ results: ours }));
      const { success, stdout, stderr } = await python([SCRIPT, asked, ...SETTINGS], signal);
      if (!success) {
        throw new UserError(
          `PyTorch ended early: ${lastLine(stderr)}`,
          ExitCode.failure,
          `${PYTHON} ${SCRIPT} does the same by itself`,
        );
      }
      await writeFileAtomic(answered, stdout);
      const { pairs, means } = compareWith({ results: ours }, await readReport(answered));
      return {
        ...{ kind: "pytorch", adapter, wrong: [] },
        pairs: pairs.map(({ own, other }) => ({
          ...{ group: own.group, name: own.name, engine: other.engine },
          ...{ ms: 1000 * own.seconds, theirMs: 1000 * other.seconds },
        })),
        remarkable: gpu.isCpu ? [] : means
          .filter(({ group, engine, ratio }) => isStrict(engine) && ratio < EXPECTED[group])
          .map(({ group, engine, ratio }) =>
            `${group}, over ${engine}: ${ratio.toFixed(2)} times as fast, and ${EXPECTED[group]} ` +
            "are expected"
          ),
      };
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

/** @throws NotHere where there is no Python, no torch, or no GPU for it */
async function gpuOfPyTorch(signal: AbortSignal): Promise<string> {
  let probed;
  try {
    probed = await python(["-c", PROBE], signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new NotHere(`there is no ${PYTHON}`);
  }
  if (probed.success) return probed.stdout.trim();
  throw new NotHere(`${PYTHON} has no torch with a GPU: ${lastLine(probed.stderr)}`);
}

async function python(args: readonly string[], signal: AbortSignal) {
  const command = new Deno.Command(PYTHON, { args: [...args], stdin: "null", signal });
  const { success, stdout, stderr } = await command.output();
  signal.throwIfAborted();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) || "it says nothing";

const STAGES: Readonly<Record<string, string>> = {
  train: "plain step",
  treat: "treat step",
  eval: "evaluation",
};

/** What was timed here, as the script reads it; its networks come in one width only. */
function worksOf(certificate: Pick<Certificate, "parts">, width: number): Result[] {
  const faces = partsOf(certificate, "faces").flatMap(({ faces }) =>
    faces.map(({ name, face, ms, flops, work }): Result => {
      const seconds = ms / 1000;
      const spec = work as unknown as WorkSpec;
      return {
        ...{ group: `convolution: ${face}`, name, work: spec, engine: "this engine" },
        ...{ seconds, rounds: [seconds], flops },
      };
    })
  );
  const steps = partsOf(certificate, "steps").flatMap(({ model, batch, stages }) =>
    stages.map(({ stage, ms }): Result => {
      const common = { model, batch, classes: CLASSES };
      const work: WorkSpec = stage === "eval"
        ? { kind: "evaluation", ...common }
        : { kind: "step", ...common, treat: stage === "treat" };
      const seconds = ms / 1000;
      return {
        ...{ group: STAGES[stage], name: `${model}, batch ${batch}`, work, engine: "this engine" },
        ...{ seconds, rounds: [seconds] },
      };
    })
  );
  const distinct = new Map(faces.map((face) => [face.name, face]));
  return [...distinct.values(), ...width === 1 ? steps : []];
}
