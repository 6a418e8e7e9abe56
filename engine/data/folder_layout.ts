/**
 * What the folders in a folder are: classes, or parts (train, val, test) with classes in them. A
 * part holds a folder for each class; so a class may well be called train, if its folder holds
 * images. Where both may be meant, or a part is called by a name that nobody knows, it is an error.
 */
import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { entries, filesUnder } from "./folder_walk.ts";
import { type Notes, some } from "./notes.ts";
import { type Part, partOf } from "./part_names.ts";

/** What the folders are said to be; `auto` is what they look like. */
export const LAYOUTS = ["auto", "classes", "parts"] as const;
export type Layout = typeof LAYOUTS[number];

export interface PartFolder {
  readonly name: string;
  readonly part: Part;
}

const EITHER = "Name the parts train, val and test; or say what the folders are with --layout " +
  "classes or --layout parts.";

/**
 * The folders that are parts, or none where they are classes.
 * @throws UserError (data) where that can't be told
 */
export async function findParts(
  folder: string,
  folders: readonly string[],
  layout: Layout,
  notes: Notes,
): Promise<PartFolder[]> {
  if (layout === "classes") return [];
  const found = new Folders(folder, layout);
  for (const name of folders) found.add(name, (await entries(join(folder, name))).folders);
  if (!found.areParts(notes)) return [];
  found.requireTrain();
  await found.passOverOthers(notes);
  for (const { name, part } of found.named) {
    if (name !== part) notes.guess(`${name} is the ${part} part`, `a folder named ${part}`);
  }
  return found.named;
}

class Folders {
  /** Those that are called as a part is. */
  readonly named: PartFolder[] = [];
  private readonly others: string[] = [];
  /** The folders in each. */
  private readonly inner = new Map<string, readonly string[]>();

  constructor(private readonly folder: string, private readonly layout: Layout) {}

  add(name: string, inner: readonly string[]): void {
    const part = partOf(name);
    if (part) this.named.push({ name, part });
    else this.others.push(name);
    this.inner.set(name, inner);
  }

  areParts(notes: Notes): boolean {
    const { named, others, layout } = this;
    if (named.length === 0) {
      this.refuseUnknownParts();
      return false;
    }
    if (named.some(({ name }) => this.inner.get(name)!.length > 0)) return true;
    if (layout === "auto" && this.kinds.size === 1 && others.length > 0) {
      notes.guess(`${named[0].name} is a class, since it holds images`, "--layout");
      return false;
    }
    throw this.doubt(
      `${this.names} are called as the parts of a data set, but hold no folder for each class`,
      "Put each part's images into a folder for each class, or name files and classes in a table " +
        "(.csv); if these are the classes, say so with --layout classes.",
    );
  }

  /** Folders that hold the same folders may be parts of foreign names. */
  private refuseUnknownParts(): void {
    if (this.layout === "parts") throw this.doubt("it has no folders train and test", EITHER);
    const common = this.others.length < 2 ? [] : shared([...this.inner.values()]);
    if (common.length < 2) return;
    throw this.doubt(
      `the folders ${some(this.others)} all hold folders called ${some(common)}: are they the ` +
        "classes, or parts such as train and test?",
      EITHER,
    );
  }

  requireTrain(): void {
    if (!this.kinds.has("train")) {
      throw this.doubt(`there is ${this.names}, but no folder train`, EITHER);
    }
    const twice = this.named.filter(({ part }) => this.of(part).length > 1);
    if (twice.length === 0) return;
    const names = twice.map(({ name }) => name).join(" and ");
    throw this.doubt(`${names} may be the same part`, "Leave one of them there.");
  }

  /** A folder beside the parts may be another part, by its classes, and so belong to the data. */
  async passOverOthers(notes: Notes): Promise<void> {
    const trained = this.inner.get(this.of("train")[0].name)!;
    for (const name of this.others) {
      const common = shared([trained, this.inner.get(name)!]);
      const isDoubtful = this.kinds.size === 1 || common.length > 0;
      if (this.layout === "auto" && isDoubtful) throw this.further(name, common);
      let count = 0;
      for await (const path of filesUnder(join(this.folder, name), notes)) {
        notes.leaveOut(`files in ${name}, which is no part`, path);
        count++;
      }
      if (count === 0) notes.leaveOut("folders beside the parts", join(this.folder, name));
    }
  }

  private further(name: string, classes: readonly string[]): UserError {
    const what = classes.length > 0
      ? ` and holds classes too (${some(classes)}), but its name says no part`
      : ": is it a class, or does it not belong to the data?";
    return this.doubt(
      `${name} lies beside ${this.names}${what}`,
      `Take it out of the folder, or name it as a part. ${EITHER}`,
    );
  }

  private get kinds(): Set<Part> {
    return new Set(this.named.map(({ part }) => part));
  }

  private get names(): string {
    return some(this.named.map(({ name }) => name));
  }

  private of(part: Part): PartFolder[] {
    return this.named.filter((folder) => folder.part === part);
  }

  private doubt(what: string, hint: string): UserError {
    return new UserError(`${this.folder}: ${what}`, ExitCode.data, hint);
  }
}

/** What all lists hold. */
function shared([first, ...rest]: readonly (readonly string[])[]): string[] {
  return first.filter((name) => rest.every((names) => names.includes(name)));
}
