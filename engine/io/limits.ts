/**
 * What files may ask for at most. A file of a few bytes can claim any size, so each reader holds
 * the claim against these limits before anything is allocated or inflated for it. They lie well
 * above what real files need, and what exceeds one is refused with the file's name.
 */

const MiB = 2 ** 20;
const GiB = 2 ** 30;

export const LIMITS = {
  /** Bytes of any file that is read whole. */
  file: 4 * GiB,
  /** Bytes of a file of text: JSON, tables. */
  text: 64 * MiB,
  /** Bytes of what says a sample's class in an archive. */
  sampleText: MiB,
  /** Bytes of a file with an image. */
  imageFile: 256 * MiB,

  /** Pixels of an image, and pixels along a side (as of JPEG's own 16 bits). */
  pixels: 50_000_000,
  side: 65_535,
  /** Bytes that are held while an image is decoded. */
  decoding: 448 * MiB,
  /** Scans of a progressive JPEG (ten are usual), and pixels of all of them: each goes over all. */
  scans: 1_000,
  scannedPixels: 1_000_000_000,

  /** Bytes that a compressed data set or array may unfold to. */
  unfolded: 2 * GiB - 1,
  /** The header of a safetensors file: some hundred bytes a tensor. */
  safetensorsHeader: 2 * MiB,
  /** Instructions of a pickle, and calls count as many as their arguments have elements. */
  pickleSteps: 500_000,

  /** Shapes in an annotation, and points of all of them. */
  shapes: 1_000,
  points: 20_000,
} as const;

/** How many times its own size a file of weights may unfold to: weights hardly compress. */
export const WEIGHTS_EXPANSION = 8;
export const weightsExpansion = (bytes: number): number => WEIGHTS_EXPANSION * bytes + MiB;

/** Bytes that compressed data may unfold to: images compress to a tenth, empty ones to less. */
export const dataExpansion = (bytes: number): number =>
  Math.min(LIMITS.unfolded, 100 * bytes + 16 * MiB);
