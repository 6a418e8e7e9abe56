import assert from "node:assert/strict";
import { callable, taskRunner } from "../cli/framework/launcher.ts";
import { commandHelp } from "../cli/framework/help.ts";
import { commands } from "../cli/main.ts";
import { ExitCode } from "../engine/errors.ts";
import { pathWithDeno } from "./support/cli.ts";

const path = (name: string) => new URL(name, import.meta.url).pathname;
const program = path("../cli/main.ts");
const fixture = path("./cli_fixture.ts");

function start(script: string, args: string[], env: Record<string, string> = {}) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, ...args],
    env: { NO_COLOR: "1", MODEL_DOCTOR_DEBUG: "", PATH: pathWithDeno(), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(script: string, args: string[], env?: Record<string, string>) {
  const { code, stdout, stderr } = await start(script, args, env).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("program: without a command it lists them", async () => {
  const { code, stdout } = await run(program, []);
  assert.equal(code, ExitCode.ok);
  assert.match(stdout, /^Commands:\n(.|\n)* {2}info +\S/m);
});

Deno.test("program: --help and -h of a command", async () => {
  for (const flag of ["--help", "-h"]) {
    const { code, stdout, stderr } = await run(program, ["info", "--nonsense", flag]);
    assert.equal(code, ExitCode.ok);
    assert.equal(stderr, "");
    assert.match(stdout, /^Usage: deno task info \[flags\]$/m);
    assert.match(stdout, /--json/);
  }
});

Deno.test("program: help with a command's name is its --help; help and --version stand anywhere", async () => {
  const { stdout: wanted } = await run(program, ["study", "noise", "--help"]);
  assert.deepEqual(await run(program, ["help", "study", "noise"]), {
    ...{ code: ExitCode.ok, stdout: wanted, stderr: "" },
  });
  assert.match((await run(program, ["help", "study"])).stdout, /^ {2}study noise +\S/m);
  const unknown = await run(program, ["help", "evla"]);
  assert.equal(unknown.code, ExitCode.usage);
  assert.match(unknown.stderr, /unknown command "evla"; did you mean deno task eval\?/);
  for (const args of [["--version"], ["eval", "--version"]]) {
    const { code, stdout } = await run(program, args);
    assert.equal(code, ExitCode.ok);
    assert.match(stdout, /^Model Doctor \d+\.\d+\.\d+ \(Deno \d+\..*\)\n$/);
  }
});

Deno.test("program: every help fits 80 columns, however the commands are called", async () => {
  for (const [name, load] of Object.entries(commands)) {
    for (const runner of ["deno task", "npx -y deno task"]) {
      const text = commandHelp((await load()).command, 80, runner);
      for (const line of text.split("\n")) assert.ok(line.length <= 80, `${name}: ${line}`);
      // No more is put into it on its way out, and no call is broken between lines.
      assert.equal(callable(text, runner), text);
      const calls = (of: string) => of.match(/(?:npx\s+-y\s+)?\bdeno\s+task\b/g)!;
      for (const call of calls(text)) assert.equal(call.replace(/\s+/g, " "), runner);
    }
  }
  for (const args of [[], ["study"]]) {
    const { stdout } = await run(program, args, { PATH: "/nonexistent" });
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  }
});

Deno.test("program: where Deno is not on the PATH, every hint says how npx brings it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const bin = `${folder}/_npx/05b6ef7b/node_modules/.bin`;
    await Deno.mkdir(bin, { recursive: true });
    const name = Deno.build.os === "windows" ? "deno.exe" : "deno";
    for (const place of [bin, folder]) await Deno.writeTextFile(`${place}/${name}`, "");
    assert.equal(taskRunner(folder), "deno task");
    assert.equal(taskRunner(bin), "npx -y deno task", "npx takes that with it");
    assert.equal(taskRunner(""), "npx -y deno task");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assert.equal(
    callable("a deno task x, npx -y deno task y, deno tasks", "npx -y deno task"),
    "a npx -y deno task x, npx -y deno task y, deno tasks",
  );
  const { stderr } = await run(program, ["evla"], { PATH: "/nonexistent" });
  assert.match(stderr, /did you mean npx -y deno task eval\?/);
});

Deno.test("program: a mistyped command or flag is named with the nearest", async () => {
  const command = await run(program, ["inof"]);
  assert.equal(command.code, ExitCode.usage);
  assert.match(command.stderr, /^error: unknown command "inof"; did you mean deno task info\?$/m);
  assert.match(command.stderr, /^hint: the commands are .*info.*setup/m);
  const flag = await run(program, ["info", "--jsn"]);
  assert.equal(flag.code, ExitCode.usage);
  assert.equal(
    flag.stderr,
    "error: unknown flag --jsn; did you mean --json?\nhint: deno task info --help lists the flags\n",
  );
  // A name of Object.prototype is no command either.
  assert.equal((await run(program, ["constructor"])).code, ExitCode.usage);
});

Deno.test("program: info --json is one JSON object and nothing else", async () => {
  const { code, stdout, stderr } = await run(program, ["info", "--json"]);
  assert.equal(code, ExitCode.ok, stderr);
  assert.equal(stderr, "");
  const facts = JSON.parse(stdout);
  assert.ok(facts.adapter.name.length > 0);
  assert.ok(["CPU", "GPU"].includes(facts.adapter.kind));
  assert.ok(facts.limits.maxStorageBuffersPerShaderStage >= 8);
  assert.equal(facts.deno, Deno.version.deno);
});

Deno.test("program: no adapter is an exit code of its own with a hint, and installs nothing", async () => {
  // Neither backend exists on the other system.
  const other = Deno.build.os === "darwin" ? "vulkan" : "metal";
  const { code, stdout, stderr } = await run(program, ["setup"], { DENO_WEBGPU_BACKEND: other });
  assert.equal(code, ExitCode.noAdapter);
  assert.equal(stdout, "");
  assert.match(stderr, /^error: no GPU adapter answers\nhint: .*DENO_WEBGPU_BACKEND/);
  assert.doesNotMatch(stderr, /apt-get/);
});

Deno.test("program: MODEL_DOCTOR_NO_INSTALL leaves the system alone", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  // VK_DRIVER_FILES is another reason to install nothing: here both hold.
  const env = { MODEL_DOCTOR_NO_INSTALL: "1", VK_DRIVER_FILES: "/nonexistent.json" };
  const { code, stderr } = await run(program, ["setup"], env);
  assert.equal(code, ExitCode.noAdapter);
  assert.match(stderr, /VK_DRIVER_FILES=\/nonexistent\.json decides which drivers are asked/);
});

Deno.test("program: a user's mistake is told without a stack", async () => {
  const { code, stderr } = await run(fixture, ["mistake"]);
  assert.equal(code, ExitCode.data);
  assert.equal(stderr, "error: the file is empty: a.gz\nhint: get it again\n");
  assert.equal((await run(fixture, ["code"])).code, ExitCode.method);
});

Deno.test("program: a defect is called one; its stack is for those who ask", async () => {
  const { code, stderr } = await run(fixture, ["defect"]);
  assert.equal(code, ExitCode.failure);
  assert.match(stderr, /^error: this is a defect of the program: TypeError: x is undefined\n/);
  assert.doesNotMatch(stderr, / {4}at /);
  const debug = await run(fixture, ["defect"], { MODEL_DOCTOR_DEBUG: "1" });
  assert.equal(debug.code, ExitCode.failure);
  assert.match(debug.stderr, / {4}at .*cli_fixture\.ts/);
});

Deno.test("program: a rejection that nobody handles is a defect too", async () => {
  const { code, stderr } = await run(fixture, ["reject"]);
  assert.equal(code, ExitCode.failure);
  assert.match(stderr, /^error: this is a defect of the program: RangeError: nobody waits/);
});

Deno.test("program: an error that only the device knows of ends the command", async () => {
  const { code, stderr } = await run(fixture, ["gpu"]);
  assert.equal(code, ExitCode.gpu);
  assert.match(stderr, /^error: the GPU reported an error: .*[Uu]sage/);
});

Deno.test("program: when the reader of stdout goes, it ends quietly", async () => {
  const child = start(fixture, ["flood"]);
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const stderr = await new Response(child.stderr).text();
  assert.equal((await child.status).code, ExitCode.ok);
  assert.equal(stderr, "");
});

/** Starts a command of the fixture, waits until it works, signals it, returns what came of it. */
async function signalled(command: string, ...signals: [Deno.Signal, pause: number][]) {
  const child = start(fixture, [command]);
  const decoder = new TextDecoder();
  let stdout = "";
  const working = Promise.withResolvers<void>();
  const read = (async () => {
    for await (const chunk of child.stdout) {
      stdout += decoder.decode(chunk, { stream: true });
      if (stdout.includes("working")) working.resolve();
    }
    working.resolve();
  })();
  const stderr = new Response(child.stderr).text();
  await working.promise;
  for (const [signal, pause] of signals) {
    child.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  const { code } = await child.status;
  await read;
  return { code, stdout, stderr: await stderr };
}

const withoutSignals = { ignore: Deno.build.os === "windows" };

Deno.test(
  "program: Ctrl-C stops in order, once however often it arrives at a time",
  withoutSignals,
  async () => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      const { code, stdout, stderr } = await signalled("work", [signal, 0], [signal, 0]);
      assert.equal(code, ExitCode.interrupted);
      assert.equal(stdout, "working\nsaved\n");
      assert.match(stderr, new RegExp(`error: interrupted \\(${signal}\\)`));
    }
  },
);

Deno.test("program: a second Ctrl-C leaves at once", withoutSignals, async () => {
  const { code, stdout } = await signalled("deaf", ["SIGINT", 600], ["SIGINT", 0]);
  assert.equal(code, ExitCode.interrupted);
  assert.equal(stdout, "working\n");
});

Deno.test(
  "program: a signal before there is work to lose ends it at once",
  withoutSignals,
  async () => {
    for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15], ["SIGHUP", 1]] as const) {
      const { code, stdout } = await signalled("prepare", [signal, 0]);
      assert.equal(code, 128 + number);
      assert.equal(stdout, "working\n");
    }
  },
);

/** Runs a command of the fixture by a line of the shell, in which "$@" stands for it. */
async function inShell(line: string, command: string) {
  const deno = [Deno.execPath(), "run", "-A", "--no-check", fixture, command];
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", line, "sh", ...deno],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const onlyLinux = { ignore: Deno.build.os !== "linux" };

Deno.test(
  "program: output that the device does not take is an error, after saving",
  onlyLinux,
  async () => {
    for (const command of ["talk", "--help"]) {
      const { code, stderr } = await inShell('"$@" > /dev/full', command);
      assert.equal(code, ExitCode.io);
      assert.match(stderr, /^error: cannot write to the standard output: no space is left$/m);
      assert.equal(stderr.startsWith("saved\n"), command === "talk");
    }
    assert.equal((await inShell('"$@" 2> /dev/full', "mistake")).code, ExitCode.data);
  },
);

Deno.test("program: a reader that goes is a reason to save", onlyLinux, async () => {
  const { stdout, stderr } = await inShell('"$@" | head -n 3', "talk");
  assert.equal(stdout, "working\n".repeat(3));
  assert.equal(stderr, "saved\n");
});

Deno.test("program: what nohup started outlives its terminal", onlyLinux, async () => {
  const line = 'trap "" HUP; "$@" > /dev/null & sleep 1.5; kill -HUP $!; sleep 0.5; ' +
    "kill -TERM $!; wait $!";
  const { code, stderr } = await inShell(line, "talk");
  assert.equal(code, ExitCode.interrupted);
  assert.match(stderr, /interrupted \(SIGTERM\)/);
  // Before there is work to lose, too.
  const early = 'trap "" HUP; "$@" & sleep 1.5; kill -HUP $!; wait $!';
  assert.equal((await inShell(early, "prepareAsNode")).stdout, "prepared\n");
  // And where the command was started again; a terminal tells both.
  const again =
    'trap "" HUP; "$@" & sleep 2.5; kill -HUP $! $(cat /proc/$!/task/*/children); wait $!';
  assert.equal((await inShell(again, "again")).stdout, "prepared\n");
});
