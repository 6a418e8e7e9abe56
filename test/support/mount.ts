/** File systems of a size, to be filled up. */

/** Mounts one at a folder; false where that is not allowed here. */
export function mount(folder: string, options: string): boolean {
  const args = ["-t", "tmpfs", "-o", options, "tmpfs", folder];
  try {
    return new Deno.Command("mount", { args, stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

export const unmount = (folder: string) =>
  new Deno.Command("umount", { args: [folder] }).outputSync();

export const canMount: boolean = (() => {
  const folder = Deno.makeTempDirSync();
  const mounted = mount(folder, "size=1m");
  if (mounted) unmount(folder);
  Deno.removeSync(folder);
  return mounted;
})();
