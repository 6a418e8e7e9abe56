/** What a test asks of a machine, where there is none: the first use throws, and names it. */

export class NoHost extends Error {}

/**
 * Stands for a module or an object of the host.
 * @param given what of it there is
 */
export const nothing = (name: string, given: object = {}): object =>
  new Proxy(given, {
    get(target, property) {
      if (property in target) return Reflect.get(target, property);
      return absent(`${name}.${String(property)}`);
    },
  });

/** A value that may be held, and neither called nor looked into. */
const absent = (name: string): unknown => {
  const refuse = () => {
    throw new NoHost(name);
  };
  return new Proxy(function () {}, { apply: refuse, construct: refuse, get: refuse });
};
