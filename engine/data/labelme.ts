/**
 * LabelMe's annotations: a JSON file beside each image with the shapes that were drawn on it.
 * Everything that is drawn is figure, but for shapes labelled "background", which take away from
 * those before them: so a hole can be drawn. What is to be ignored is no figure either. LabelMe and
 * its converters write these labels with underscores: _background_, __ignore__.
 *
 * Source: github.com/wkentaro/labelme, labelme/_label_file.py
 */
import { ExitCode, UserError } from "../errors.ts";
import { isTooDeep } from "../io/json_text.ts";
import { LIMITS } from "../io/limits.ts";
import { checkSize, decodePixels } from "../io/image.ts";
import type { Size } from "./dataset.ts";
import {
  bitmap,
  circle,
  nothing,
  type Point,
  polygon,
  rectangle,
  type Shape,
  union,
  without,
} from "./raster.ts";

/** What is figure, in an image of a size. */
export interface Drawing {
  readonly shape: Shape;
  readonly size: Size;
  /** Shapes that were drawn; none where an image was looked at and left. */
  readonly count: number;
  /** What the shapes of the figure are called. */
  readonly labels?: readonly string[];
  /** The picture that was drawn on, as LabelMe's file names it. */
  readonly picture?: string;
}

/** The label of what is neither class nor background, in the folder that `sift` makes. */
export const FIGURE_LABEL = "figure";

/** The label that takes away. */
export const BACKGROUND_LABEL = "background";

/** Whether a label says that a shape is no figure. */
const takesAwayFrom = (label: string): boolean =>
  [BACKGROUND_LABEL, "ignore", "ignored"].includes(label.toLowerCase().replace(/^_+|_+$/g, ""));

/** Shapes by LabelMe's `shape_type`, with the number of points that they need. */
const KINDS: Readonly<Record<string, [points: number, make: (points: Point[]) => Shape]>> = {
  polygon: [3, polygon],
  rectangle: [2, (points) => points.length === 2 ? rectangle(points) : polygon(points)],
  oriented_rectangle: [4, polygon],
  circle: [2, circle],
};

/**
 * Reads an annotation.
 * @param name the file, for messages
 * @throws UserError (data) that names the file, the shape and what is wrong with it
 */
export async function readLabelMe(text: string, name: string): Promise<Drawing> {
  const wrong = (problem: string, hint?: string) =>
    new UserError(`${name}: ${problem}`, ExitCode.data, hint);
  if (isTooDeep(text)) throw wrong("no file of LabelMe: it is nested too deep");
  let file: Record<string, unknown>;
  try {
    file = Object(JSON.parse(text));
  } catch (error) {
    throw wrong(`no JSON: ${(error as Error).message}`, "Save the image again in LabelMe.");
  }
  const { shapes, imageHeight: height, imageWidth: width, imagePath } = file;
  if (!Array.isArray(shapes)) throw wrong("no file of LabelMe: it has no shapes");
  if (!isPositive(height) || !isPositive(width)) {
    throw wrong("it doesn't say how large its image is (imageHeight, imageWidth)");
  }
  checkSize(name, { height, width });
  checkCounts(shapes, wrong);
  // What stands between two changes of mind is one group, in whatever order.
  const groups: { readonly takesAway: boolean; readonly shapes: Shape[] }[] = [];
  const labels: string[] = [];
  let painted = 0;
  for (const [i, of] of shapes.entries()) {
    const { label, shape_type = "polygon" } = Object(of);
    if (typeof label !== "string" || typeof shape_type !== "string") {
      throw wrong(`shape ${i + 1} has no label, or no type`);
    }
    const place = `shape ${i + 1} (${label})`;
    const { shape, pixels } = shape_type === "mask" ? await drawnMask(of, `${name}: ${place}`) : {
      shape: outline(of, shape_type, (problem, hint) => wrong(`${place} ${problem}`, hint)),
      pixels: 0,
    };
    if ((painted += pixels) > LIMITS.pixels) {
      throw wrong(`its masks have more than ${LIMITS.pixels / 1e6} million pixels`);
    }
    const takesAway = takesAwayFrom(label);
    if (!takesAway) labels.push(label);
    if (groups.at(-1)?.takesAway !== takesAway) groups.push({ takesAway, shapes: [] });
    groups.at(-1)!.shapes.push(shape);
  }
  const shape = groups.reduce(
    (all, { takesAway, shapes }) => (takesAway ? without : union)(all, union(...shapes)),
    nothing,
  );
  const picture = typeof imagePath === "string" && imagePath !== "" ? imagePath : undefined;
  return { shape, size: { height, width }, count: shapes.length, labels, picture };
}

/** Each line of a mask goes over all points of all shapes. */
function checkCounts(shapes: readonly unknown[], wrong: (problem: string) => UserError): void {
  if (shapes.length > LIMITS.shapes) {
    throw wrong(`it has ${shapes.length} shapes, more than the ${LIMITS.shapes} allowed`);
  }
  const points = shapes.reduce((sum: number, of) => {
    const { points } = Object(of);
    return sum + (Array.isArray(points) ? points.length : 0);
  }, 0);
  if (points > LIMITS.points) {
    throw wrong(`its shapes have ${points} points, more than the ${LIMITS.points} allowed`);
  }
}

const isPositive = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value > 0;

function outline(
  of: { points?: unknown },
  type: string,
  wrong: (problem: string, hint?: string) => UserError,
): Shape {
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (!kind) {
    throw wrong(
      `is a ${type}, which has no inside`,
      `Draw a ${Object.keys(KINDS).join(", ")} or mask.`,
    );
  }
  const points = pointsOf(of.points);
  if (!points || points.length < kind[0]) {
    throw wrong(`is a ${type} and needs ${kind[0]} points [x, y] or more`);
  }
  return kind[1](points);
}

function pointsOf(value: unknown): Point[] | undefined {
  const isPoint = (point: unknown) =>
    Array.isArray(point) && point.length === 2 && point.every(Number.isFinite);
  return Array.isArray(value) && value.every(isPoint) ? value : undefined;
}

/** A shape painted pixel by pixel: a PNG file in the JSON, and the corners of its place. */
async function drawnMask({ mask, points }: { mask?: unknown; points?: unknown }, name: string) {
  const corners = pointsOf(points);
  if (typeof mask !== "string" || !corners || corners.length < 1) {
    throw new UserError(`${name} is a mask without pixels or place`, ExitCode.data);
  }
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(mask);
  } catch {
    throw new UserError(`${name}: its pixels are no base64`, ExitCode.data);
  }
  const { shape, size } = await pictureShape(bytes, name, corners[0]);
  return { shape, pixels: size.height * size.width };
}

/**
 * A picture as a drawing: every pixel is figure that isn't black (or of the palette's colour 0) or
 * wholly transparent.
 * @throws UserError (data) that names the file and what is wrong with it
 */
export async function pictureShape(
  bytes: Uint8Array,
  name: string,
  corner?: Point,
): Promise<Drawing> {
  const { data, channels, ...size } = await decodePixels(bytes, name);
  const inside = (pixel: number) => {
    const at = pixel * channels;
    const isColoured = (data[at] | data[at + 1] | data[at + 2]) !== 0;
    return isColoured && (channels < 4 || data[at + 3] !== 0);
  };
  return { shape: bitmap(size, inside, corner), size, count: 1 };
}
