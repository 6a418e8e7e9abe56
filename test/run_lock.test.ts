/** Folders that belong to one process at a time, on any disk. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { isInUse, lockFolder, unlockFolder } from "../engine/run/lock.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { localLocksIn } from "../engine/run/shared_lock.ts";
import { inFolder, userError } from "./support/io.ts";

Deno.test("what is locked is a file opened for writing, as network disks pass on", async () => {
  await inFolder(async (folder) => {
    assert.ok(!await isInUse(folder));
    assert.deepEqual([...Deno.readDirSync(folder)], [], "looking leaves nothing behind");
    await lockFolder(folder);
    using other = await Deno.open(join(folder, ".lock"), { write: true });
    assert.ok(!await other.tryLock(true));
    await unlockFolder(folder);
    assert.ok(await other.tryLock(true));
    assert.ok(await isInUse(folder), "whoever locks it");
    await userError(lockFolder(folder), ExitCode.io, /is in use by/);
  });
});

Deno.test("what a lock leaves behind makes a folder no fuller", async () => {
  await inFolder(async (folder) => {
    await lockFolder(folder);
    await unlockFolder(folder);
    await (await RunFolder.create(folder, {})).leave();
  });
});

Deno.test("a look whether a folder is in use keeps nobody out of it", async () => {
  await inFolder(async (folder) => {
    using look = await Deno.open(join(folder, ".lock"), { write: true, create: true });
    assert.ok(await look.tryLock(true));
    const locked = lockFolder(folder);
    setTimeout(() => look.unlockSync(), 5);
    await locked;
    await unlockFolder(folder);
  });
});

Deno.test("what stands in a lock's place is locked itself, or said to be in the way", async () => {
  await inFolder(async (folder) => {
    const place = join(folder, ".lock");
    await Deno.mkdir(place);
    await lockFolder(folder);
    using other = await Deno.open(place);
    assert.ok(!await other.tryLock(true));
    await unlockFolder(folder);
    await Deno.remove(place);
    await Deno.symlink("nowhere/lock", place);
    await userError(lockFolder(folder), ExitCode.io, /cannot write \S+\.lock/);
    assert.ok(!await isInUse(folder));
  });
});

Deno.test("a mount that keeps locks to its machine is told by its place, type and option", () => {
  const mountinfo = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "40 22 0:40 / /home rw shared:2 - nfs4 host:/home rw,vers=4.2,local_lock=none",
    "41 22 0:41 / /old rw - nfs host:/old rw,vers=3,nolock,local_lock=all",
    "42 40 0:42 / /home/a\\040lab rw - nfs host:/lab rw,vers=3,local_lock=flock",
    "43 22 0:43 / /scratch rw - lustre mds:/scratch rw,lazystatfs",
    "44 22 0:44 / /work rw - lustre mds:/work rw,flock,lazystatfs",
    "45 22 0:45 / /far rw - fuse.sshfs host: rw,user_id=0",
    "46 22 0:46 / /old/new rw - ext4 /dev/sdb1 rw",
    "47 22 0:47 / /twice rw - nfs host:/a rw,nolock",
    "48 47 0:48 / /twice rw - ext4 /dev/sdc1 rw",
    "",
  ].join("\n");
  const told = (path: string) => localLocksIn(mountinfo, path);
  for (const path of ["/x", "/home/me", "/home/a laboratory", "/work", "/old/new/x", "/twice/x"]) {
    assert.equal(told(path), undefined, path);
  }
  assert.equal(told("/old/x"), "/old (nfs, nolock, local_lock=all)");
  assert.equal(told("/home/a lab"), "/home/a lab (nfs, local_lock=flock)");
  assert.equal(told("/scratch/x/y"), "/scratch (lustre)");
  assert.equal(told("/far/x"), "/far (fuse.sshfs)");
  assert.equal(localLocksIn("", "/x"), undefined);
});
