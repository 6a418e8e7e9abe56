/** Files: whole or not at all, and errors that name them; .npy, gzip and tar. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode, UserError } from "../engine/errors.ts";
import {
  fileExists,
  makeFolder,
  readBytes,
  readText,
  writeFileAtomic,
} from "../engine/io/files.ts";
import type { HostTensor } from "../engine/io/host_tensor.ts";
import { inflate, inflateBeginning } from "../engine/io/inflate.ts";
import { decodeNpy, encodeNpy } from "../engine/io/npy.ts";
import { readTar } from "../engine/io/tar.ts";
import { gzip, inFolder, tar, userError } from "./support/io.ts";

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("files: a file is written, and replaced, with nothing left beside it", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.json");
    await writeFileAtomic(path, "ä");
    assert.equal(await readText(path), "ä");
    await writeFileAtomic(path, Uint8Array.of(1, 2));
    assert.deepEqual(await readBytes(path), Uint8Array.of(1, 2));
    assert.deepEqual(names(folder), ["a.json"]);
  }));

Deno.test("files: where a file can't be written, the path is named and nothing is left", () =>
  inFolder(async (folder) => {
    const missing = join(folder, "no", "a");
    await userError(writeFileAtomic(missing, "x"), ExitCode.io, /cannot write .*no.a.*no such/);
    // A folder in the way: the rename fails, after the temporary file was written.
    await makeFolder(join(folder, "taken", "inside"));
    await userError(
      writeFileAtomic(join(folder, "taken"), "x"),
      ExitCode.io,
      /cannot write .*taken/,
    );
    assert.deepEqual(names(folder), ["taken"]);
    await userError(makeFolder("/dev/null/a"), ExitCode.io, /make the folder .dev.null.a/);
  }));

Deno.test({
  name: "files: a full disk is named as such",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder(async (folder) => {
      // /dev/full fails every write with ENOSPC, through a link as the temporary file's name.
      const links = Array.from({ length: 1000 }, (_, i) => `a.${Deno.pid}-${i + 1}.partial`);
      await Promise.all(links.map((link) => Deno.symlink("/dev/full", join(folder, link))));
      const path = join(folder, "a");
      await userError(
        writeFileAtomic(path, "x"),
        ExitCode.io,
        /cannot write .*a: no space is left/,
      );
      assert.equal(names(folder).length, links.length - 1, "that file is gone");
    }),
});

Deno.test("files: a missing file is named, with the exit code asked for", () =>
  inFolder(async (folder) => {
    const path = join(folder, "none");
    assert.equal(await fileExists(path), false);
    await userError(readBytes(path), ExitCode.io, /cannot read .*none: there is no such file/);
    await userError(readBytes(path, ExitCode.data), ExitCode.data, /none/);
    await userError(readBytes(folder), ExitCode.io, /it is a folder/);
  }));

Deno.test("npy: the bytes are those that NumPy writes", () => {
  const tensor: HostTensor = { dtype: "F32", shape: [2, 3], data: new Float32Array(6).fill(1) };
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  const bytes = encodeNpy(tensor);
  assert.deepEqual([...bytes.subarray(0, 10)], [0x93, 78, 85, 77, 80, 89, 1, 0, 118, 0]);
  assert.equal(new TextDecoder().decode(bytes.subarray(10, 128)), header.padEnd(117) + "\n");
  assert.deepEqual(new Float32Array(bytes.slice(128).buffer), tensor.data);
});

Deno.test("npy: every dtype and rank survives a round trip", () => {
  const tensors: HostTensor[] = [
    { dtype: "F32", shape: [], data: Float32Array.of(-1.5) },
    { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 255) },
    { dtype: "U32", shape: [1, 2], data: Uint32Array.of(1, 0xffffffff) },
    { dtype: "F64", shape: [0, 5], data: new Float64Array() },
    { dtype: "BOOL", shape: [2], data: Uint8Array.of(0, 1) },
    { dtype: "I64", shape: Array(20).fill(1), data: BigInt64Array.of(-5n) },
  ];
  for (const tensor of tensors) {
    const bytes = encodeNpy(tensor);
    assert.equal((bytes.length - tensor.data.byteLength) % 64, 0);
    assert.deepEqual(decodeNpy(bytes, "x"), tensor);
  }
});

Deno.test("npy: what is not a file it can read is named", () => {
  const bytes = encodeNpy({ dtype: "F32", shape: [2], data: Float32Array.of(1, 2) });
  const text = (from: string, to: string) => {
    const latin = new TextDecoder("latin1").decode(bytes).replace(from, to);
    const changed = Uint8Array.from(latin, (c) => c.charCodeAt(0));
    changed[0] = 0x93;
    return changed;
  };
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(3), /not a .npy file/],
    [bytes.with(6, 2), /version is 2.0/],
    [bytes.subarray(0, 130), /takes 8 bytes, but 2 follow/],
    [bytes.subarray(0, 50), /header is/],
    [text("<f4", ">f4"), /dtype >f4 is not one of <f4/],
    [text("False", "True "), /Fortran/],
    [text("(2,)", "(3,)"), /takes 12 bytes, but 8/],
  ];
  for (const [wrong, message] of cases) {
    assert.throws(() => decodeNpy(wrong, "m.npy"), (error) => {
      assert(error instanceof UserError && error.exitCode === ExitCode.data);
      assert.match(error.message, /^m\.npy: /);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("gzip: what unfolds is as long as it has to be; truncated and corrupt are told apart", async () => {
  const content = Uint8Array.from({ length: 5000 }, (_, i) => (i * i) % 251);
  const packed = gzip(content);
  const of = (bytes: Uint8Array) => ({ bytes, format: "gzip", name: "a.gz" }) as const;
  assert.deepEqual(await inflate(of(packed), 5000), content);
  assert.deepEqual(await inflateBeginning(of(packed), 7), content.subarray(0, 7));
  assert.deepEqual(await inflateBeginning(of(packed), 9000), content);
  const fails = (bytes: Uint8Array, message: RegExp, length = 5000) =>
    userError(inflate(of(bytes), length), ExitCode.data, message);
  await fails(packed.subarray(0, 100), /^a\.gz: truncated: its 100 bytes end in the middle/);
  await fails(packed.subarray(0, packed.length - 3), /^a\.gz: truncated/);
  await fails(packed.with(packed.length - 6, packed.at(-6)! ^ 1), /^a\.gz: corrupt: .*check/);
  await fails(packed.with(1, 0), /^a\.gz: corrupt: .*header/);
  await fails(packed, /corrupt: it unfolds to more than the 4999 bytes it states/, 4999);
  await fails(packed, /truncated: it unfolds to 5000 of the 5001 bytes it states/, 5001);
});

async function untar(archive: Uint8Array<ArrayBuffer>): Promise<[string, number[]][]> {
  const files: [string, number[]][] = [];
  // Pieces of 100 bytes: headers and files lie across them.
  const pieces = Array.from(
    { length: Math.ceil(archive.length / 100) },
    (_, i) => archive.subarray(100 * i, 100 * (i + 1)),
  );
  for await (const { path, chunks } of readTar(ReadableStream.from(pieces), "a.tar")) {
    const bytes = path === "passed over"
      ? []
      : (await Array.fromAsync(chunks())).flatMap((c) => [...c]);
    files.push([path, bytes]);
  }
  return files;
}

Deno.test("tar: regular files are listed; truncated and corrupt archives are named", async () => {
  const archive = tar({
    "d/": null,
    "passed over": new Uint8Array(1000),
    "d/a.bin": Uint8Array.of(1, 2, 3),
    "b": new Uint8Array(512).fill(7),
  });
  assert.deepEqual(await untar(archive), [
    ["passed over", []],
    ["d/a.bin", [1, 2, 3]],
    ["b", Array(512).fill(7)],
  ]);
  const fails = (bytes: Uint8Array<ArrayBuffer>, message: RegExp) =>
    userError(untar(bytes), ExitCode.data, message);
  await fails(archive.subarray(0, 2561), /^a\.tar: truncated: .*d\/a\.bin/);
  await fails(archive.with(515, 90), /^a\.tar: corrupt: bad tar header at byte 512/);
});

Deno.test("files: a pipe or a device is refused, not waited for", () =>
  inFolder(async (folder) => {
    const pipe = join(folder, "pipe");
    const made = new Deno.Command("mkfifo", { args: [pipe] }).outputSync().success;
    for (const path of [...made ? [pipe] : [], "/dev/zero"]) {
      await userError(readBytes(path), ExitCode.io, /cannot read .*: it is a device or a pipe/);
    }
  }));

Deno.test("files: a name that is no UTF-8 is not found, and the reason is said", () =>
  inFolder(async (folder) => {
    // APFS and NTFS have no such names.
    const make = ["-c", 'cd "$0" && : > "$(printf "\\344").png"', folder];
    const { success } = new Deno.Command("sh", { args: make }).outputSync();
    const [name = "\ufffd.png"] = success
      ? Array.from(Deno.readDirSync(folder), (e) => e.name)
      : [];
    const error = await userError(readBytes(join(folder, name)), ExitCode.io, /no such file/);
    assert.match(error.hint!, /its name is not UTF-8/);
  }));
