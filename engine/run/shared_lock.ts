/**
 * Whether the lock of a folder (lock.ts) holds on other machines too, as Linux tells of the network
 * disk that it lies on: a mount can keep locks to itself.
 */

interface Mount {
  /** The folder that it is mounted on. */
  readonly at: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** The mounts that keep locks to their machine, by the start of their type (nfs(5), mount.lustre(8)). */
const KEEPS_TO_ITSELF: readonly (readonly [string, (options: readonly string[]) => boolean])[] = [
  ["nfs", (options) => ["nolock", "local_lock=all", "local_lock=flock"].some(isOneOf(options))],
  ["lustre", (options) => !options.includes("flock")],
  ["fuse.sshfs", () => true],
];
const isOneOf = (options: readonly string[]) => (option: string) => options.includes(option);

/**
 * What is to be said of a folder's disk, where a process on another machine is not kept out of what
 * this one works in.
 */
export async function keepsLocksToItself(folder: string): Promise<string | undefined> {
  const mounts = await Deno.readTextFile("/proc/self/mountinfo").catch(() => undefined);
  return mounts === undefined
    ? undefined
    : localLocksIn(mounts, await Deno.realPath(folder).catch(() => folder));
}

/**
 * The same of a real path, by the text of Linux' mountinfo (proc(5)).
 * @returns "/shared (nfs4, nolock)"
 */
export function localLocksIn(mountinfo: string, path: string): string | undefined {
  const holding = mountinfo.split("\n").flatMap(mountOf)
    .filter(({ at }) => at === "/" || path === at || path.startsWith(`${at}/`));
  // Of those on one folder the last hides the others.
  const mount = holding.reduce<Mount | undefined>(
    (inner, mount) => inner && inner.at.length > mount.at.length ? inner : mount,
    undefined,
  );
  if (!mount) return undefined;
  const { at, type, options } = mount;
  const [, isLocal] = KEEPS_TO_ITSELF.find(([start]) => type.startsWith(start)) ?? [];
  if (!isLocal?.(options)) return undefined;
  const lock = options.filter((option) => option.includes("lock"));
  return `${at} (${[type, ...lock].join(", ")})`;
}

/** "36 35 98:0 / /shared rw,noatime master:1 - nfs4 host:/export rw,local_lock=none" */
function mountOf(line: string): Mount[] {
  const [own, ofDisk] = line.split(" - ").map((part) => part.split(" "));
  if (own.length < 6 || !ofDisk) return [];
  const [type, , options = ""] = ofDisk;
  const at = own[4].replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)));
  return [{ at, type, options: options.split(",") }];
}
