/** config.json of a run: the command that began it, and its settings. */
import * as v from "valibot";
import { finite } from "../io/json.ts";

export const CONFIG = "config.json";

const scalar = v.union([v.string(), finite, v.boolean()]);
/** What flags can be. */
const setting = v.nullable(v.union([scalar, v.array(scalar)]));

export const settingsSchema = v.record(v.string(), setting);
export const configSchema = v.objectWithRest({ command: v.string() }, setting);
