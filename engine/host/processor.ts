/**
 * The processor that a software adapter computes on: what of it decides how lavapipe is set up and
 * which kernels suit it. Measured figures: shaders/README.md, "On two processors".
 */

/** What the system tells of its processor. */
export interface CpuFeatures {
  /** "GenuineIntel", "AuthenticAMD"; "" where the system doesn't tell. */
  readonly vendor: string;
  readonly avx512: boolean;
}

/** The processor at hand, by Linux's /proc/cpuinfo. */
export function thisProcessor(): CpuFeatures {
  try {
    return cpuFeatures(Deno.readTextFileSync("/proc/cpuinfo"));
  } catch {
    return { vendor: "", avx512: false };
  }
}

/** The features in the text of /proc/cpuinfo. */
export function cpuFeatures(text: string): CpuFeatures {
  return {
    vendor: /^vendor_id\s*:\s*(\S+)/m.exec(text)?.[1] ?? "",
    avx512: /^flags\b.*\bavx512f\b/m.test(text),
  };
}

/**
 * Whether loads lane by lane are quick, as AVX-512's gathers make them on Intel's processors. AMD's
 * have the instructions too, but take them apart: there a texel loads three times as fast.
 */
export function gathersQuickly({ vendor, avx512 }: CpuFeatures): boolean {
  return avx512 && vendor === "GenuineIntel";
}

/**
 * The variables that set up Mesa's software driver for the processor, but for those that a user has
 * set. It takes vectors of 256 bits unless it is told; with 512, 16 lanes, an AMD processor with
 * AVX-512 does a step in 0.8 of the time. (Lanes decide in how many parts weight gradients are
 * summed, so the last bits differ; the adapter's name tells, "512 bits".)
 *
 * Mesa's cache of compiled kernels, on disk, does not tell vectors of one width from those of
 * another: what one process compiled for 256 bits, the next would run in their place. It does tell
 * the flags of GALLIVM_PERF, so one is set that changes nothing here: it is about samplers, and
 * kernels have none.
 */
export function softwareVariables(
  { vendor, avx512 }: CpuFeatures,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const { LP_NATIVE_VECTOR_WIDTH, GALLIVM_PERF } = environment;
  const wide = avx512 && vendor === "AuthenticAMD";
  if (!wide || LP_NATIVE_VECTOR_WIDTH !== undefined) return {};
  const flags = GALLIVM_PERF ? `${GALLIVM_PERF},${OWN_CACHE}` : OWN_CACHE;
  return { LP_NATIVE_VECTOR_WIDTH: "512", GALLIVM_PERF: flags };
}

/** The flag by which vectors of 512 bits get entries of their own in Mesa's cache. */
const OWN_CACHE = "no_aos_sampling";
