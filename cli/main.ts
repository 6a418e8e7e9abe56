/** The command line of Model Doctor: `deno run -A cli/main.ts <command> [flags]`. */
import { type Commands, main } from "./framework/program.ts";

/** A literal path each, so that only the command that is asked for is loaded. */
export const commands: Commands = {
  treat: () => import("./treat.ts"),
  train: () => import("./train.ts"),
  diagnose: () => import("./diagnose.ts"),
  eval: () => import("./eval.ts"),
  predict: () => import("./predict.ts"),
  sift: () => import("./sift.ts"),
  "study correlation": () => import("./study/correlation.ts"),
  "study noise": () => import("./study/noise.ts"),
  "study findings": () => import("./study/findings.ts"),
  "study sweep": () => import("./study/sweep.ts"),
  table: () => import("./table.ts"),
  report: () => import("./report.ts"),
  models: () => import("./models.ts"),
  "models describe": () => import("./models/describe.ts"),
  verify: () => import("./verify.ts"),
  plan: () => import("./plan.ts"),
  tune: () => import("./tune.ts"),
  profile: () => import("./profile.ts"),
  bench: () => import("./bench.ts"),
  certify: () => import("./certify.ts"),
  gradcheck: () => import("./gradcheck.ts"),
  "kernel list": () => import("./kernel/list.ts"),
  "kernel show": () => import("./kernel/show.ts"),
  "kernel run": () => import("./kernel/run.ts"),
  "kernel try": () => import("./kernel/try.ts"),
  "kernel ladder": () => import("./kernel/ladder.ts"),
  graph: () => import("./graph.ts"),
  lab: () => import("./lab.ts"),
  info: () => import("./info.ts"),
  setup: () => import("./setup.ts"),
};

if (import.meta.main) await main(commands, Deno.args);
