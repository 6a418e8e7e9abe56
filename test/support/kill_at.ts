/**
 * Kills the process at a place in its work on files: KILL_AT is the number of the place. Before and
 * after each operation that changes something there is one; that before a write is in its midst,
 * with half of the bytes written. It is loaded before the program.
 */
const at = Number(Deno.env.get("KILL_AT"));
let places = 0;

const isPlace = () => ++places === at;

/** Nothing comes after it: no handler, no `finally`, no sync. */
const die = () => Deno.kill(Deno.pid, "SIGKILL");

// deno-lint-ignore no-explicit-any
function wrap(owner: any, name: string, half?: (args: any[]) => any[]): void {
  const original = owner[name];
  owner[name] = async function (...args: unknown[]) {
    if (isPlace()) {
      if (half) await original.apply(this, half(args));
      die();
    }
    const result = await original.apply(this, args);
    if (isPlace()) die();
    return result;
  };
}

const halfOf = (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1);

for (const name of ["open", "mkdir", "rename", "remove"]) wrap(Deno, name);
wrap(Deno, "writeFile", ([path, bytes, ...rest]) => [path, halfOf(bytes), ...rest]);
wrap(Deno.FsFile.prototype, "write", ([bytes]) => [halfOf(bytes)]);
wrap(Deno.FsFile.prototype, "sync");
