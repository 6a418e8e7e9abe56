import assert from "node:assert/strict";
import { didYouMean, editDistance, nearest } from "../engine/nearest.ts";

Deno.test("editDistance counts insertions, deletions, substitutions and swaps of neighbours", () => {
  for (
    const [a, b, distance] of [
      ["", "", 0],
      ["", "abc", 3],
      ["abc", "", 3],
      ["alpha", "alpha", 0],
      ["alpha", "alhpa", 1],
      ["epoch", "epochs", 1],
      ["batch", "patch", 1],
      ["kitten", "sitting", 3],
      ["ca", "abc", 3],
    ] as const
  ) {
    assert.equal(editDistance(a, b), distance, `${a} -> ${b}`);
    assert.equal(editDistance(b, a), distance, `${b} -> ${a}`);
  }
});

Deno.test("nearest finds what was meant and nothing where nothing is near", () => {
  const models = ["small", "alexnet", "vgg16", "resnet34"];
  assert.equal(nearest("resnet43", models), "resnet34");
  assert.equal(nearest("ResNet-34", models), "resnet34");
  assert.equal(nearest("vgg-16", models), "vgg16");
  assert.equal(nearest("smal", models), "small");
  assert.equal(nearest("transformer", models), undefined);
  assert.equal(nearest("x", ["lr", "ab"]), undefined);
  assert.equal(nearest("images", ["seed", "images-per-class"]), "images-per-class");
  assert.equal(nearest("cifar", ["mnist", "cifar10"]), "cifar10");
  assert.equal(nearest("anything", []), undefined);
});

Deno.test("nearest prefers the smaller distance over the earlier candidate", () => {
  assert.equal(nearest("beta", ["theta", "betas", "beta"]), "beta");
});

Deno.test("didYouMean ends a message", () => {
  assert.equal(didYouMean("mnits", ["mnist"]), "; did you mean mnist?");
  assert.equal(didYouMean("imagenet", ["mnist"]), "");
});
