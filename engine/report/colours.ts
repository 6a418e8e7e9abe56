/**
 * Colour maps: equal steps of a value look like equal steps, and a greater value stands out more
 * from the paper, be it light or dark. Colours are mixed as lightness, chroma and hue in Oklab.
 *
 * Source: Björn Ottosson, "A perceptual color space for image processing", bottosson.github.io.
 */

export type Rgb = readonly [red: number, green: number, blue: number];
export type Scheme = "light" | "dark";

/** @param hue in degrees @returns 0 .. 255 each */
export function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const angle = hue * Math.PI / 180;
  const [a, b] = [chroma * Math.cos(angle), chroma * Math.sin(angle)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const [red, green, blue] = linear.map((x) => {
    const within = Math.min(Math.max(x, 0), 1);
    const encoded = within <= 0.0031308 ? 12.92 * within : 1.055 * within ** (1 / 2.4) - 0.055;
    return Math.round(255 * encoded);
  });
  return [red, green, blue];
}

/** A value in 0 .. 1 beside a threshold: grey up to it, blue above, so that it shows at once. */
export function shareColour(value: number, threshold: number, scheme: Scheme): Rgb {
  const above = value > threshold;
  const [low, high] = above ? [threshold, 1] : [0, threshold];
  const share = high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) : 0;
  if (!above) return oklch(scheme === "light" ? 0.97 - 0.1 * share : 0.26 + 0.1 * share, 0, 0);
  return scheme === "light"
    ? oklch(0.76 - 0.44 * share, 0.09 + 0.07 * share, 250 + 20 * share)
    : oklch(0.5 + 0.42 * share, 0.14 - 0.06 * share, 255 - 30 * share);
}

/** How strong a gradient is, from red to bright yellow. */
export const heatColour = (share: number): Rgb =>
  oklch(0.55 + 0.37 * share, 0.19 - 0.02 * share, 30 + 75 * share);

export const hex = (rgb: Rgb): string =>
  `#${rgb.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
