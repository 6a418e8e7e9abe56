/**
 * A headless Chromium with WebGPU on its software driver, from the package of a Chromium for servers,
 * driven by the DevTools protocol over a WebSocket. A test's own puppeteer: that package would bring
 * 15 MB to every `deno task` for what is done here.
 */

import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { cacheFolder } from "../../engine/data/sources.ts";
import { packedDriver, unpackTar } from "../swiftshader/driver.ts";

/** Chromium's folder, unpacked at the first call; undefined where it can't be had. */
export async function chromium(): Promise<string | undefined> {
  const driver = await packedDriver();
  if (driver === undefined) return undefined;
  const packed = dirname(driver);
  const folder = join(cacheFolder(), "chromium-147.0.0");
  if (await exists(folder)) return folder;
  const unfinished = `${folder}.${Deno.pid}`;
  await Deno.mkdir(unfinished, { recursive: true });
  const program = brotliDecompressSync(await Deno.readFile(join(packed, "chromium.br")));
  await Deno.writeFile(join(unfinished, "chromium"), program, { mode: 0o755 });
  for (const name of ["swiftshader", "al2023", "fonts"]) {
    await unpackTar(join(packed, `${name}.tar.br`), unfinished);
  }
  await Deno.writeTextFile(join(unfinished, "fonts.conf"), FONTS);
  await Deno.rename(unfinished, folder);
  return folder;
}

/** The package's own names folders of another machine, and without a font Chromium ends. */
const FONTS = `<fontconfig>
<dir prefix="relative">fonts</dir><dir>/usr/share/fonts</dir>
<cachedir prefix="relative">cache</cachedir>
</fontconfig>`;

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** What a page is opened with. */
export interface View {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
  /** Hide `navigator.gpu`, as in a browser that has none. */
  readonly withoutGpu?: boolean;
}

export class Browser implements AsyncDisposable {
  private constructor(
    private readonly process: Deno.ChildProcess,
    private readonly profile: string,
    private readonly port: string,
    private readonly noise: Promise<void>,
  ) {}

  /** @param folder as `chromium` finds it */
  static async start(folder: string): Promise<Browser> {
    const profile = await Deno.makeTempDir();
    const process = new Deno.Command(join(folder, "chromium"), {
      args: [
        ...["--headless", "--no-sandbox", "--disable-dev-shm-usage"],
        ...["--remote-debugging-port=0", `--user-data-dir=${profile}`],
        ...[
          "--enable-unsafe-webgpu",
          "--use-webgpu-adapter=swiftshader",
          "--use-angle=swiftshader",
        ],
        ...["--hide-scrollbars", "about:blank"],
      ],
      env: {
        LD_LIBRARY_PATH: `${folder}:${join(folder, "lib")}`,
        FONTCONFIG_FILE: join(folder, "fonts.conf"),
        HOME: profile,
      },
      ...{ stdin: "null", stdout: "null", stderr: "piped" },
    }).spawn();
    const lines = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    let port: string | undefined;
    while (port === undefined) {
      const { value, done } = await lines.read();
      if (done) throw new Error(`Chromium ended: ${said}`);
      said += value;
      port = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
    }
    return new Browser(process, profile, port, drain(lines));
  }

  /** A tab with the page at an address. */
  async open(address: string, view: View = {}): Promise<Page> {
    const url = `http://127.0.0.1:${this.port}/json/new?about:blank`;
    const tab = await (await fetch(url, { method: "PUT" })).json();
    return await Page.connect(tab.webSocketDebuggerUrl, address, view);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.status;
    await this.noise;
    await Deno.remove(this.profile, { recursive: true });
  }
}

async function drain(reader: ReadableStreamDefaultReader<string>): Promise<void> {
  while (!(await reader.read()).done);
}

// deno-lint-ignore no-explicit-any
type Answer = any;

export class Page implements AsyncDisposable {
  /** What the page complained of: console errors, exceptions, files that were not found. */
  readonly complaints: string[] = [];
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private count = 0;
  private loaded?: () => void;

  private constructor(private readonly socket: WebSocket) {}

  static async connect(url: string, address: string, view: View): Promise<Page> {
    const socket = new WebSocket(url);
    const page = new Page(socket);
    socket.onmessage = ({ data }) => page.take(JSON.parse(data));
    await new Promise((resolve, reject) => [socket.onopen, socket.onerror] = [resolve, reject]);
    for (const domain of ["Page", "Runtime", "Log"]) await page.send(`${domain}.enable`);
    await page.look(view);
    if (view.withoutGpu) {
      const source = "delete Navigator.prototype.gpu";
      await page.send("Page.addScriptToEvaluateOnNewDocument", { source });
    }
    const loaded = new Promise<void>((resolve) => page.loaded = resolve);
    await page.send("Page.navigate", { url: address });
    await loaded;
    return page;
  }

  /** Changes the window's size and the reader's scheme. */
  async look({ width = 1280, height = 900, scheme = "light" }: View): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    await this.send("Emulation.setDeviceMetricsOverride", metrics);
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  private take({ id, method, params, result, error }: Answer): void {
    if (id !== undefined) this.waiting.get(id)?.(error ? { error } : result);
    if (method === "Page.loadEventFired") this.loaded?.();
    if (method === "Runtime.exceptionThrown") {
      const { exception, text } = params.exceptionDetails;
      this.complaints.push(exception?.description ?? text);
    }
    if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(params.type)) {
      // deno-lint-ignore no-explicit-any
      this.complaints.push(params.args.map((a: any) => a.description ?? a.value).join(" "));
    }
    if (method === "Log.entryAdded" && params.entry.level === "error") {
      this.complaints.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    }
  }

  async send(method: string, params: object = {}): Promise<Answer> {
    const id = ++this.count;
    const answer = new Promise<Answer>((resolve) => this.waiting.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params }));
    const { error, ...result } = await answer;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** The value of an expression in the page, awaited; it must survive JSON. */
  async value<T = unknown>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value;
  }

  /** Waits until an expression in the page is true. */
  async until(expression: string, seconds = 60): Promise<void> {
    const end = Date.now() + 1000 * seconds;
    while (!await this.value<boolean>(`Boolean(${expression})`).catch(() => false)) {
      if (Date.now() > end) throw new Error(`not within ${seconds} s: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** A PNG image of all of the page. */
  async screenshot(): Promise<Uint8Array<ArrayBuffer>> {
    const options = { format: "png", captureBeyondViewport: true };
    const { data } = await this.send("Page.captureScreenshot", options);
    return Uint8Array.fromBase64(data);
  }

  /** @param text a key's name, as `KeyboardEvent.key` has it */
  async press(text: string): Promise<void> {
    const code = {
      Tab: 9,
      Enter: 13,
      " ": 32,
      ArrowLeft: 37,
      ArrowUp: 38,
      ArrowRight: 39,
      ArrowDown: 40,
    }[text];
    const key = { key: text, code: text, windowsVirtualKeyCode: code };
    await this.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...key });
    if (text === "Enter") await this.send("Input.dispatchKeyEvent", { type: "char", text: "\r" });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...key });
  }

  /** Presses at a point of the window, moves to another and lets go. */
  async drag(from: readonly [number, number], to: readonly [number, number]): Promise<void> {
    const event = (type: string, [x, y]: readonly [number, number]) =>
      this.send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
    await event("mousePressed", from);
    await event("mouseMoved", to);
    await event("mouseReleased", to);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.socket.onclose = resolve);
    await this.send("Page.close").catch(() => {});
    this.socket.close();
    await closed;
  }
}
