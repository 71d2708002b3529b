/**
 * The names under which a process that serves this machine alone is asked for. A page of another
 * site can have its own name lead to 127.0.0.1 (DNS rebinding) and is then of the same origin for
 * the browser; the name in `Host` stays the page's, and gives it away.
 */
import type { IncomingMessage } from "node:http";

const names = ["127.0.0.1", "localhost", "[::1]"];
const HTTP_PORT = 80;

/**
 * Whether `Host` is a name of this machine, with the port that the request came in at. Upper case
 * is the same name.
 */
export function isOwnHost({ headers, socket }: IncomingMessage): boolean {
  const host = headers.host?.toLowerCase() ?? "";
  return names.some(
    (name) =>
      host === `${name}:${socket.localPort}` || (host === name && socket.localPort === HTTP_PORT),
  );
}
