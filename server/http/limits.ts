/**
 * Bounds on what a client can make the gateway do: headers, body bytes, requests a minute.
 *
 * Counters are per process: several processes allow as many times more. `trust proxy` is off, so
 * the address is the peer's. Behind a reverse proxy all callers without a key share one address,
 * and the proxy has to limit them. The query schemas bound pages (kernel/page.ts); route-table.ts
 * refuses a route whose `limit` allows more.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Request, RequestHandler } from "express";
import { ipKeyGenerator, MemoryStore, rateLimit } from "express-rate-limit";
import type { Caller } from "../kernel/api.ts";
import type { Config } from "../kernel/config.ts";
import { problemAnswer } from "./problem.ts";

export const MAX_HEADERS = 64;

/** Refuses too many headers. Node bounds the bytes of all headers (16 KiB). */
export const limitHeaders: RequestHandler = (request, _response, next) => {
  if (request.rawHeaders.length > 2 * MAX_HEADERS)
    throw new Problem("malformed-request", `The request has more than ${MAX_HEADERS} headers`);
  next();
};

const limiter = (
  limit: number,
  identifier: string,
  keyOf: (request: Request) => string,
  store = new MemoryStore(),
) =>
  rateLimit({
    store,
    windowMs: 60_000,
    limit,
    identifier,
    standardHeaders: "draft-8",
    legacyHeaders: false,
    keyGenerator: keyOf,
    // the limiter has set Retry-After when it calls this
    handler: (_request, _response, next) =>
      next(new Problem("rate-limited", `More than ${limit} requests in a minute`)),
  });

/**
 * A stranger's body counts as one more request for each of these many bytes, because reading it
 * costs more.
 */
export const BYTES_A_REQUEST = 65_536;
/** A PDF's attachments are compressed, and grow to many times their size. */
const PACKED = 2;
/** How many requests a body counts for, beyond one. */
export const moreRequests = (bytes: number, mediaType: string): number =>
  Math.floor(bytes / BYTES_A_REQUEST) +
  (mediaType.toLowerCase().startsWith("application/pdf") ? PACKED : 0);

export type Limits = {
  /** `largest`: the bytes that a body of the route may have. */
  byCaller: (largest: number) => readonly RequestHandler[];
  byAddress: RequestHandler;
  byBytes: RequestHandler;
};
export type RateConfig = Pick<
  Config,
  "RATE_PER_MINUTE" | "PARTY_RATE_PER_MINUTE" | "PUBLIC_RATE_PER_MINUTE" | "MAX_BODY_BYTES"
>;

/**
 * `byCaller` counts the requests of a key, and of all keys of its party, so more keys do not mean
 * more requests; a body larger than others counts once more for each MAX_BODY_BYTES. It runs once
 * the caller is known. `byAddress` counts the requests of an address
 * that shows no valid key; `byBytes`, after it, counts the weight of their bodies (a body of
 * unstated length weighs the maximum).
 */
export function createLimits(
  config: RateConfig,
  callerOf: (request: Request) => Pick<Caller, "keyId" | "account">,
): Limits {
  const [strangers, keys, parties] = [new MemoryStore(), new MemoryStore(), new MemoryStore()];
  // an IPv6 client has a whole network of addresses: count it as one
  const addressOf = (request: Request) => ipKeyGenerator(request.ip ?? "");
  /** What the headers say of the body: a body of unstated length has `most` bytes. */
  const bytesOf = (request: Request, most: number): number => {
    const { "content-length": stated, "transfer-encoding": chunked } = request.headers;
    return Math.min(chunked === undefined ? Number(stated ?? 0) : Number.POSITIVE_INFINITY, most);
  };
  const counted = [
    limiter(config.RATE_PER_MINUTE, "key", (request) => callerOf(request).keyId, keys),
    limiter(
      config.PARTY_RATE_PER_MINUTE ?? 3 * config.RATE_PER_MINUTE,
      "party",
      (request) => callerOf(request).account,
      parties,
    ),
  ];
  const byLargeBody =
    (largest: number): RequestHandler =>
    async (request, _response, next) => {
      const { keyId, account } = callerOf(request);
      const more = Math.ceil(bytesOf(request, largest) / config.MAX_BODY_BYTES) - 1;
      for (let left = more; left > 0; left--) {
        await keys.increment(keyId);
        await parties.increment(account);
      }
      next();
    };
  return {
    byCaller: (largest) =>
      largest > config.MAX_BODY_BYTES ? [...counted, byLargeBody(largest)] : counted,
    byAddress: limiter(config.PUBLIC_RATE_PER_MINUTE, "address", addressOf, strangers),
    byBytes: async (request, _response, next) => {
      const { "content-type": type = "" } = request.headers;
      const bytes = bytesOf(request, config.MAX_BODY_BYTES);
      for (let more = moreRequests(bytes, type); more > 0; more--)
        await strangers.increment(addressOf(request));
      next();
    },
  };
}

/** Timers of the requests whose bodies are still arriving. */
const timers = new WeakMap<IncomingMessage, NodeJS.Timeout>();

/**
 * Ends a request whose body does not arrive in time: with an answer, or by closing the connection
 * when an answer is under way. (Node's own bound allows no exception, and a stream may take
 * longer.)
 */
export function limitTime(
  request: IncomingMessage,
  response: ServerResponse,
  milliseconds: number,
): void {
  takesItsTime(request);
  if (
    request.headers["content-length"] === undefined &&
    request.headers["transfer-encoding"] === undefined
  )
    return;
  const timer = setTimeout(() => {
    if (request.complete) return;
    if (response.headersSent) return void request.destroy();
    const { status, body, headers } = problemAnswer(
      new Problem("too-slow", `The body was not there within ${milliseconds / 1_000} s`),
      "",
    );
    response
      .writeHead(status, { ...headers, connection: "close" })
      .end(JSON.stringify(body), () => request.destroy());
  }, milliseconds);
  timers.set(request, timer);
  const { socket } = request;
  const come = () => {
    clearTimeout(timer);
    socket.off("close", come);
  };
  request.once("end", come).once("close", come);
  // Node does not close an answered request whose connection closes in the middle of its body
  socket.once("close", come);
}

/** From here on the reader of the request bounds its time. */
export const takesItsTime = (request: IncomingMessage): void => clearTimeout(timers.get(request));

/**
 * Reads the body's bytes. Throws Problem `body-too-large` as soon as that is known: by
 * Content-Length, or while reading. The rest is read and dropped (until the request's time is up):
 * a client that is still sending would otherwise see a broken connection instead of the answer.
 */
export async function readBody(request: IncomingMessage, max: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = Number(request.headers["content-length"] ?? 0) > max ? Number.POSITIVE_INFINITY : 0;
  if (size <= max) {
    for await (const chunk of request.iterator({
      destroyOnReturn: false,
    }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > max) break;
      chunks.push(chunk);
    }
  }
  if (size <= max) return Buffer.concat(chunks, size);
  request.resume();
  throw new Problem("body-too-large", `The body has more than ${max} bytes`, {
    extra: { maxBytes: max },
  });
}
