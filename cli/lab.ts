/** The laboratory: a page to study gradients and kernels on one's own GPU, served or written. */

import { fileError, makeFolder } from "../engine/io/files.ts";
import { defineCommand } from "./framework/command.ts";
import { flagTable } from "./framework/flags.ts";
import { bundle, writeBundle } from "./lab/bundle.ts";
import { openInBrowser } from "./lab/open.ts";
import { serve } from "./lab/serve.ts";

const served = {
  otherwise: "with --out",
  holds: ({ out }: Readonly<Record<string, unknown>>) => out === undefined,
};

const flags = flagTable({
  port: {
    type: "integer",
    min: 0,
    max: 65535,
    default: 8787,
    need: served,
    help: "where it is served; 0 takes a free one",
  },
  open: { type: "boolean", need: served, help: "open it in the browser" },
  out: {
    type: "string",
    value: "DIR",
    help: "write the page there as files for any web server, and serve nothing",
    writes: { what: "folder" },
  },
});

export const command = defineCommand({
  name: "lab",
  summary: "Open the laboratory: gradients and kernels to study, in a browser",
  description:
    "Chapters with text, formulas and figures to handle. What they show is computed by this engine " +
    "in the browser: its graphs, plans and kernels on the reader's GPU, beside float64. Without " +
    "WebGPU float64 is left, and the page says which browsers have it. The page is bundled anew " +
    "whenever it is loaded, so an edited shader or chapter is seen at once. Nothing leaves the " +
    "machine: the server listens on 127.0.0.1 alone.",
  flags,
  withoutGpu: true,
  examples: [
    { args: "--open", does: "serve it and open it in the browser" },
    { args: "--out site", does: "files for a web server" },
  ],
  async run({ port, open, out }, context) {
    if (out !== undefined) {
      const files = await bundle();
      await makeFolder(out);
      await writeBundle(files, out).catch((error) => {
        throw fileError("write", out, error);
      });
      context.print(`${files.size} files written to ${out}: any web server serves them`);
      return;
    }
    const server = serve(port);
    context.print(`the laboratory is at ${server.address} (Ctrl-C ends it)`);
    if (open) await openInBrowser(server.address);
    await server.finished;
  },
});
