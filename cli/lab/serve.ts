/** Serves the page on this machine alone. It is bundled anew at each visit, as shaders are edited. */

import { extname } from "node:path";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { bundle, type Files } from "./bundle.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

export interface LabServer {
  readonly address: string;
  readonly finished: Promise<void>;
  stop(): Promise<void>;
}

/**
 * @param make bundles what is served
 * @throws UserError (usage) where the port is taken
 */
export function serve(port: number, make: () => Promise<Files> = bundle): LabServer {
  let files: Promise<Files> | undefined;
  const answer = async ({ url }: Request): Promise<Response> => {
    const path = decodeURIComponent(new URL(url).pathname.slice(1)) || "index.html";
    if (path === "index.html") files = undefined;
    try {
      return respond(path, await (files ??= make()));
    } catch (error) {
      return new Response(String(error), { status: 500 });
    }
  };
  try {
    const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, answer);
    return {
      address: `http://127.0.0.1:${server.addr.port}/`,
      finished: server.finished,
      stop: () => server.shutdown(),
    };
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new UserError(
      `port ${port} is taken`,
      ExitCode.usage,
      "end what listens there, or give another with --port; 0 takes a free one",
    );
  }
}

function respond(path: string, files: Files): Response {
  const contents = files.get(path);
  if (!contents) return new Response(`there is no ${path}`, { status: 404 });
  const headers = { "content-type": TYPES[extname(path)], "cache-control": "no-store" };
  return new Response(contents, { headers });
}
