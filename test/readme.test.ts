/** What the READMEs say of the repository is so: links, paths, commands and their flags. */

import assert from "node:assert/strict";
import { glob, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { commands } from "../cli/main.ts";
import { flagsOf } from "../cli/framework/command.ts";
import { flagName, givenFlags, parseFlags } from "../cli/framework/flags.ts";

const root = join(import.meta.dirname!, "..");
const { tasks } = JSON.parse(await readFile(join(root, "deno.json"), "utf8"));

interface Readme {
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  /** Its text without fenced programs. */
  readonly prose: string;
}

const readmes: Readme[] = [];
for await (const file of glob("{README.md,*/README.md,*/*/README.md}", { cwd: root })) {
  const text = await readFile(join(root, file), "utf8");
  const prose = text.replace(/^```[^]*?^```/gm, "");
  readmes.push({ path: file, folder: join(root, dirname(file)), text, prose });
}

/** A test for each README. */
function each(what: string, check: (readme: Readme) => void | Promise<void>): void {
  for (const readme of readmes) Deno.test(`${readme.path}: ${what}`, () => check(readme));
}

const exists = (path: string) => stat(path).then(() => true, () => false);
const all = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map(([, found]) => found);

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(prose: string): string[] {
  return all(prose, /^#+ (.*)$/gm)
    .map((title) => title.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-"));
}

Deno.test("there are READMEs in the rooms", () => assert.ok(readmes.length >= 7));

each("every link leads somewhere", async ({ path, folder, prose }) => {
  for (const link of all(prose, /\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(link)) continue;
    const [file, anchor] = link.split("#");
    const target = file ? join(folder, file) : join(root, path);
    assert.ok(await exists(target), `${link}: there is no ${relative(root, target)}`);
    if (!anchor) continue;
    const page = readmes.find((other) => join(root, other.path) === target);
    assert.ok(page && anchors(page.prose).includes(anchor), `${link}: there is no such heading`);
  }
});

each("every file that is named is there", async ({ folder, prose }) => {
  const names = all(prose, /`((?:engine|shaders|models|cli|test)\/[\w./*]+)`/g);
  for (const name of names) {
    let found = false;
    for await (const _ of glob(name, { cwd: root })) found = true;
    assert.ok(found || await exists(join(folder, name)), `there is no ${name}`);
  }
});

/** A command as it is called; `name` is its key in the program's table. */
interface Call {
  readonly name: string;
  readonly args: string[];
}

/** `deno task study noise --layer a` -> study noise, [--layer, a]. Comments and redirections end it. */
function called(line: string): Call {
  const words = line.replace(/\s+(#|>).*/, "").split(/\s+/);
  // ".." stands for what is left out, unless it is the value of a flag.
  const kept = words.filter((word, i) => word !== ".." || words[i - 1]?.startsWith("--"));
  const length = Object.hasOwn(commands, kept.slice(0, 2).join(" ")) ? 2 : 1;
  return { name: kept.slice(0, length).join(" "), args: kept.slice(length) };
}

async function check(line: string, parse: typeof parseFlags | typeof givenFlags): Promise<void> {
  const { name, args } = called(line);
  if (!Object.hasOwn(commands, name)) {
    const family = Object.keys(commands).some((known) => known.startsWith(`${name} `));
    return assert.ok(family || Object.hasOwn(tasks, name), `there is no command ${name}`);
  }
  const { command } = await commands[name]();
  if (args.includes("--help")) return;
  assert.doesNotThrow(() => parse(flagsOf(command), args), `deno task ${line}`);
}

each("every command line is one", async ({ prose }) => {
  for (const line of all(prose, /^ {4}(?:npx -y )?deno task (.*)$/gm)) {
    await check(line, parseFlags);
  }
});

each("every command in a sentence has the flags it is given", async ({ prose }) => {
  const sentences = prose.replace(/^ {4}.*$/gm, "");
  for (const code of all(sentences, /`(?:npx -y )?deno task ([^`]+)`/g)) {
    await check(code, givenFlags);
  }
});

each("every flag that is named belongs to a command", async ({ prose }) => {
  const flags = new Set(["--help"]);
  for (const load of Object.values(commands)) {
    const { command } = await load();
    for (const key of Object.keys(flagsOf(command))) flags.add(flagName(key));
  }
  const sentences = prose.replace(/^ {4}.*$/gm, "");
  for (const flag of all(sentences, /`(--[a-z][\w-]*)[^`]*`/g)) {
    assert.ok(flags.has(flag), `there is no flag ${flag}`);
  }
});
