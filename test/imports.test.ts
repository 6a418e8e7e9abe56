/** Imports run one way: no file needs, through whatever others, itself. */
import assert from "node:assert/strict";
import { circles, importsOf, specifiersIn } from "./support/imports.ts";

Deno.test("specifiersIn finds every kind of import", () => {
  const source = `
/** import { a } from "./comment.ts"; */
import type { A } from "./types.ts";
import {
  b,
  type C,
} from "./several.ts";
import "./effect.ts";
import text from "./x.wgsl" with { type: "text" };
export * from "./all.ts";
export { d } from "./named.ts";
export const e = () => import("./late.ts"); // import "./comment.ts"
export const url = "https://example.com";
`;
  assert.deepEqual(specifiersIn(source), [
    ...["./types.ts", "./several.ts", "./effect.ts", "./x.wgsl", "./all.ts", "./named.ts"],
    "./late.ts",
  ]);
});

Deno.test("circles finds those of two, of more and of one", () => {
  const graph = new Map(Object.entries({
    a: ["b"],
    b: ["c", "outside"],
    c: ["b", "d"],
    d: ["e", "f"],
    e: ["g"],
    f: ["d"],
    g: ["g"],
  }));
  assert.deepEqual(circles(graph), [["g"], ["d", "f"], ["b", "c"]]);
});

Deno.test("no circle in the whole tree, type-only imports counted", () => {
  const graph = importsOf("engine", "models", "cli", "test");
  assert.ok(graph.size > 300);
  assert.ok(graph.get("models/registry.ts")!.includes("models/small.ts"));
  assert.deepEqual(circles(graph), []);
});
