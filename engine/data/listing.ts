/** The images that were found in a folder or in archives, before they are parts of a data set. */
import type { FilePart } from "../io/file_part.ts";
import { MadeList, Texts } from "./list.ts";
import type { Part } from "./part_names.ts";

/** An image that was found. */
export interface Listed extends FilePart {
  /** The class's name. */
  readonly label: string;
  /** undefined where the folder doesn't tell parts apart. */
  readonly part?: Part;
}

/** May hold millions; see list.ts. */
export class Listing extends MadeList<Listed> {
  private readonly paths = new Texts();
  private readonly archives: string[] = [];
  private readonly offsets: number[] = [];
  private readonly bytes: number[] = [];
  /** Of each image; equal ones are one string. */
  readonly labels: string[] = [];
  readonly parts: (Part | undefined)[] = [];
  private readonly known = new Map<string, string>();

  static of(images: Iterable<Listed>): Listing {
    const listing = new Listing();
    for (const image of images) listing.add(image);
    return listing;
  }

  get length() {
    return this.labels.length;
  }

  add({ path, label, part, within }: Listed): void {
    const index = this.length;
    this.paths.push(path);
    this.labels.push(this.shared(label));
    this.parts.push(part);
    if (!within) return;
    this.archives[index] = this.shared(within.archive);
    this.offsets[index] = within.offset;
    this.bytes[index] = within.bytes;
  }

  /** Calls classes otherwise: by their names until now. */
  rename(called: ReadonlyMap<string, string>): void {
    for (const [i, label] of this.labels.entries()) this.labels[i] = called.get(label)!;
  }

  protected make(index: number): Listed {
    const [archive, path] = [this.archives[index], this.paths.at(index)!];
    const within = archive === undefined
      ? undefined
      : { archive, offset: this.offsets[index], bytes: this.bytes[index] };
    return { path, label: this.labels[index], part: this.parts[index], within };
  }

  private shared(text: string): string {
    const known = this.known.get(text);
    if (known === undefined) this.known.set(text, text);
    return known ?? text;
  }
}
