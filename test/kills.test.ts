/**
 * Runs that are killed at any place and gone on with leave the bits of a run that nobody disturbed,
 * and no kill leaves a folder that cannot be gone on with.
 *
 *     MODEL_DOCTOR_KILLS=300 deno test -A test/kills.test.ts      so many kills, with their log
 *
 * A story is a run from its beginning to its end through several kills: at a place in its work on
 * files, or some time after its start, by any of the signals that end a program; now and then a
 * rival wants the same folder at the same time. What is tried follows from the story's number.
 */
import assert from "node:assert/strict";
import { ExitCode } from "../engine/errors.ts";
import { start, writeMnist } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";
import { Dice } from "./support/mutate.ts";
import { contentsOf } from "./support/run_contents.ts";

/** In CI as many as take some seconds. */
const KILLS = Number(Deno.env.get("MODEL_DOCTOR_KILLS") ?? 2);
const IS_LONG = Deno.env.has("MODEL_DOCTOR_KILLS");
/** Stories at a time, where there are many: a process waits for the disk as often as it computes. */
const LANES = 2 * navigator.hardwareConcurrency;
/** After so many a story is left to come to its end. */
const KILLS_OF_A_STORY = 12;
/** What the answer to a signal may take on a machine with much other work, in milliseconds. */
const ANSWER = 60_000;
/** As many as a run has places in its work on files, about. */
const PLACES = 250;

const preload = new URL("support/kill_at.ts", import.meta.url);
const SIGNALS = ["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"] as const;

/** A command, and its flags at the beginning. */
type Job = readonly [command: readonly string[], flags: readonly string[]];

const FEW = ["--measures", "none", "--arms", "control,treated"];
const JOBS: readonly Job[] = [
  [["treat"], ["--measures", "none"]],
  [["study", "sweep"], ["--alpha", "0.1,1"]],
  [["table"], [...FEW, "--seeds", "2", "--keep-weights"]],
  [["treat"], ["--measures", "none", "--arms", "control,swa,decouple,jtt"]],
  [["treat"], [...FEW, "--seeds", "2"]],
];
const SHORT = ["--limit", "60", "--batch", "16", "--width", "0.25"]
  .concat(["--epochs", "2", "--treat-epochs", "2", "--data", "mnist", "--data-dir"]);

/** The command line that begins a job in a folder, or goes on with it; a table's is the same. */
function lineOf([command, flags]: Job, data: string, folder: string): string[] {
  const isBegun = [...Deno.readDirSync(folder)].some(({ name }) => name === "config.json");
  if (isBegun) return [...command, "--resume", folder];
  return [...command, ...flags, ...SHORT, data, "--out", folder];
}

interface Kill {
  /** A place in the work on files. */
  readonly place?: number;
  /** Milliseconds after the start. */
  readonly after?: number;
  readonly signal?: Deno.Signal;
}

interface Ending {
  readonly code: number;
  /** What ended it, where nothing answered. */
  readonly signal: string | null;
  readonly stderr: string;
  /** Milliseconds from the signal on. */
  readonly answered: number;
}

async function run(line: readonly string[], { place, after, signal }: Kill): Promise<Ending> {
  const env = { MODEL_DOCTOR_TUNING: "off", KILL_AT: `${place}` };
  const child = start(line, { env, ...(place !== undefined && { preload }) });
  let sent = Infinity;
  const timer = signal && setTimeout(() => {
    sent = performance.now();
    child.kill(signal);
  }, after);
  const [status, stderr] = await Promise.all([
    child.status,
    new Response(child.stderr).text(),
    new Response(child.stdout).text(),
  ]);
  clearTimeout(timer);
  const answered = Math.max(0, performance.now() - sent);
  return { code: status.code, signal: status.signal, stderr, answered };
}

const isKilled = ({ code, signal }: Ending) => signal !== null || code === ExitCode.interrupted;
const isRefused = ({ code, stderr }: Ending) =>
  code === ExitCode.io && /is in use by|is not empty/.test(stderr);

/** A run that nobody disturbs. @returns what it leaves, and its milliseconds */
async function undisturbed(job: Job, data: string) {
  let contents = new Map<string, string>(), took = 0;
  await inFolder(async (folder) => {
    const begun = performance.now();
    const { code, stderr } = await run(lineOf(job, data, folder), {});
    assert.equal(code, 0, stderr);
    took = performance.now() - begun;
    contents = await contentsOf(folder);
  });
  return { contents, took };
}

/** @returns how many kills there were */
async function story(
  number: number,
  job: Job,
  data: string,
  { contents, took }: Awaited<ReturnType<typeof undisturbed>>,
  most: number,
): Promise<number> {
  const dice = new Dice(number);
  const say = (what: string) =>
    IS_LONG && console.log(`story ${number}, ${job[0].join(" ")}: ${what}`);
  let kills = 0;
  await inFolder(async (folder) => {
    for (let isOver = false; !isOver;) {
      const kill = kills === most ? {} : dice.below(3) < 2
        // Most come early, so that a story has many.
        ? { place: 1 + dice.below(1 + dice.below(PLACES)) }
        : { after: dice.below(took / 2), signal: dice.pick(SIGNALS) };
      const isRivalled = kills < most && dice.below(5) === 0;
      const line = lineOf(job, data, folder);
      const endings = await Promise.all([kill, ...(isRivalled ? [{}] : [])].map(async (kill) => {
        const ending = await run(line, kill);
        const { code, signal, stderr, answered } = ending;
        const end = signal ?? `exit ${code}`;
        say(`${JSON.stringify(kill)} -> ${isRefused(ending) ? "refused" : end}`);
        const isRight = code === 0 || isKilled(ending) || isRivalled && isRefused(ending);
        assert(isRight, `story ${number}: ${line.join(" ")}\n${stderr}`);
        assert(
          answered < ANSWER,
          `story ${number}: ${answered} ms until ${kill.signal} is answered`,
        );
        return ending;
      }));
      kills += endings.filter(isKilled).length;
      isOver = endings.some(({ code }) => code === 0);
    }
    assert.deepEqual(await contentsOf(folder), contents, `story ${number}`);
    say(`${kills} kills, ${contents.size} files are equal`);
  });
  return kills;
}

Deno.test({
  name: "a run that is killed anywhere and gone on with leaves the bits of one that was not",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (data) => {
      await writeMnist(data, 60);
      const references = new Map<Job, ReturnType<typeof undisturbed>>();
      let number = 0, kills = 0;
      const tellStories = async () => {
        while (kills < KILLS) {
          const job = JOBS[number % JOBS.length];
          if (!references.has(job)) references.set(job, undisturbed(job, data));
          const most = Math.min(KILLS - kills, KILLS_OF_A_STORY);
          const told = await story(number++, job, data, await references.get(job)!, most);
          kills += told;
        }
      };
      await Promise.all(Array.from({ length: IS_LONG ? LANES : 1 }, tellStories));
    }),
});
