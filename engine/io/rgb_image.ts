/** Decoded images. */

/** Height and width in pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/** An image of bytes (H, W, 3): red, green, blue. */
export interface RgbImage extends ImageSize {
  readonly data: Uint8Array<ArrayBuffer>;
}
