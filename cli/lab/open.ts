/** Opens an address in the machine's browser. */

import { ExitCode, UserError } from "../../engine/errors.ts";

const OPENERS: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  darwin: ["open"],
  windows: ["cmd", "/c", "start", ""],
};

/** @throws UserError (failure) where nothing opens it */
export async function openInBrowser(address: string): Promise<void> {
  const [opener, ...args] = OPENERS[Deno.build.os] ?? ["xdg-open"];
  const options: Deno.CommandOptions = {
    args: [...args, address],
    ...{ stdout: "null", stderr: "null" },
  };
  const opened = await new Deno.Command(opener, options).output()
    .then(({ success }) => success, () => false);
  if (opened) return;
  throw new UserError(
    `${opener} opens no browser here`,
    ExitCode.failure,
    `leave out --open, and open ${address} yourself`,
  );
}
