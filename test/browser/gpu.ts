/** `openGpu` of engine/host, in a browser: the browser's own adapter, and nothing asked of a machine. */

import { type Gpu, requestGpu } from "../../engine/gpu/adapter.ts";

export const openGpu = (): Promise<Gpu> => requestGpu();
