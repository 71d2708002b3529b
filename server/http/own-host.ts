/**
 * The host names of a process that serves only its own machine. A page of another site can point
 * its own name at 127.0.0.1 (DNS rebinding); to the browser it then has the same origin. But the
 * name in `Host` is still the page's, and gives it away.
 */
import type { IncomingMessage } from "node:http";

const names = ["127.0.0.1", "localhost", "[::1]"];
const HTTP_PORT = 80;

/**
 * Whether `Host` names this machine, with the port of the connection. Upper case does not matter.
 */
export function isOwnHost({ headers, socket }: IncomingMessage): boolean {
  const host = headers.host?.toLowerCase() ?? "";
  return names.some(
    (name) =>
      host === `${name}:${socket.localPort}` || (host === name && socket.localPort === HTTP_PORT),
  );
}
