/** What commands write stays in their folders, whatever a table calls its images; nothing is lost. */
import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { encodePng } from "../engine/io/image.ts";
import { fail, succeed } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";

/** Names by which a table may call a picture, from the folder csv/fold. */
const NAMES = [
  ...["../../photos/a.png", "../../photos/deep/b.png", "../beside.png", "plain.png", "page.html"],
  ...["../../photos/c", "sub/../d.png", "./e.png", "..f.png"],
];

/** The files under a folder, with what is in them and when they were written. */
async function contents(root: string, folder = root): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) { for (const entry of await contents(root, path)) found.set(...entry); }
    else {
      const { mtime, size } = await Deno.stat(path);
      found.set(relative(root, path), `${mtime?.getTime()} ${size}`);
    }
  }
  return found;
}

Deno.test("every command leaves what lies outside of its folder as it is", () =>
  inFolder(async (root) => {
    const fold = join(root, "csv/fold");
    const lines = ["file,label"];
    for (let i = 0; i < 24; i++) {
      const name = i < NAMES.length ? NAMES[i] : `${i}.png`;
      const path = join(fold, name);
      await Deno.mkdir(join(fold, "sub"), { recursive: true });
      await Deno.mkdir(join(path, ".."), { recursive: true });
      const data = Uint8Array.from({ length: 768 }, (_, at) => (i % 2 ? 200 : 40) + (at * i) % 50);
      await Deno.writeFile(path, encodePng({ height: 16, width: 16, channels: 3, data }));
      lines.push(`${name},${"ab"[i % 2]}`);
    }
    const absolute = join(root, "photos", "absolute.png");
    await Deno.copyFile(join(fold, "plain.png"), absolute);
    lines.push(`${absolute},b`, `${absolute.replace("absolute", "./../photos/absolute")},b`);
    await Deno.writeTextFile(join(fold, "labels.csv"), lines.join("\n"));
    const before = await contents(root);
    const data = ["--data", "folder", "--data-dir", fold, "--outside", "--batch", "8"];
    const out = (name: string) => ["--out", join(root, "out", name)];

    await fail(ExitCode.data, /leads out of|is absolute/, "train", ...data.slice(0, 4));
    await succeed("train", ...data, "--epochs", "1", ...out("train"));
    const weights = ["--weights", join(root, "out/train/model.safetensors")];
    await succeed("eval", ...data, ...weights);
    const commands: Record<string, string[]> = {
      sift: ["sift", ...data, ...weights, "--images-per-class", "9"],
      diagnose: ["diagnose", ...data, ...weights],
      treat: [
        ...["treat", ...data, ...weights, "--treat-epochs", "1", "--measures", "none"],
        ...["--arms", "control,treated"],
      ],
      noise: ["study", "noise", ...data, ...weights, "--levels", "1", "--draws", "1"],
    };
    for (const [name, args] of Object.entries(commands)) await succeed(...args, ...out(name));
    await succeed("report", join(root, "out/treat"));

    const after = await contents(root);
    for (const path of after.keys()) {
      if (!path.startsWith(`out${path.includes("\\") ? "\\" : "/"}`)) {
        assert.equal(after.get(path), before.get(path), path);
      }
    }
    const { images } = JSON.parse(await Deno.readTextFile(join(root, "out/sift/manifest.json")));
    assert(images.length > 10);
    for (const { file } of images) {
      assert.match(file, /^images\/.*\.png$/);
      assert(after.has(`out/sift/${file}`), file);
    }
    // One rule for all: a folder that holds something is not written into.
    for (const [name, args] of Object.entries(commands)) {
      await fail(ExitCode.io, /is not empty: it holds/, ...args, ...out(name));
    }
    await fail(ExitCode.io, /holds a run, and no table/, "table", ...out("treat"));
    assert.deepEqual(await contents(root), after);
  }));
