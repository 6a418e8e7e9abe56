/**
 * Which image a mask belongs to: the one whose whole name it bears, or the end of whose name from
 * some folder on (17 or cat/17 for train/cat/17), if that is one alone. LabelMe's files say besides
 * on which picture they were drawn; it decides between several, and may not be another image.
 */
import { basename, extname } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { isImage } from "./folder_walk.ts";

/** An image's place in a set. */
export interface Place {
  readonly split: string;
  readonly index: number;
  readonly name: string;
}

export class ImageNames {
  /** Places by whole name and by each end of it. */
  private readonly whole = new Map<string, Place>();
  private readonly ends = new Map<string, Place[]>();

  /** @param names of each split's images */
  constructor(splits: Readonly<Record<string, Iterable<string> | undefined>>) {
    for (const [split, names = []] of Object.entries(splits)) {
      let index = 0;
      for (const name of names) this.add({ split, index: index++, name });
    }
  }

  private add(place: Place): void {
    this.whole.set(place.name, place);
    // Where two images differ in their endings alone, these are a part of their names.
    const names = isImage(place.name) ? [place.name, withoutEnding(place.name)] : [place.name];
    for (const name of names) {
      for (const end of endsOf(name)) {
        const places = this.ends.get(end);
        if (places) places.push(place);
        else this.ends.set(end, [place]);
      }
    }
  }

  /**
   * The image that a mask is of, or undefined where none is called so.
   * @param path the mask's file, for messages
   * @param name that of the mask, in its folder
   * @param picture the file that it was drawn on, where the mask says so
   * @throws UserError (data) where several images may be meant, or the picture is another image
   */
  find(path: string, name: string, picture: string | undefined): Place | undefined {
    const exact = this.whole.get(name);
    const named = exact ? [exact] : this.ends.get(name) ?? [];
    const drawnOn = picture === undefined ? undefined : this.ofPicture(picture);
    const both = drawnOn ? named.filter((place) => drawnOn.includes(place)) : named;
    if (both.length === 1 || named.length === 0) return both[0];
    const names = named.map((place) => place.name);
    if (both.length > 1) {
      throw new UserError(
        `${path}: it may be the mask of ${names.slice(0, 3).join(" or ")}`,
        ExitCode.data,
        "Give it the whole name of its image, with its folders.",
      );
    }
    throw new UserError(
      `${path}: by its name it is the mask of ${names[0]}, but it was drawn on ${picture}`,
      ExitCode.data,
      "Rename it as its image, or open its image in LabelMe and save it anew.",
    );
  }

  /** The images that a picture may be, by as much of its path as is known here. */
  private ofPicture(picture: string): readonly Place[] | undefined {
    for (const end of endsOf(picture.replaceAll("\\", "/"))) {
      const places = this.ends.get(end) ?? this.ends.get(withoutEnding(end));
      if (places) return places;
    }
    return undefined;
  }
}

/** "a/b/c", "b/c" and "c" of "a/b/c" */
function endsOf(name: string): string[] {
  const parts = name.split("/");
  return parts.map((_, i) => parts.slice(i).join("/"));
}

const withoutEnding = (name: string): string =>
  name.slice(0, name.length - extname(basename(name)).length);
