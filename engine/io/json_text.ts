/** What JSON texts are looked at for before they are parsed, or after: `JSON.parse` hides it. */

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];

/** How deep objects and arrays of files may lie in each other: parsing takes long for millions. */
export const DEEPEST = 1000;

/** Whether objects and arrays lie in each other more than `DEEPEST` deep. */
export function isTooDeep(json: string): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = endOfString(json, at);
    else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (++depth > DEEPEST) return true;
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--;
  }
  return false;
}

/** The first key that occurs twice in one object of a valid JSON text. */
export function duplicateKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === OPEN_OBJECT) open.push(new Set());
    else if (code === CLOSE_OBJECT) open.pop();
    else if (code === QUOTE) {
      const end = endOfString(json, at);
      let next = end + 1;
      while (json.charCodeAt(next) <= 0x20) next++;
      if (json.charCodeAt(next) === COLON) {
        const key = JSON.parse(json.slice(at, end + 1));
        const keys = open.at(-1)!;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      at = end;
    }
  }
}

/** Where the string that begins at a quote ends; the text's end where it doesn't. */
function endOfString(json: string, from: number): number {
  for (let at = from;;) {
    at = json.indexOf('"', at + 1);
    if (at < 0) return json.length;
    let before = at;
    while (json.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((at - before) % 2 === 0) return at;
  }
}
