/** Writes the report of a finished run anew. */

import { defineCommand } from "./framework/command.ts";
import { writeReport } from "./report_file.ts";

export const command = defineCommand({
  name: "report",
  summary: "Write the report of a finished run anew",
  description:
    "treat and diagnose write a report, report.html, into their folder: one file that needs " +
    "neither network nor server. This makes it again from the folder's files, together with the " +
    "studies that lie in folders within it.",
  withoutGpu: true,
  flags: {
    run: {
      type: "string",
      value: "DIR",
      positional: true,
      required: true,
      writes: { what: "folder" },
      help: "the run's folder",
    },
    studies: {
      type: "list",
      of: "string",
      help: "folders of more studies to show",
    },
  },
  examples: [{
    args: "runs/treat-small-shapes --studies runs/study-noise-small-shapes",
    does: "with a study",
  }],
  async run({ run, studies }, { print }) {
    print(`written to ${await writeReport(run, studies)}`);
  },
});
