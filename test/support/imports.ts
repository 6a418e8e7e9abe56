/**
 * Which file imports which, as the source says it: static, type-only and re-exporting imports, and
 * dynamic ones with a literal path.
 */
import { dirname, join, relative } from "node:path";

const ROOT = join(import.meta.dirname!, "../..");

/** What a file imports: other files by their path from the root, everything else as it is written. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

const STATEMENT = /^(?:import|export)\b(?:[^;"'`=]*?\bfrom)?\s*["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']/g;

/** The specifiers in a source text. */
export function specifiersIn(source: string): string[] {
  const code = withoutComments(source);
  return [STATEMENT, DYNAMIC].flatMap((pattern) => [...code.matchAll(pattern)].map((m) => m[1]));
}

/** Comments at a line's beginning or after code; strings with `//` in them, such as URLs, stay. */
const withoutComments = (source: string) =>
  source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");

/** The imports of all TypeScript files in some folders of the repository. */
export function importsOf(...folders: readonly string[]): ImportGraph {
  const files = folders.flatMap((folder) => [...sources(folder)]).sort();
  return new Map(files.map((file) => [file, importsIn(file)]));
}

/** The imports of the files that one can reach from some, themselves included. */
export function importsFrom(...entries: readonly string[]): ImportGraph {
  const graph = new Map<string, string[]>();
  const open = [...entries];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (graph.has(file) || !file.endsWith(".ts")) continue;
    const imports = importsIn(file);
    graph.set(file, imports);
    open.push(...imports);
  }
  return graph;
}

/** The path of a file of the repository. */
export const rootFile = (file: string): string => join(ROOT, file);

/** A source text of the repository without its comments. */
export const codeOf = (file: string): string =>
  withoutComments(Deno.readTextFileSync(rootFile(file)));

function importsIn(file: string): string[] {
  return specifiersIn(codeOf(file)).map((name) =>
    name.startsWith(".") ? relative(ROOT, join(ROOT, dirname(file), name)) : name
  );
}

function* sources(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(ROOT, folder))) {
    const path = join(folder, name);
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

/**
 * The circles: sets of files each of which can be reached from each (Tarjan's strongly connected
 * components), where there is more than one or a file imports itself.
 */
export function circles(graph: ImportGraph): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): number => {
    const own = order.size;
    order.set(file, own);
    stack.push(file);
    let lowest = own;
    for (const next of graph.get(file) ?? []) {
      if (!graph.has(next)) continue;
      if (!order.has(next)) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next)) lowest = Math.min(lowest, order.get(next)!);
    }
    if (lowest === own) {
      const members = stack.splice(stack.indexOf(file)).sort();
      if (members.length > 1 || graph.get(file)!.includes(file)) found.push(members);
    }
    return lowest;
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return found;
}
