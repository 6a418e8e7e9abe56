/**
 * Progress of long work. On a terminal it is one line, redrawn at most ten times a second and cut
 * to fit; anywhere else it is a plain line every few seconds. Both end with what stays.
 *
 *     train 1/20 [######----------] 12800/50000  loss 1.234  412 images/s  1:30 left
 */
import { styleText } from "node:util";
import { printable, printableLines } from "../../engine/printable.ts";
import { type Output, stdout, terminalWidth, write } from "./output.ts";
import { WIDTH } from "../../engine/prose.ts";

/** What is measured beside the count, in the order of importance: "loss", "acc". */
export type Metrics = Readonly<Record<string, number | string>>;

export interface ProgressOptions {
  /** What is going on: "train 1/20". */
  readonly label: string;
  /** The count at which the work is done. */
  readonly total: number;
  /** What is counted, for the speed: "images". */
  readonly unit?: string;
  /** The count at which the work begins, where it is resumed. */
  readonly from?: number;
  /** Milliseconds of what comes after it, given those that all of it takes. */
  readonly rest?: (whole: number) => number;
  /** Where it is written (default the standard output). */
  readonly output?: Output;
  /** The terminal's columns. */
  readonly width?: () => number;
  /** Milliseconds, from anywhere. */
  readonly now?: () => number;
  /** Colours on a terminal; without it NO_COLOR and the like decide. */
  readonly color?: boolean;
}

const redrawEvery = 100;
const plainLineEvery = 5000;
const longestBar = 30;
const shortestBar = 6;

export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #unit: string;
  readonly #rest: (whole: number) => number;
  readonly #output: Output;
  readonly #width: () => number;
  readonly #now: () => number;
  readonly #color: boolean | undefined;
  readonly #terminal: boolean;
  readonly #begun: { time: number; done: number };
  #lastShown: number;
  /** Speed is measured from the first update on: what came before compiled the kernels. */
  #speedFrom: { time: number; done: number } | undefined;
  #done: number;
  #metrics: Metrics = {};
  #finished = false;

  constructor(options: ProgressOptions) {
    this.#label = printable(options.label);
    this.#total = options.total;
    this.#unit = options.unit ?? "";
    this.#rest = options.rest ?? (() => 0);
    this.#output = options.output ?? stdout;
    this.#width = options.width ?? terminalWidth;
    this.#now = options.now ?? (() => performance.now());
    this.#color = options.color;
    this.#terminal = this.#output.isTerminal();
    this.#done = options.from ?? 0;
    this.#begun = { time: this.#now(), done: this.#done };
    this.#lastShown = this.#terminal ? -Infinity : this.#begun.time;
  }

  /** Tells how far the work is; cheap enough for every step. */
  update(done: number, metrics: Metrics = this.#metrics): void {
    if (this.#finished) return;
    const now = this.#now();
    this.#done = done;
    this.#metrics = metrics;
    this.#speedFrom ??= { time: now, done };
    if (now - this.#lastShown < (this.#terminal ? redrawEvery : plainLineEvery)) return;
    this.#lastShown = now;
    if (this.#terminal) this.#redraw(this.#bar(now));
    else write(this.#output, this.#plain(now) + "\n");
  }

  /** Prints a line that stays, above the one that is redrawn. */
  log(line: string): void {
    write(this.#output, (this.#terminal ? eraseLine : "") + printableLines(line) + "\n");
    if (this.#terminal && !this.#finished) this.#redraw(this.#bar(this.#now()));
  }

  /** The last line, with the time taken. Work that ended early is shown with its count. */
  finish(metrics: Metrics = this.#metrics): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#metrics = metrics;
    const line = this.#plain(this.#now(), true);
    write(this.#output, this.#terminal ? `${eraseLine}${line}\n` : `${line}\n`);
  }

  /** Takes the redrawn line away without a last one: after an error or an interruption. */
  abandon(): void {
    if (!this.#finished && this.#terminal) write(this.#output, eraseLine);
    this.#finished = true;
  }

  #redraw(line: string): void {
    write(this.#output, eraseLine + line);
  }

  /** The last line is kept whole, in several where it is too long; the others are cut to fit. */
  #plain(now: number, last = false): string {
    if (!last) return this.#fitting(now, WIDTH - this.#label.length - 2, [this.#label]);
    const complete = this.#done >= this.#total;
    const count = complete ? String(this.#total) : `${this.#done}/${this.#total}`;
    const time = duration(now - this.#begun.time);
    const parts = [this.#label, count, ...this.#metricTexts(), this.#speed(now), time];
    return wrapParts(parts.filter((part) => part !== ""));
  }

  /** What there is to say in so many columns: the speed goes first, then the last metrics. */
  #fitting(now: number, width: number, before: readonly string[] = []): string {
    const metrics = this.#metricTexts();
    const count = `${this.#done}/${this.#total}`;
    const time = this.#timeLeft(now);
    const choices = [
      [count, ...metrics, this.#speed(now), time],
      ...metrics.map((_, i) => [count, ...metrics.slice(0, metrics.length - i), time]),
      [count, time],
      [count],
    ].map((parts) => parts.filter((part) => part !== ""));
    const fits = choices.find((parts) => parts.join("  ").length <= width) ?? choices.at(-1)!;
    return [...before, ...fits].join("  ");
  }

  /** One line of at most width - 1 columns: first the bar shrinks, then the last parts go. */
  #bar(now: number): string {
    const width = this.#width() - 1;
    // A bar takes two brackets and a space beside its cells, and a space stands on either side.
    const others = this.#label.length + 5;
    const text = this.#fitting(now, width - others - shortestBar);
    const room = () => width - others - text.length;
    if (room() < shortestBar) return `${this.#label} ${text}`.slice(0, Math.max(width, 0));
    const cells = Math.min(room(), longestBar);
    const share = this.#total > 0 ? Math.min(this.#done / this.#total, 1) : 1;
    const filled = Math.floor(share * cells);
    const bar = this.#style("green", "#".repeat(filled)) + "-".repeat(cells - filled);
    return `${this.#style("bold", this.#label)} [${bar}] ${text}`;
  }

  #metricTexts(): string[] {
    return Object.entries(this.#metrics)
      .map(([name, value]) =>
        printable(`${name} ${typeof value === "number" ? shortNumber(value) : value}`)
      );
  }

  /** Items in a millisecond; undefined where nothing can be said yet. */
  #rate(now: number): number | undefined {
    const ofUpdates = this.#speedFrom && this.#done > this.#speedFrom.done;
    const from = ofUpdates ? this.#speedFrom! : this.#begun;
    const [items, time] = [this.#done - from.done, now - from.time];
    return items > 0 && time > 0 ? items / time : undefined;
  }

  #speed(now: number): string {
    const rate = this.#rate(now);
    if (rate === undefined || this.#unit === "") return "";
    const second = rate * 1000;
    return `${second < 10 ? second.toFixed(1) : Math.round(second)} ${this.#unit}/s`;
  }

  #timeLeft(now: number): string {
    const rate = this.#rate(now);
    if (rate === undefined) return "";
    const left = (this.#total - this.#done) / rate;
    const rest = this.#rest(this.#total / rate);
    const end = rest > 0 ? `, ${duration(left + rest)} to the end` : "";
    return `${duration(left)} left${end}`;
  }

  #style(style: "bold" | "green", text: string): string {
    if (this.#color === false || text === "") return text;
    // `validateStream` asks the real stdout and the environment (NO_COLOR, FORCE_COLOR).
    return styleText(style, text, { validateStream: this.#color === undefined });
  }
}

/** Parts with two spaces between them, in as many lines as they need. */
function wrapParts(parts: readonly string[]): string {
  const lines: string[] = [];
  for (const part of parts) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 2 + part.length <= WIDTH) {
      lines[lines.length - 1] = `${line}  ${part}`;
    } else {
      lines.push(lines.length === 0 ? part : `    ${part}`);
    }
  }
  return lines.join("\n");
}

const eraseLine = "\r\x1b[K";

/** Four significant digits: 0.0001234 is 1.234e-4, 12.3456 is 12.35. */
export function shortNumber(value: number): string {
  if (Number.isInteger(value) || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6
    ? value.toFixed(Math.max(0, 3 - Math.floor(Math.log10(size))))
    : value.toExponential(3);
}

/** Milliseconds as "0.4 s", "12 s", "1:05" or "2:01:05". */
export function duration(milliseconds: number): string {
  const exact = Math.max(milliseconds, 0) / 1000;
  const all = Math.round(exact);
  if (exact < 9.95) return `${exact.toFixed(1)} s`;
  if (all < 60) return `${all} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}
