/** What a report says of a run's account.json. */
import * as v from "valibot";
import { count } from "../io/json.ts";

export const accountNotesSchema = v.object({
  source: v.string(),
  left_out: v.array(v.object({ why: v.string(), count, examples: v.array(v.string()) })),
  guesses: v.array(v.object({ what: v.string(), settle: v.string() })),
  warnings: v.array(v.string()),
});

export type AccountNotes = v.InferOutput<typeof accountNotesSchema>;
