/// <reference lib="dom" />
/** The reader's own network and images: read in the browser, where they stay. */

import { html, type TemplateResult } from "lit-html";
import { ExitCode, UserError } from "../../../../engine/errors.ts";
import { decodeSafetensors } from "../../../../engine/io/safetensors.ts";
import { fill, Looker, normalised, type Sight } from "../../../../engine/lab/look.ts";
import type { Module } from "../../../../engine/nn/module.ts";
import { featureLayer } from "../../../../engine/onnx/features.ts";
import { decodeOnnx } from "../../../../engine/onnx/model.ts";
import { OnnxNetwork } from "../../../../engine/onnx/network.ts";
import type { Runtime } from "../../../../engine/plan/runtime.ts";
import { classifier, classifiers, createClassifier } from "../../../../models/mod.ts";
import { choice, controls, line, slider } from "../parts/controls.ts";
import { device } from "../parts/device.ts";
import { type Live, live } from "../parts/live.ts";
import { show, table } from "../parts/numbers.ts";
import { picture } from "../parts/pixels.ts";

export interface OwnState {
  /** What a .safetensors file is of: ONNX says it itself. */
  readonly model: string;
  readonly classes: number;
  readonly size: number;
  readonly scaling: keyof typeof SCALINGS;
  /** "" for the last map. */
  readonly layer: string;
  /** What was given, counted. */
  readonly given: number;
}

const SCALINGS = {
  imagenet: "by ImageNet's mean and deviation",
  half: "to -1 .. 1",
  unit: "to 0 .. 1",
} as const;
const VALUES = {
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  half: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  unit: { mean: [0, 0, 0], std: [1, 1, 1] },
} as const;

/** What was given last: one network, and images. */
const files: { network?: File; images: File[] } = { images: [] };
const MOST_IMAGES = 8;

interface Seen {
  readonly name: string;
  readonly rgb: Uint8ClampedArray;
  readonly sight: Sight & { readonly label: number };
}

interface Found {
  readonly about: string;
  readonly seen: readonly Seen[];
}

export const ownFigure = (start: OwnState): Live<OwnState> =>
  live<OwnState, OwnState, Found | undefined>({
    id: "own",
    title: "Your own network and images",
    start,
    asks: (state) => state,
    compute: async (state) => files.network && await found(state, files.network, files.images),
    view,
  });

async function found(state: OwnState, file: File, images: readonly File[]): Promise<Found> {
  const { runtime, description } = await device();
  if (!runtime) throw new UserError(`it takes a GPU: ${description}`, ExitCode.noAdapter);
  const { network, size, channels, layer } = await opened(state, file);
  try {
    return await looked(runtime, network, { size, channels, layer }, state, images);
  } finally {
    runtime.release([...network.namedState()].map(([, variable]) => variable));
  }
}

interface Opened {
  readonly network: Module;
  readonly size: number;
  readonly channels: number;
  readonly layer: string;
}

/** The size of images of a graph that takes any. */
const ANY_SIZE = 224;

/** @throws UserError (weights) where the file holds no such network */
async function opened({ model, classes, size, layer }: OwnState, file: File): Promise<Opened> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (/\.onnx$/i.test(file.name)) {
    const network = new OnnxNetwork(await decoded(bytes, file.name));
    const { channels, height } = network.images;
    const side = height ?? ANY_SIZE;
    return {
      ...{ network, size: side, channels },
      layer: layer || featureLayer(network, [side, side, channels]),
    };
  }
  const entry = classifier(model);
  const options = { inChannels: 3, numClasses: classes, imageSize: size };
  const network = createClassifier(entry, options);
  fill(network, decodeSafetensors(bytes, file.name).tensors, file.name);
  return { network, size, channels: 3, layer: layer || entry.featureLayer };
}

/** A model whose tensors lie in files beside it can't be read: a page is given single files. */
async function decoded(bytes: Uint8Array, name: string) {
  try {
    return await decodeOnnx(bytes, name);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${name} can't be read in a browser: ${error instanceof Error ? error.message : error}`,
      ExitCode.weights,
      "export it with its weights inside of the file",
    );
  }
}

async function looked(
  runtime: Runtime,
  network: Module,
  { size, channels, layer }: Omit<Opened, "network">,
  { scaling }: OwnState,
  images: readonly File[],
): Promise<Found> {
  const shape = { height: size, width: size, channels };
  const looker = await Looker.make(runtime, network, shape, layer);
  try {
    const seen: Seen[] = [];
    for (const image of images) {
      const rgb = await pixelsOf(image, size);
      const values = normalised(rgb, { ...VALUES[scaling] });
      seen.push({ name: image.name, rgb, sight: await looker.look(inChannels(values, channels)) });
    }
    return { about: `images of ${size} x ${size}, gradients at ${layer}`, seen };
  } finally {
    looker.destroy();
  }
}

/** The image, stretched to a square. @throws UserError (data) where it is none */
async function pixelsOf(file: File, size: number): Promise<Uint8ClampedArray> {
  const options = { resizeWidth: size, resizeHeight: size, resizeQuality: "high" } as const;
  const bitmap = await createImageBitmap(file, options).catch(() => {
    throw new UserError(`${file.name} is no image that this browser reads`, ExitCode.data);
  });
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d")!;
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, size, size);
  return data.filter((_, i) => i % 4 !== 3);
}

/** Grey where the network wants one channel. */
function inChannels(values: Float32Array, channels: number): Float32Array {
  if (channels === 3) return values;
  if (channels === 1) {
    return Float32Array.from(
      { length: values.length / 3 },
      (_, p) => (values[3 * p] + values[3 * p + 1] + values[3 * p + 2]) / 3,
    );
  }
  throw new UserError(`the network takes images of ${channels} channels`, ExitCode.data);
}

function view(
  state: OwnState,
  set: (change: Partial<OwnState>) => void,
  result?: Found,
): TemplateResult {
  const { model, classes, size, scaling, layer, given } = state;
  const models = Object.fromEntries(classifiers.map(({ name }) => [name, name]));
  const take = (list: FileList | null | undefined) => {
    const all = [...list ?? []];
    files.network = all.findLast(({ name }) => /\.(onnx|safetensors)$/i.test(name)) ??
      files.network;
    const images = all.filter(({ type }) => type.startsWith("image/"));
    if (images.length > 0) files.images = images.slice(0, MOST_IMAGES);
    if (all.length > 0) set({ given: given + 1 });
  };
  const isOnnx = /\.onnx$/i.test(files.network?.name ?? "");
  return html`
    <div @dragover=${(event: DragEvent) => event.preventDefault()}
      @drop=${(event: DragEvent) => {
        event.preventDefault();
        take(event.dataTransfer?.files);
      }}>
      ${controls(
        html`<label class="control" style="flex-wrap: wrap">Drop files here, or choose some:
          <input type="file" multiple accept=".onnx,.safetensors,image/*" style="max-width: 100%"
            @change=${({ target }: Event) => take((target as HTMLInputElement).files)}></label>`,
      )}
      ${controls(
        isOnnx ? "" : choice("Weights are of", model, models, (model) => set({ model })),
        isOnnx ? "" : slider("Classes", classes, [2, 1000], (classes) => set({ classes })),
        isOnnx ? "" : slider("Images' side", size, [32, 256], (size) => set({ size })),
        choice("Bytes become numbers", scaling, SCALINGS, (scaling) => set({ scaling })),
        line("Layer", layer, (layer) => set({ layer })),
      )}
    </div>
    <p role="status">${files.network === undefined
      ? "No network yet: an .onnx file, or .safetensors of one that this engine knows."
      : result === undefined
      ? `Reading ${files.network.name} ..`
      : `${files.network.name}: ${result.about}. ${
        result.seen.length === 0 ? "Give it images, too." : ""
      }`}</p>
    ${result?.seen.map(shown)}
  `;
}

const LISTED = 3;

function shown({ name, rgb, sight: { logits, saliency, kernels, label } }: Seen): TemplateResult {
  const values = Array.from(logits);
  const total = values.reduce((sum, logit) => sum + Math.exp(logit - Math.max(...values)), 0);
  const order = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, LISTED);
  const strongest = Array.from(kernels, (value, k) => [value, k] as const)
    .sort(([a], [b]) => b - a).slice(0, LISTED);
  return html`
    <div style="display: flex; flex-wrap: wrap; gap: 1rem; align-items: start">
      ${picture(rgb, name)}
      ${picture(
        rgb,
        `${name}, dark where the score of class ${label} does not depend on it`,
        saliency,
      )}
      ${table(
        `${name}; strongest kernels ${strongest.map(([, k]) => k).join(", ")}`,
        ["class", "logit", "%"],
        order.map((k) => [
          `${k}`,
          values[k],
          show(100 * Math.exp(values[k] - Math.max(...values)) / total, 3),
        ]),
      )}
    </div>
  `;
}
