/**
 * The reader's GPU, opened once for all chapters. Where there is none, figures show what needs none:
 * the engine's graphs and plans, and float64.
 */

import { html, type TemplateResult } from "lit-html";
import { until } from "lit-html/directives/until.js";
import { UserError } from "../../../../engine/errors.ts";
import { requestGpu } from "../../../../engine/gpu/adapter.ts";
import { Runtime } from "../../../../engine/plan/runtime.ts";

export interface Device {
  readonly runtime?: Runtime;
  /** What it is, or why there is none. */
  readonly description: string;
}

let opened: Promise<Device> | undefined;

/** The device. The first call opens it, every other gets the same. */
export const device = (): Promise<Device> => opened ??= open();

async function open(): Promise<Device> {
  if (!navigator.gpu) return { description: "this browser has no WebGPU" };
  try {
    const gpu = await requestGpu();
    return { runtime: new Runtime(gpu), description: gpu.adapter.name };
  } catch (error) {
    if (error instanceof UserError) return { description: error.message };
    throw error;
  }
}

/** What the page computes on, in a sentence; without a GPU, which browsers have WebGPU. */
export const aboutDevice = (): TemplateResult =>
  html`<p class="device" role="status">${
    until(device().then(describe), "Looking for a GPU ..")
  }</p>`;

const describe = ({ runtime, description }: Device): TemplateResult =>
  runtime
    ? html`It computes on <strong>${description}</strong>.`
    : html`<strong>Nothing is computed on a GPU here: ${description}.</strong> WebGPU is in Chrome and
      Edge from version 113 on (Windows, macOS, ChromeOS, Android from 121, most of Linux from 144),
      in Safari from 26, in Firefox from 141 on Windows and from 145 on macOS. What needs no GPU is
      shown: text, graphs, plans, and every value in float64.`;
