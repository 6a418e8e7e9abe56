/**
 * Which classifiers a test runs: some always, as tests should be quick; all of them with
 * MODEL_DOCTOR_ALL_MODELS=1, as in continuous integration; with MODEL_DOCTOR_ALL_MODELS=name,name
 * those besides.
 */

const asked = (Deno.env.get("MODEL_DOCTOR_ALL_MODELS") ?? "").split(",");

/** What to add to the name of a test that doesn't run for a classifier; "" where it does. */
export function whyNot(name: string, always: readonly string[]): string {
  const runs = always.includes(name) || asked.includes("1") || asked.includes(name);
  return runs ? "" : " (skipped: set MODEL_DOCTOR_ALL_MODELS=1)";
}
