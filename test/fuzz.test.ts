/**
 * Every reader of files under inputs that are nearly right: it gives a value or a UserError, never
 * anything else, soon, and without much memory.
 *
 *     MODEL_DOCTOR_FUZZ=20000 deno test -A test/fuzz.test.ts      so many inputs for each reader
 */
import "./fuzz/files.ts";
import "./fuzz/data.ts";
import "./fuzz/runs.ts";
