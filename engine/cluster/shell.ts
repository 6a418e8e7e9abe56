/** Text as a shell reads it. */
export const quoted = (text: string): string =>
  /^[\w.,/:+@%=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
