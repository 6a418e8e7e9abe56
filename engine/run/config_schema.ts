/** config.json of a run: the command that began it, and its settings. */
import * as v from "valibot";

export const configSchema = v.looseObject({ command: v.string() });
