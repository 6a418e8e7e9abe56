/**
 * Images that stay in their files until a batch wants them: decoded by workers, resized to one
 * size, and kept decoded as far as memory allows, so that a small folder is decoded once.
 */
import type { FilePart } from "../io/file_part.ts";
import { decode } from "./decoders.ts";
import type { ImageSource, Size } from "./dataset.ts";
import type { ResizeMode } from "./fit.ts";
import { type List, picked } from "./list.ts";

/** What decoded images of a set may take of the memory that is free, and at most (bytes). */
const KEPT_SHARE = 0.25;
const KEPT_MOST = 4 * 2 ** 30;

/** Of a set that is so many times as large as that nothing is kept: it would seldom be asked for. */
const TOO_LARGE = 4;

/** Decoded images by path, until no more may be kept. */
class Kept {
  private readonly images = new Map<string, Uint8Array>();
  private left: number;

  /** @param whole bytes of all images of the set */
  constructor(whole: number) {
    const room = Math.min(KEPT_MOST, KEPT_SHARE * Deno.systemMemoryInfo().available);
    this.left = whole > TOO_LARGE * room ? 0 : room;
  }

  get(path: string): Uint8Array | undefined {
    return this.images.get(path);
  }

  add(path: string, image: Uint8Array): void {
    if (image.length > this.left || this.images.has(path)) return;
    this.left -= image.length;
    this.images.set(path, image);
  }
}

/** An image's file, or where it lies in one. */
export interface ImageFile extends FilePart {
  /** Of the upright image in it; absent where nobody has looked. */
  readonly size?: Size;
}

export class ImageFiles implements ImageSource {
  /** Bytes of an image. */
  private readonly imageBytes: number;
  private readonly kept: Kept;

  /**
   * @param size to which an image of another size is resized
   * @param mode how
   */
  constructor(
    readonly files: List<ImageFile>,
    readonly size: Size,
    readonly mode: ResizeMode = "stretch",
    kept?: Kept,
  ) {
    this.imageBytes = 3 * size.height * size.width;
    this.kept = kept ?? new Kept(files.length * this.imageBytes);
  }

  get archives(): Uint32Array | undefined {
    const numbers = new Map<string, number>();
    const found: number[] = [];
    for (const { within } of this.files) {
      if (!within) return undefined;
      const known = numbers.get(within.archive) ?? numbers.size;
      numbers.set(within.archive, known);
      found.push(known);
    }
    return Uint32Array.from(found);
  }

  subset(indices: Uint32Array): ImageFiles {
    return new ImageFiles(picked(this.files, indices), this.size, this.mode, this.kept);
  }

  /**
   * The images at `indices`, one after the other: (n, H, W, 3).
   * @throws UserError (data) that names the file and what is wrong with it
   */
  async read(indices: Uint32Array): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(indices.length * this.imageBytes);
    await Promise.all(Array.from(indices, async (index, i) => {
      out.set(await this.image(this.files.at(index)!), i * this.imageBytes);
    }));
    return out;
  }

  private async image({ path, within }: ImageFile): Promise<Uint8Array> {
    let image = this.kept.get(path);
    if (!image) {
      image = await decode({ path, within }, this.size, this.mode);
      this.kept.add(path, image);
    }
    return image;
  }
}
