/** Pictures are turned upright as their files say, in every orientation and either format. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { decodeImage, encodePng, imageHeader } from "../engine/io/image.ts";
import { exif, pngWithExif, withExif } from "./support/exif.ts";
import { concat, inFolder } from "./support/io.ts";
import sharp from "sharp";

/** Of the picture abc / def, as Exif 2.32 draws its eight orientations. */
const TURNED = [
  ...["abc/def", "cba/fed", "fed/cba", "def/abc"],
  ...["ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad"],
];
const grey = new TextEncoder().encode("abcdef");
const data = Uint8Array.from({ length: 18 }, (_, i) => grey[Math.floor(i / 3)]);
const plain = encodePng({ height: 2, width: 3, channels: 3, data });

Deno.test("exif: the eight orientations, in PNG files of both byte orders", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.png");
    for (const [i, wanted] of TURNED.entries()) {
      for (const little of [true, false]) {
        const file = pngWithExif(plain, exif(i + 1, little));
        const { height, width, data } = await decodeImage(file, "a.png");
        const text = new TextDecoder().decode(data.filter((_, at) => at % 3 === 0));
        assert.equal(text.match(new RegExp(`.{${width}}`, "g"))!.join("/"), wanted, `${i + 1}`);
        await Deno.writeFile(path, file);
        assert.deepEqual(await imageHeader({ path }), {
          size: { height, width },
          isTurned: i > 0,
          pictures: 1,
        });
      }
    }
  }));

Deno.test("exif: what is damaged or absurd counts as upright", async () => {
  const jpeg = Uint8Array.from(await sharp(plain).jpeg().toBuffer());
  const good = exif(6, true);
  const sizes = async (tiff: Uint8Array) => {
    const { height, width } = await decodeImage(withExif(jpeg, tiff), "a.jpg");
    return `${width} x ${height}`;
  };
  assert.equal(await sizes(good), "2 x 3");
  for (const orientation of [0, 9, 65535]) {
    assert.equal(await sizes(exif(orientation, true)), "3 x 2");
  }
  for (let cut = 0; cut < good.length; cut += 3) {
    assert.match(await sizes(good.subarray(0, cut)), /3 x 2|2 x 3/);
  }
  for (let at = 0; at < good.length; at++) {
    assert.match(await sizes(good.with(at, 0xff)), /3 x 2|2 x 3/);
  }
  assert.equal(await sizes(concat(good, [1, 2, 3])), "2 x 3");
});
