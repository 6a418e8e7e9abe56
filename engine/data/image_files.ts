/**
 * Images that stay in their files until a batch wants them: decoded by workers, resized to one
 * size, and kept decoded as far as memory allows, so that a small folder is decoded once.
 */
import { decode } from "./decoders.ts";
import type { ImageSource, Size } from "./dataset.ts";

/** What decoded images of a set may take of the memory that is free, and at most (bytes). */
const KEPT_SHARE = 0.25;
const KEPT_MOST = 4 * 2 ** 30;

/** Decoded images by path, until no more may be kept. */
class Kept {
  private readonly images = new Map<string, Uint8Array>();
  private left = Math.min(KEPT_MOST, KEPT_SHARE * Deno.systemMemoryInfo().available);

  get(path: string): Uint8Array | undefined {
    return this.images.get(path);
  }

  add(path: string, image: Uint8Array): void {
    if (image.length > this.left || this.images.has(path)) return;
    this.left -= image.length;
    this.images.set(path, image);
  }
}

export class ImageFiles implements ImageSource {
  /** Bytes of an image. */
  private readonly imageBytes: number;

  /**
   * @param paths a file each, PNG or JPEG
   * @param size to which an image of another size is resized, without regard to its proportions
   */
  constructor(
    readonly paths: readonly string[],
    readonly size: Size,
    private readonly kept = new Kept(),
  ) {
    this.imageBytes = 3 * size.height * size.width;
  }

  subset(indices: Uint32Array): ImageFiles {
    return new ImageFiles(Array.from(indices, (i) => this.paths[i]), this.size, this.kept);
  }

  /**
   * The images at `indices`, one after the other: (n, H, W, 3).
   * @throws UserError (data) that names the file and what is wrong with it
   */
  async read(indices: Uint32Array): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(indices.length * this.imageBytes);
    await Promise.all(Array.from(indices, async (index, i) => {
      out.set(await this.image(this.paths[index]), i * this.imageBytes);
    }));
    return out;
  }

  private async image(path: string): Promise<Uint8Array> {
    let image = this.kept.get(path);
    if (!image) {
      image = await decode(path, this.size);
      this.kept.add(path, image);
    }
    return image;
  }
}
