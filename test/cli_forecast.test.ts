import assert from "node:assert/strict";
import { Forecast } from "../cli/framework/forecast.ts";
import { Progress } from "../cli/framework/progress.ts";

const stages = {
  baseline: { count: 2, epochs: 5 },
  control: { count: 2, epochs: 2 },
  treated: { count: 2, epochs: 2, cost: 3 },
};

Deno.test("forecast: what comes after, at the time that was measured, or at its share of others'", () => {
  const forecast = new Forecast(stages, (name) => name.replace(/^alpha.*/, "treated"));
  // Nothing is known but the epoch under way: 10 s. 1 + 2 * 2 + 3 * 2 * 2 + 5 further ones.
  forecast.stage("baseline");
  forecast.epoch(4, 5);
  assert.equal(forecast.rest(10), 10 * (1 + 5 + 2 * 2 + 3 * 2 * 2));
  forecast.took("baseline", 8);
  forecast.took("baseline", 12);
  forecast.epoch(5, 5);
  assert.equal(forecast.rest(100), 10 * (5 + 4 + 12), "what was measured counts");
  // A stage that has no epochs changes nothing.
  forecast.stage("diagnose");
  assert.equal(forecast.rest(100), 10 * (5 + 4 + 12));
  // Finished by an earlier process.
  forecast.stage("control", true);
  assert.equal(forecast.rest(100), 10 * (5 + 2 + 12));
  forecast.stage("alpha 1");
  forecast.epoch(1, 2);
  forecast.took("alpha 1", 90);
  forecast.epoch(2, 2);
  // Treated epochs are measured now; control's are foreseen from both: (10 + 90 / 3) / 2.
  assert.equal(forecast.rest(90), 10 * 5 + 20 * 2 + 90 * 2);
  forecast.leaveOut();
  assert.equal(forecast.rest(90), 0);
});

Deno.test("progress: lines fit, and tell the end of all", () => {
  let now = 0, text = "";
  const output = {
    isTerminal: () => false,
    writeSync(bytes: Uint8Array) {
      text += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  };
  const options = { label: "treated 1/2", total: 100, unit: "images", output, now: () => now };
  const progress = new Progress({ ...options, rest: (whole) => 2 * whole });
  const metrics = { loss: 0.12345, channel: 0.0012345, space: 0.12345, acc: "95.1 %" };
  progress.update(0, {});
  now = 10_000;
  progress.update(50, metrics);
  assert.equal(text.trimEnd().split("  ").at(-1), "10 s left, 50 s to the end");
  progress.finish({ ...metrics, "val loss": 0.12345, "val acc": "95.0 %" });
  const lines = text.trimEnd().split("\n");
  for (const line of lines) assert.ok(line.length <= 80, line);
  // The last says everything, in as many lines as it takes.
  const last = lines.slice(1).join(" ").replace(/ +/g, " ");
  assert.match(
    last,
    /^treated 1\/2 50\/100 loss 0\.1235 channel .* val acc 95\.0 % 5\.0 images\/s 10 s$/,
  );
});
