/** Lists of millions that keep only what differs. */

import assert from "node:assert/strict";
import { imageNames } from "../engine/data/folder_listing.ts";
import { mapped, picked, repeated, Texts } from "../engine/data/list.ts";
import { type Listed, Listing } from "../engine/data/listing.ts";
import { streamId } from "../engine/random.ts";

const TEXTS = ["", "a", "\ufeffmark", "é/日本/🙂.png", "a", "x".repeat(9000), "end"];

Deno.test("texts come back as they were put in, by place, from the end and in order", () => {
  const texts = new Texts();
  for (const text of TEXTS) texts.push(text);
  assert.deepEqual([...texts], TEXTS);
  for (let i = -9; i < 9; i++) assert.equal(texts.at(i), TEXTS.at(i));
});

Deno.test("lists picked and mapped are as arrays picked and mapped", () => {
  const chosen = Uint32Array.of(6, 1, 1, 3);
  const once = picked(TEXTS, chosen);
  assert.deepEqual([...once], [...chosen].map((i) => TEXTS[i]));
  const twice = picked(once, Uint32Array.of(3, 0));
  assert.deepEqual([...twice], [TEXTS[3], TEXTS[6]]);
  assert.deepEqual([...mapped(twice, (text, i) => `${i}${text}`)], [`0${TEXTS[3]}`, "1end"]);
  assert.equal(twice.at(2), undefined);
});

Deno.test("a listing gives back each image as it was found, under its class's new name", () => {
  const within = (archive: string, k: number) => ({ archive, offset: 2 ** 40 + k, bytes: k });
  const found: Listed[] = [
    { path: "/d/a/1.png", label: "0", part: "train", within: undefined },
    { path: "/d/s.tar/2.png", label: "1", part: undefined, within: within("/d/s.tar", 7) },
    { path: "/d/a/3.png", label: "1", part: "test", within: undefined },
    { path: "/d/t.tar/4.png", label: "0", part: "val", within: within("/d/t.tar", 9) },
  ];
  const listing = Listing.of(found);
  assert.deepEqual([...listing], found);
  const called = new Map([["0", "cat"], ["1", "dog"]]);
  listing.rename(called);
  assert.deepEqual([...listing], found.map((at) => ({ ...at, label: called.get(at.label) })));
});

Deno.test("names that several images would have are told apart, also where hashes are alike", () => {
  const texts = ["a", "b", "a", "c", "d", "c"];
  for (const hash of [streamId, () => 1, (text: string) => text === "d" ? 0 : 1]) {
    assert.deepEqual([...repeated(texts, hash)].sort(), [0, 2, 3, 5]);
  }
  const paths = ["/d/x/1.png", "/d/x/1.jpg", "/d/e/2.png", "/e/2.png", "/d/3.png"];
  const names = imageNames("/d", paths.map((path) => ({ path })));
  assert.deepEqual([...names], ["x/1.png", "x/1.jpg", "e/2.png-2", "e/2.png-3", "3"]);
  // Also where a name with a number is another's.
  const odd = ["a.png", "a.jpg", "a.png.png", "a.png-0.png"].map((name) => `/d/${name}`);
  assert.equal(new Set(imageNames("/d", odd.map((path) => ({ path })))).size, odd.length);
});
