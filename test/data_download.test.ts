/** Downloads from a server on this machine that misbehaves as asked. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { download } from "../engine/data/download.ts";
import { dataSetNames, loadDataSet } from "../engine/data/registry.ts";
import { mnist } from "../engine/data/idx.ts";
import { cacheFolder, fetchSource } from "../engine/data/sources.ts";
import { fileExists } from "../engine/io/files.ts";
import { gzip, inFolder, tar, userError } from "./support/io.ts";

const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) % 251);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const quick = { attempts: 2, pauseMs: 0 };

interface Call {
  readonly path: string;
  readonly range: string | null;
}

/** Runs a test against a server; gives it the base URL and the list of calls so far. */
async function withServer(
  answer: (request: Request, call: number) => Response | Promise<Response>,
  test: (base: string, calls: Call[], folder: string) => Promise<void>,
): Promise<void> {
  const calls: Call[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    calls.push({ path: new URL(request.url).pathname, range: request.headers.get("range") });
    return answer(request, calls.length);
  });
  try {
    await inFolder((folder) => test(`http://127.0.0.1:${server.addr.port}/`, calls, folder));
  } finally {
    await server.shutdown();
  }
}

/** Answers as a static server does, ranges included. */
function serve(bytes: Uint8Array<ArrayBuffer>, request: Request): Response {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
  if (start === 0) return new Response(bytes);
  if (start >= bytes.length) return new Response(null, { status: 416 });
  const headers = { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  return new Response(bytes.slice(start), { status: 206, headers });
}

/** Promises all bytes but breaks off after some. */
function breakOff(bytes: Uint8Array, after: number): Response {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(bytes.slice(0, after));
      await new Promise((resolve) => setTimeout(resolve, 50));
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-length": String(bytes.length) } });
}

const remote = (url: string, bytes = content) =>
  ({ url: url + "a.bin", algorithm: "sha256", checksum: sha256(bytes) }) as const;

Deno.test("download: a file arrives whole, with progress, and is not fetched again", () =>
  withServer((request) => serve(content, request), async (base, calls, folder) => {
    const path = join(folder, "a.bin");
    const seen: number[] = [];
    const onProgress = (
      { file, bytes, total }: { file: string; bytes: number; total?: number },
    ) => {
      assert.equal(file, "a.bin");
      assert.equal(total, content.length);
      seen.push(bytes);
    };
    await download(remote(base), path, { ...quick, onProgress });
    assert.deepEqual(await Deno.readFile(path), content);
    assert.equal(seen.at(-1), content.length);
    assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
    assert.equal(await fileExists(path + ".partial"), false);
    await download(remote(base), path, quick);
    assert.equal(calls.length, 1);
  }));

Deno.test("download: what an earlier run left is continued", () =>
  withServer((request) => serve(content, request), async (base, calls, folder) => {
    const path = join(folder, "a.bin");
    await Deno.writeFile(path + ".partial", content.slice(0, 100_000));
    let first: number | undefined;
    await download(remote(base), path, { ...quick, onProgress: ({ bytes }) => first ??= bytes });
    assert.deepEqual(await Deno.readFile(path), content);
    assert.deepEqual(calls.map(({ range }) => range), ["bytes=100000-"]);
    assert(first! > 100_000);
  }));

Deno.test("download: a complete partial file only needs its checksum", () =>
  withServer((request) => serve(content, request), async (base, _, folder) => {
    const path = join(folder, "a.bin");
    await Deno.writeFile(path + ".partial", content);
    await download(remote(base), path, quick);
    assert.deepEqual(await Deno.readFile(path), content);
  }));

Deno.test("download: a cut connection is continued where it broke", () =>
  withServer(
    (request, call) => call === 1 ? breakOff(content, 120_000) : serve(content, request),
    async (base, calls, folder) => {
      const path = join(folder, "a.bin");
      await download(remote(base), path, quick);
      assert.deepEqual(await Deno.readFile(path), content);
      assert.deepEqual(calls.map(({ range }) => range), [null, "bytes=120000-"]);
    },
  ));

Deno.test("download: a connection that is always cut is an error, and the bytes are kept", () =>
  withServer(() => breakOff(content, 50_000), async (base, calls, folder) => {
    const path = join(folder, "a.bin");
    await userError(download(remote(base), path, quick), ExitCode.data, /cannot download .*a\.bin/);
    assert.equal(calls.length, 2);
    assert.equal(await fileExists(path), false);
    assert.deepEqual(await Deno.readFile(path + ".partial"), content.slice(0, 50_000));
  }));

Deno.test("download: a connection without a byte for too long counts as cut", () => {
  let release = () => {};
  const silence = new Promise<void>((resolve) => release = resolve);
  return withServer(
    () => silence.then(() => new Response()),
    async (base, _, folder) => {
      const options = { attempts: 1, idleMs: 100 };
      const attempt = download(remote(base), join(folder, "a.bin"), options);
      await userError(attempt, ExitCode.data, /no answer for 0.1 seconds/);
      release();
    },
  );
});

Deno.test("download: a server that ignores ranges gives the whole file", () =>
  withServer(() => new Response(content), async (base, _, folder) => {
    const path = join(folder, "a.bin");
    await Deno.writeFile(path + ".partial", new Uint8Array(400_000));
    await download(remote(base), path, quick);
    assert.deepEqual(await Deno.readFile(path), content);
  }));

Deno.test("download: content with another checksum is removed and named", () =>
  withServer((request) => serve(content, request), async (base, calls, folder) => {
    const path = join(folder, "a.bin");
    const other = { ...remote(base), checksum: "0".repeat(64) };
    const found = new RegExp(`a\\.bin is not the file .* checksum ${sha256(content)}, not 0000`);
    await userError(download(other, path, quick), ExitCode.data, found);
    assert.equal(calls.length, 1);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

Deno.test("download: a wrong beginning left by an earlier run is thrown away", () =>
  withServer((request) => serve(content, request), async (base, calls, folder) => {
    const path = join(folder, "a.bin");
    await Deno.writeFile(path + ".partial", new Uint8Array(1000));
    await download(remote(base), path, quick);
    assert.deepEqual(await Deno.readFile(path), content);
    assert.deepEqual(calls.map(({ range }) => range), ["bytes=1000-", null]);
  }));

Deno.test("download: a missing file is an error at once, a busy server is asked again", () =>
  withServer(
    (request, call) => {
      if (request.url.endsWith("a.bin")) return new Response("no", { status: 404 });
      return call === 2 ? new Response("busy", { status: 503 }) : serve(content, request);
    },
    async (base, calls, folder) => {
      const missing = download(remote(base), join(folder, "a.bin"), quick);
      await userError(missing, ExitCode.data, /a\.bin: the server answered 404/);
      assert.equal(calls.length, 1);
      await download({ ...remote(base), url: base + "b.bin" }, join(folder, "b.bin"), quick);
      assert.equal(calls.length, 3);
    },
  ));

Deno.test("download: a folder that can't be written is named", () =>
  withServer((request) => serve(content, request), async (base, _, folder) => {
    const path = join(folder, "no", "a.bin");
    await userError(download(remote(base), path, quick), ExitCode.io, /cannot write .*a\.bin/);
  }));

Deno.test("sources: without a network the error says what was tried and how to do without", () =>
  inFolder(async (folder) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const baseUrl = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`;
    listener.close();
    const options = { ...quick, cacheDir: folder, baseUrl };
    const error = await userError(
      loadDataSet({ name: "mnist", ...options }),
      ExitCode.data,
      /^mnist: cannot download http:\/\/127\.0\.0\.1:\d+\/train-images-idx3-ubyte\.gz: /,
    );
    assert.match(error.hint!, /--data-dir/);
    assert.match(error.hint!, /t10k-labels-idx1-ubyte\.gz/);
  }));

Deno.test("sources: another file in the place of MNIST's is refused", () =>
  withServer((request) => serve(content, request), async (baseUrl, _, cacheDir) => {
    const attempt = fetchSource(mnist.source, { ...quick, baseUrl, cacheDir });
    await userError(attempt, ExitCode.data, /^mnist: .*is not the file it should be/);
  }));

Deno.test("sources: an archive is unpacked, removed, and not fetched again", () => {
  const archive = gzip(tar({ "d/": null, "d/a.bin": content, "d/readme": new Uint8Array(3) }));
  return withServer((request) => serve(archive, request), async (base, calls, cacheDir) => {
    const source = {
      name: "set",
      base,
      algorithm: "md5",
      files: { "set.tar.gz": createHash("md5").update(archive).digest("hex") },
      unpack: ["d/a.bin"],
    } as const;
    const folder = await fetchSource(source, { ...quick, cacheDir });
    assert.equal(folder, join(cacheDir, "set"));
    assert.deepEqual(await Deno.readFile(join(folder, "d/a.bin")), content);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["d"]);
    assert.deepEqual([...Deno.readDirSync(join(folder, "d"))].map(({ name }) => name), ["a.bin"]);
    await fetchSource(source, { ...quick, cacheDir });
    assert.equal(calls.length, 1);
    const other = { ...source, unpack: ["d/b.bin"] };
    const attempt = fetchSource(other, { ...quick, cacheDir });
    await userError(attempt, ExitCode.data, /set\.tar\.gz: there is no d\/b\.bin in it/);
  });
});

Deno.test("sources: the cache lies where the platform keeps what can be fetched again", () => {
  const at = (env: Record<string, string>) => cacheFolder((name) => env[name]);
  assert.equal(at({ XDG_CACHE_HOME: "/c", HOME: "/h" }), join("/c", "model-doctor"));
  if (Deno.build.os !== "windows") {
    assert.equal(at({ HOME: "/h", LOCALAPPDATA: "/l" }), join("/h", ".cache", "model-doctor"));
  }
  assert.throws(() => at({}), { name: "UserError", exitCode: ExitCode.io });
});

Deno.test("registry: an unknown data set is answered with the nearest name", async () => {
  const error = await userError(
    loadDataSet({ name: "fashion-mnits" }),
    ExitCode.usage,
    /no data set "fashion-mnits".*fashion-mnist/,
  );
  assert.ok(dataSetNames.includes("shapes") && dataSetNames.includes("folder"));
  for (const name of dataSetNames) assert.ok(error.hint!.includes(name), name);
  await userError(loadDataSet({ name: "toString" }), ExitCode.usage, /no data set "toString"/);
});

Deno.test("registry: folders that don't fit are named", async () => {
  const nowhere = loadDataSet({ name: "mnist", dataDir: "/nowhere" });
  await userError(nowhere, ExitCode.data, /mnist: there is no folder .nowhere/);
  const made = loadDataSet({ name: "shapes", dataDir: "/tmp" });
  await userError(made, ExitCode.usage, /shapes is made by the program/);
});
