/**
 * An Answer on the wire: JSON, text, bytes or a stream, depending on its body and its Content-Type.
 *
 * By default nothing may cache an answer, because it shows what one party may see; a route can say
 * otherwise.
 */
import { once } from "node:events";
import type { Response } from "express";
import type { Answer } from "../kernel/api.ts";

const isStream = (body: unknown): body is AsyncIterable<string | Uint8Array> =>
  typeof body === "object" && body !== null && Symbol.asyncIterator in body;

/**
 * The promise's value, or undefined as soon as the signal is aborted. Promise.race would not do: it
 * leaves a reaction, and with it the value, on the promise that lives longer, and a stream that is
 * open for days comes here for every event.
 */
function unless<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const ended = () => resolve(undefined);
    if (signal.aborted) ended();
    else signal.addEventListener("abort", ended, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", ended));
  });
}

/**
 * Writes as fast as the client reads; closes the source when the client disconnects or `signal` is
 * aborted.
 */
async function pour(
  response: Response,
  source: AsyncIterable<string | Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    while (!signal.aborted) {
      const next = await unless(iterator.next(), signal);
      if (next === undefined || next.done === true) break;
      if (!response.write(next.value))
        await once(response, "drain", { signal }).catch(() => undefined);
    }
    response.end();
  } finally {
    // not awaited: a source that is waiting itself returns when its wait ends
    void iterator.return?.()?.catch(() => undefined);
  }
}

/** Keeps an operation's id for the log, so that a request can be found by the operation it made. */
export function noteOperation(response: Response, body: unknown): void {
  if (body === null || typeof body !== "object" || !("operation" in body)) return;
  response.locals["operation"] = (body.operation as { id?: unknown } | null)?.id;
}

/**
 * Sends the answer; resolves when its last byte is handed to the connection. A HEAD gets only the
 * headers.
 */
export async function sendAnswer(
  response: Response,
  answer: Answer,
  signal: AbortSignal,
): Promise<void> {
  const { status, headers = {}, secrets } = answer;
  const body = secrets === undefined ? answer.body : { ...(answer.body as object), ...secrets };
  response.statusCode = status;
  noteOperation(response, body);
  response.setHeader("Cache-Control", "no-store");
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body === undefined) {
    response.end();
    return;
  }
  if (isStream(body)) {
    response.flushHeaders();
    if (response.req.method === "HEAD") response.end();
    else await pour(response, body, signal);
    return;
  }
  const type = response.getHeader("Content-Type");
  const ready =
    body instanceof Uint8Array ||
    (typeof body === "string" && type !== undefined && !/\bjson\b/.test(String(type)));
  if (type === undefined)
    response.setHeader(
      "Content-Type",
      ready ? "application/octet-stream" : "application/json; charset=utf-8",
    );
  const bytes = ready ? Buffer.from(body as Uint8Array) : Buffer.from(JSON.stringify(body));
  response.setHeader("Content-Length", bytes.length);
  response.end(bytes);
}
